import dataclasses

import numpy as np
import pytest
import torch

from kinoloop.data.video_text import COMPOSITION, texts_of
from kinoloop.encoders import base as encoders
from kinoloop.encoders.fingerprint import text_space
from kinoloop.errors import ConfigError
from kinoloop.models.transformer.config import BackboneConfig
from kinoloop.models.transformer.policies import FineTuned, weights_dtype
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
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(known), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
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
        ("full", "word_embeddings", "pooler"),
    ],
)
def test_the_policy_decides_what_is_trained(model, tune, some, none):
    language = Language(model, LanguageConfig(tune=tune, top_layers=1, rank=2), WORDS, steps=20)
    names = trained(language)
    assert any(some in name for name in names)
    assert not any(none in name for name in names)


def test_full_trains_every_parameter(model):
    """One step of the loop moves all of them, word embeddings included."""
    language = Language(model, LanguageConfig(tune="full"), WORDS, steps=1)
    assert all(p.requires_grad for p in language.parameters())
    u, v = language.read(np.array([[0, 1]]), np.ones((1, 2), np.float32), np.array([3]))
    (u * v).sum().backward()
    without = [n for n, p in language.named_parameters() if p.grad is None or not p.grad.any()]
    bias_of_keys = [n for n in without if n.endswith("key.bias")]  # cancels out in the softmax
    assert set(without) == set(bias_of_keys)


@pytest.mark.parametrize("tune", ["full", "top", "lora", "adalora", "head"])
def test_what_is_trained_is_float32_and_what_is_not_is_half_on_a_gpu(model, tune):
    from transformers import AutoModel

    policy = BackboneConfig(checkpoint=model, tune=tune, top_layers=1, rank=2)
    frozen = tune in ("lora", "adalora", "head")
    assert weights_dtype(policy, torch.float32) == torch.float32
    on_a_gpu = weights_dtype(policy, torch.bfloat16)
    assert on_a_gpu == (torch.bfloat16 if frozen else torch.float32)
    half = AutoModel.from_pretrained(model, dtype=torch.bfloat16)
    tuned = FineTuned(half, policy, steps=20, reads_words=True)
    trained = {p.dtype for p in tuned.parameters() if p.requires_grad}
    assert trained == (set() if tune == "head" else {torch.float32})
    if frozen:
        assert {p.dtype for p in tuned.parameters() if not p.requires_grad} >= {torch.bfloat16}


def test_policies_are_compared_at_equal_batches(model, windows, catalogue):
    """How many exposures are read at a time changes memory, not the steps."""
    curves = []
    for at_a_time in (32, 128):
        language = {"tune": "top", "top_layers": 1, "batch_size": at_a_time}
        config = RankerConfig(
            **{**SMALL, "groups": ("text",), "model": model, "language": language, "text_dim": 4,
               "epochs": 1, "length": 4, "batch_size": 128, "dropout": 0.0}
        )  # fmt: skip
        found = []
        fit_ranker(
            config, windows, catalogue,
            report=lambda name, value, step, found=found: found.append(value),
        )  # fmt: skip
        curves.append(found)
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-4)


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
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        "situations.json",
        "state.safetensors",
    }


def test_an_absent_model_is_named():
    with pytest.raises(ConfigError, match="no-such-folder"):
        Language("/no-such-folder/model", LanguageConfig(tune="full"), WORDS, steps=1)


def test_stored_vectors_are_taken_where_the_same_model_made_them_of_the_same_texts(
    model, catalogue
):
    encoder = encoders.build({"kind": "hf_text", "model": model})
    texts = texts_of(catalogue.videos)
    read = text_vectors(catalogue, model, lambda: texts)
    np.testing.assert_allclose(read, encoder.encode_documents(texts), atol=1e-5)

    def known(fingerprint):
        text = dataclasses.replace(catalogue.modalities["text"], fingerprint=fingerprint)
        return dataclasses.replace(catalogue, modalities={"text": text})

    stored = known(text_space(encoder.fingerprint))
    taken = text_vectors(stored, model, lambda: pytest.fail("the texts need not be read"))
    np.testing.assert_array_equal(taken, catalogue.modalities["text"].vectors)
    of_other_texts = known(text_space(encoder.fingerprint, COMPOSITION - 1))
    np.testing.assert_array_equal(text_vectors(of_other_texts, model, lambda: texts), read)


def test_a_document_is_not_prompted_as_a_query(model):
    settings = {"kind": "hf_text", "model": model, "prefix": "football ", "query_prefix": "soup "}
    encoder = encoders.build(settings)
    [document], [query] = encoder.encode_documents(["part"]), encoder.encode_text(["part"])
    [plain] = encoders.build({**settings, "query_prefix": ""}).encode_text(["football part"])
    np.testing.assert_allclose(document, plain, atol=1e-6)
    assert not np.allclose(document, query)
