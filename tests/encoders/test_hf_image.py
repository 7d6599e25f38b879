import numpy as np
import pytest

from kinoloop.encoders.hf_image import HfImage, HfImageConfig
from kinoloop.encoders.pretrained import normalise
from kinoloop.testing.encoder_contract import EncoderContract, sample_videos
from tests.encoders import tiny_models


class TestClip(EncoderContract):
    encoder = HfImage
    keeps_vectors = {"batch_size": 1}

    @pytest.fixture(scope="class")
    @classmethod
    def settings(cls, tmp_path_factory):
        return {"model": str(tiny_models.clip(tmp_path_factory.mktemp("clip")))}


@pytest.mark.parametrize(
    ("make", "dim"),
    [
        (tiny_models.clip, 16),
        (tiny_models.siglip, 32),
        (tiny_models.vit, 32),
        (tiny_models.dinov2, 32),
        (tiny_models.resnet, 16),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_takes_every_family_through_one_adapter(tmp_path, make, dim):
    encoder = HfImage(HfImageConfig(model=str(make(tmp_path))))
    vectors, present = encoder.encode(sample_videos())
    assert vectors.shape == (5, dim)
    assert present.tolist() == [True, True, True, False, True]
    np.testing.assert_allclose(np.linalg.norm(vectors[present], axis=1), 1, atol=1e-5)


def test_video_is_the_mean_of_its_frames(tmp_path):
    encoder = HfImage(HfImageConfig(model=str(tiny_models.vit(tmp_path))))
    video = sample_videos()[1]
    frames = [
        type(video)("f", "", frame[None], video.frame_times_s[:1], video.audio, 16_000)
        for frame in video.frames
    ]
    each, _ = encoder.encode(frames)
    whole, _ = encoder.encode([video])
    np.testing.assert_allclose(whole, normalise(each.mean(axis=0, keepdims=True)), atol=1e-5)


def test_other_preprocessing_has_another_fingerprint(tmp_path):
    folder = tiny_models.vit(tmp_path)
    before = HfImage(HfImageConfig(model=str(folder))).fingerprint
    config = folder / "preprocessor_config.json"
    config.write_text(config.read_text().replace('"do_normalize": true', '"do_normalize": false'))
    assert HfImage(HfImageConfig(model=str(folder))).fingerprint != before
