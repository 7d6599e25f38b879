import dataclasses

import numpy as np
import pytest

from kinoloop.encoders import base as encoders
from kinoloop.errors import ConfigError
from kinoloop.ranking.config import LanguageConfig, RankerConfig
from kinoloop.ranking.fitting import fit_ranker, text_vectors
from kinoloop.ranking.language import Language
from tests.ranking.conftest import SMALL

WORDS = ["cooking soup", "football goal match", "", "cooking soup"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A BERT of two tiny layers with the words of the toy world."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    known = ["[PAD]", "[UNK]", "cooking", "soup", "noodles", "football", "goal", "match", "part"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(known)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(known), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return str(folder)


def trained(language):
    return {name for name, value in language.named_parameters() if value.requires_grad}


@pytest.mark.parametrize(
    ("tune", "some", "none"),
    [
        ("top", "layer.1.", "layer.0."),
        ("lora", "lora_A", "word_embeddings"),
        ("adalora", "lora_E", "word_embeddings"),
        ("full", "layer.0.", "word_embeddings"),
    ],
)
def test_the_policy_decides_what_is_trained(model, tune, some, none):
    language = Language(model, LanguageConfig(tune=tune, top_layers=1, rank=2), WORDS, steps=20)
    names = trained(language)
    assert any(some in name for name in names)
    assert not any(none in name for name in names)


def test_equal_words_have_equal_vectors_and_no_words_none(model):
    language = Language(model, LanguageConfig(tune="top", top_layers=1), WORDS, steps=5)
    vectors = language.read_all()
    np.testing.assert_allclose(vectors[0], vectors[3], rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 0, 1], rtol=1e-5)
    one_by_one = np.vstack([language(np.array([v])).detach().numpy() for v in range(4)])
    np.testing.assert_allclose(one_by_one, vectors, atol=1e-5)


@pytest.mark.parametrize("tune", ["top", "lora"])
def test_a_language_model_that_is_trained_learns_the_topics_and_is_not_in_the_release(
    model, windows, catalogue, tune, tmp_path
):
    language = {
        "tune": tune, "top_layers": 2, "rank": 2, "learning_rate": 0.01, "batch_size": 128,
    }  # fmt: skip
    config = RankerConfig(
        **{**SMALL, "groups": ("text",), "model": model, "language": language, "text_dim": 4,
           "epochs": 3, "length": 4}
    )  # fmt: skip
    found = fit_ranker(config, windows, catalogue)
    assert found.metrics["test/auc"] > 0.8
    found.ranker.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "state.safetensors"}


def test_an_absent_model_is_named():
    with pytest.raises(ConfigError, match="no-such-folder"):
        Language("/no-such-folder/model", LanguageConfig(tune="full"), WORDS, steps=1)


def test_stored_vectors_are_read_by_the_model_unless_the_features_are_its_own(model, catalogue):
    vectors = text_vectors(catalogue, model)
    assert vectors.shape == (40, 16)
    own = encoders.build({"kind": "hf_text", "model": model}).fingerprint
    text = dataclasses.replace(catalogue.modalities["text"], fingerprint=own)
    known = dataclasses.replace(catalogue, modalities={"text": text})
    np.testing.assert_array_equal(text_vectors(known, model), text.vectors)
