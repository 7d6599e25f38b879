import numpy as np
import pytest

from kinoloop.encoders.hf_text import HfText, HfTextConfig
from kinoloop.errors import ConfigError
from kinoloop.testing.encoder_contract import EncoderContract
from tests.encoders import tiny_models


class TestHfText(EncoderContract):
    encoder = HfText
    changes_vectors = {"pooling": "cls", "max_tokens": 8, "prefix": "dog ", "query_prefix": "dog "}
    keeps_vectors = {"batch_size": 1}

    @pytest.fixture(scope="class")
    @classmethod
    def settings(cls, tmp_path_factory):
        return {"model": str(tiny_models.text(tmp_path_factory.mktemp("bert"))), "max_tokens": 64}


class TestDecoderPooling(EncoderContract):
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
    with pytest.raises(ConfigError, match="is no model for AutoModel"):
        HfText(HfTextConfig(model=str(folder)))
