import json

import numpy as np
import pytest

from kinoloop.encoders.hf_text import HfText, HfTextConfig
from kinoloop.encoders.pooling import prefixes_of
from kinoloop.errors import ConfigError
from kinoloop.testing.encoder_contract import TextEncoderContract
from tests.encoders import tiny_models


class TestHfText(TextEncoderContract):
    encoder = HfText
    changes_vectors = {"pooling": "cls", "max_tokens": 8, "prefix": "dog ", "query_prefix": "dog "}
    keeps_vectors = {"batch_size": 1}

    @pytest.fixture(scope="class")
    @classmethod
    def settings(cls, tmp_path_factory):
        return {"model": str(tiny_models.text(tmp_path_factory.mktemp("bert"))), "max_tokens": 64}


class TestDecoderPooling(TextEncoderContract):
    encoder = HfText

    @pytest.fixture(scope="class")
    @classmethod
    def settings(cls, tmp_path_factory):
        folder = tiny_models.decoder(tmp_path_factory.mktemp("qwen"))
        return {"model": str(folder), "pooling": "last", "max_tokens": 64}


def test_pooling_matches_its_definition(tmp_path):
    import torch
    import transformers

    folder = tiny_models.text(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        states = model(**tokenizer("a red fox", return_tensors="pt")).last_hidden_state[0].numpy()
    expected = {"mean": states.mean(0), "cls": states[0], "last": states[-1]}
    for pooling, vector in expected.items():
        encoder = HfText(HfTextConfig(model=str(folder), pooling=pooling, max_tokens=64))
        # a longer neighbour in the batch pads this one
        got = encoder.encode_text(["a red fox", "how to bake a red bread of an evening"])[0]
        np.testing.assert_allclose(got, vector / np.linalg.norm(vector), atol=1e-5)


def test_other_weights_have_another_fingerprint(tmp_path):
    one, two = (
        HfText(HfTextConfig(model=str(tiny_models.text(tmp_path / str(s), seed=s)), max_tokens=64))
        for s in (0, 1)
    )
    assert one.fingerprint != two.fingerprint


def test_same_weights_elsewhere_have_the_same_fingerprint(tmp_path):
    folders = [tiny_models.text(tmp_path / name) for name in ("here", "there")]
    one, two = (HfText(HfTextConfig(model=str(f), max_tokens=64)) for f in folders)
    assert one.fingerprint == two.fingerprint


def test_query_prefix_changes_queries_only(tmp_path):
    folder = str(tiny_models.text(tmp_path))
    plain = HfText(HfTextConfig(model=folder, max_tokens=64))
    e5 = HfText(HfTextConfig(model=folder, max_tokens=64, query_prefix="dog "))
    np.testing.assert_allclose(e5.encode_text(["fox"]), plain.encode_text(["dog fox"]), atol=1e-6)


def test_model_that_is_nowhere_is_an_error_that_names_it(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match="model 'no/such-model' is neither a folder nor"):
        HfText(HfTextConfig(model="no/such-model"))


def test_folder_without_safetensors_is_refused(tmp_path):
    folder = tiny_models.text(tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"holds no \*\.safetensors; other weight formats"):
        HfText(HfTextConfig(model=str(folder)))


def test_folder_that_is_no_model_is_refused(tmp_path):
    folder = tiny_models.text(tmp_path)
    (folder / "config.json").write_text('{"model_type": "nonsense"}')
    with pytest.raises(ConfigError, match="is not a model for AutoModel"):
        HfText(HfTextConfig(model=str(folder)))


class TestRoberta(TextEncoderContract):
    """E5 multilingual is one; it has two positions less than it says."""

    encoder = HfText

    @pytest.fixture(scope="class")
    @classmethod
    def settings(cls, tmp_path_factory):
        return {"model": str(tiny_models.roberta(tmp_path_factory.mktemp("roberta")))}


def said(folder, name, content):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def same_as(folder, text="a red fox", **settings):
    """Whether `auto` gives what these settings give."""
    auto = HfText(HfTextConfig(model=str(folder)))
    told = HfText(HfTextConfig(model=str(folder), **settings))
    np.testing.assert_allclose(auto.encode_text([text]), told.encode_text([text]), atol=1e-6)
    return auto.fingerprint == told.fingerprint


def test_decoder_is_pooled_at_its_last_token_and_bert_by_the_mean(tmp_path):
    assert same_as(tiny_models.decoder(tmp_path / "qwen"), pooling="last")
    assert same_as(tiny_models.text(tmp_path / "bert"), pooling="mean")


@pytest.mark.parametrize(
    ("content", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode": "mean"}, "mean"),
    ],
    ids=["cls", "last", "by name"],
)
def test_pooling_that_the_checkpoint_names_counts(tmp_path, content, pooling):
    folder = tiny_models.text(tmp_path)
    said(folder, "1_Pooling/config.json", content)
    assert same_as(folder, pooling=pooling)


def test_pooling_that_is_not_known_is_refused_unless_set(tmp_path):
    folder = tiny_models.text(tmp_path)
    said(folder, "1_Pooling/config.json", {"pooling_mode_max_tokens": True})
    with pytest.raises(ConfigError, match=r"asks for a pooling that is not known here.*set `pool"):
        HfText.identify(HfTextConfig(model=str(folder)))
    assert HfText.identify(HfTextConfig(model=str(folder), pooling="mean"))


def test_layer_after_the_pooling_is_refused(tmp_path):
    folder = tiny_models.text(tmp_path)
    (folder / "2_Dense").mkdir()
    with pytest.raises(ConfigError, match=r"has a layer after its pooling \(2_Dense\)"):
        HfText.identify(HfTextConfig(model=str(folder)))


def test_prompts_of_the_checkpoint_are_put_before_texts(tmp_path):
    folder = tiny_models.decoder(tmp_path)
    prompts = {"query": "how to ", "document": ""}
    said(folder, "config_sentence_transformers.json", {"prompts": prompts})
    assert same_as(folder, query_prefix="how to ", prefix="")
    assert not same_as(folder, query_prefix="how to ", prefix="dog ")


def test_e5_is_known_by_its_name(tmp_path):
    folder = tiny_models.text(tmp_path / "intfloat" / "e5-small-v2")
    assert same_as(folder, query_prefix="query: ", prefix="passage: ")
    other = tiny_models.text(tmp_path / "bge-small")
    assert same_as(other, query_prefix="", prefix="")


@pytest.mark.parametrize(
    "name",
    ["intfloat/multilingual-e5-large-instruct", "some/nice5-model", "e5x/bert"],
)
def test_other_names_are_not_e5(tmp_path, name):
    assert prefixes_of(tmp_path, name) == ("", "")


def test_tokenizer_that_is_missing_is_an_error_that_says_how_to_save_it(tmp_path):
    folder = tiny_models.text(tmp_path)
    for file in ("tokenizer.json", "vocab.txt"):
        (folder / file).unlink(missing_ok=True)
    with pytest.raises(ConfigError, match=r"no tokenizer\.json and no vocabulary"):
        HfText.identify(HfTextConfig(model=str(folder)))


def test_other_heads_over_the_same_weights_are_another_space_and_another_version_is_not(tmp_path):
    folder = tiny_models.text(tmp_path)
    config, before = folder / "config.json", HfText.identify(HfTextConfig(model=str(folder)))
    written = json.loads(config.read_text())
    config.write_text(json.dumps({**written, "transformers_version": "4.0", "use_cache": False}))
    assert HfText.identify(HfTextConfig(model=str(folder))) == before
    config.write_text(json.dumps({**written, "num_attention_heads": 4}))
    assert HfText.identify(HfTextConfig(model=str(folder))) != before


@pytest.mark.parametrize("content", ["{", "[]"], ids=["no JSON", "no object"])
def test_damaged_configuration_is_an_error_that_names_the_file(tmp_path, content):
    folder = tiny_models.text(tmp_path)
    (folder / "config.json").write_text(content)
    with pytest.raises(ConfigError, match=r"config\.json (cannot be read|is not a JSON object)"):
        HfText.identify(HfTextConfig(model=str(folder)))
