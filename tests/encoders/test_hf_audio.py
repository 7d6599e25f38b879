import numpy as np
import pytest

from kinoloop.encoders.hf_audio import HfAudio, HfAudioConfig
from kinoloop.testing.encoder_contract import EncoderContract, sample_videos
from tests.encoders import tiny_models


class TestWav2Vec2(EncoderContract):
    encoder = HfAudio
    changes_vectors = {"chunk_s": 2.0}
    keeps_vectors = {"batch_size": 1}

    @pytest.fixture(scope="class")
    @classmethod
    def settings(cls, tmp_path_factory):
        folder = tiny_models.wav2vec2(tmp_path_factory.mktemp("wav2vec2"))
        return {"model": str(folder), "chunk_s": 1.0}


def test_chunk_is_never_longer_than_the_model_takes(tmp_path):
    folder = str(tiny_models.clap(tmp_path))
    encoder = HfAudio(HfAudioConfig(model=folder, chunk_s=3.0))
    one, _ = encoder.encode(sample_videos())
    again, _ = encoder.encode(sample_videos())  # a cut at a random place would differ
    np.testing.assert_allclose(one, again, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [tiny_models.whisper, tiny_models.ast, tiny_models.clap],
    ids=lambda make: make.__name__,
)
def test_takes_every_family_through_one_adapter(tmp_path, make):
    encoder = HfAudio(HfAudioConfig(model=str(make(tmp_path)), chunk_s=1.0))
    vectors, present = encoder.encode(sample_videos())
    assert vectors.shape == (5, encoder.dim)
    assert present.tolist() == [True, True, True, True, False]
    np.testing.assert_allclose(np.linalg.norm(vectors[present], axis=1), 1, atol=1e-5)
