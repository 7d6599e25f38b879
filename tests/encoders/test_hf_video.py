import numpy as np
import pytest

from kinoloop.encoders.hf_video import HfVideo, HfVideoConfig
from kinoloop.errors import ConfigError
from kinoloop.media.content import VideoContent
from kinoloop.testing.encoder_contract import EncoderContract
from tests.encoders import tiny_models


class TestVideoMae(EncoderContract):
    encoder = HfVideo
    keeps_vectors = {"batch_size": 1}

    @pytest.fixture(scope="class")
    @classmethod
    def settings(cls, tmp_path_factory):
        return {"model": str(tiny_models.videomae(tmp_path_factory.mktemp("videomae")))}


def video(frames):
    times, silence = np.arange(len(frames), dtype=np.float64), np.zeros(0, np.float32)
    return VideoContent("v", "", np.stack(frames), times, silence, 16_000)


def test_sees_the_order_of_frames(tmp_path):
    encoder = HfVideo(HfVideoConfig(model=str(tiny_models.videomae(tmp_path))))
    shades = [np.full((32, 32, 3), shade, dtype=np.uint8) for shade in (0, 80, 160, 240)]
    (forward, backward), _ = encoder.encode([video(shades), video(shades[::-1])])
    assert np.abs(forward - backward).max() > 1e-3


def test_takes_evenly_of_more_frames_and_repeats_fewer(tmp_path):
    encoder = HfVideo(HfVideoConfig(model=str(tiny_models.videomae(tmp_path))))
    shades = [np.full((32, 32, 3), shade, dtype=np.uint8) for shade in range(0, 240, 24)]
    picked = [shades[i] for i in (0, 3, 6, 9)]
    (many, four, one, ones), _ = encoder.encode(
        [video(shades), video(picked), video(shades[:1]), video(shades[:1] * 4)]
    )
    np.testing.assert_allclose(many, four, atol=1e-5)
    np.testing.assert_allclose(one, ones, atol=1e-5)


def test_image_model_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="it is not a video model; use kind"):
        HfVideo(HfVideoConfig(model=str(tiny_models.vit(tmp_path))))
