import numpy as np
import pytest

from kinoloop.encoders.hf_text import HfText, HfTextConfig
from kinoloop.encoders.minilm import MiniLm, MiniLmConfig, packaged_model
from kinoloop.testing.encoder_contract import TextEncoderContract


class TestMiniLm(TextEncoderContract):
    encoder = MiniLm
    changes_vectors = {"max_tokens": 16}
    keeps_vectors = {"batch_size": 2}


@pytest.fixture(scope="module")
def minilm():
    return MiniLm(MiniLmConfig())


def test_has_the_fingerprint_of_the_model_by_name(minilm):
    by_path = HfText(HfTextConfig(model=str(packaged_model())))
    assert minilm.fingerprint == by_path.fingerprint


def test_vectors_are_those_of_sentence_transformers(minilm):
    """Golden values: the first four of three sentences by sentence-transformers 5 on the CPU."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    texts = ["A dog runs over the grass.", "jazz", "Wie backt man Brot? " * 40]
    reference = sentence_transformers.SentenceTransformer(str(packaged_model()), device="cpu")
    np.testing.assert_allclose(
        minilm.encode_text(texts), reference.encode(texts, normalize_embeddings=True), atol=1e-5
    )


def test_knows_what_words_mean(minilm):
    query, *videos = minilm.encode_text(
        ["puppy playing", "a young dog runs after a ball", "how to bake sourdough", "jazz trio"]
    )
    assert np.argmax(np.stack(videos) @ query) == 0
