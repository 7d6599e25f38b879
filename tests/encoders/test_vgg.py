import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from kinoloop.encoders.vgg import Vgg, VggConfig, read_layers
from kinoloop.errors import ConfigError
from kinoloop.testing.encoder_contract import EncoderContract
from tests.encoders import tiny_models


class TestVgg(EncoderContract):
    encoder = Vgg
    keeps_vectors = {"batch_size": 1}

    @pytest.fixture(scope="class")
    @classmethod
    def settings(cls, tmp_path_factory):
        return {"model": str(tiny_models.vgg(tmp_path_factory.mktemp("vgg")))}


def kinds(folder):
    return [type(layer).__name__ for layer in read_layers(folder)]


def test_layers_are_read_off_the_weights(tmp_path):
    assert kinds(tiny_models.vgg(tmp_path / "plain")) == [
        "Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "Conv2d", "ReLU", "MaxPool2d",
    ]  # fmt: skip
    assert kinds(tiny_models.vgg(tmp_path / "normalised", normalised=True))[:4] == [
        "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d",
    ]  # fmt: skip


@pytest.mark.parametrize("normalised", [False, True])
def test_layers_compute_what_the_model_computes(tmp_path, normalised):
    folder = tiny_models.vgg(tmp_path, normalised=normalised)
    weights = load_file(folder / "model.safetensors")
    pixels = torch.rand(2, 3, 32, 32)

    def convolve(x, at):
        x = torch.conv2d(x, weights[f"features.{at}.weight"], weights[f"features.{at}.bias"], 1, 1)
        if normalised:
            name = f"features.{at + 1}."
            mean, var = weights[name + "running_mean"], weights[name + "running_var"]
            scale, shift = weights[name + "weight"], weights[name + "bias"]
            x = torch.batch_norm(x, scale, shift, mean, var, False, 0.1, 1e-5, False)
        return x.relu()

    first, second, third = (0, 4, 7) if normalised else (0, 3, 5)
    expected = torch.max_pool2d(convolve(pixels, first), 2)
    expected = torch.max_pool2d(convolve(convolve(expected, second), third), 2)
    with torch.inference_mode():
        torch.testing.assert_close(read_layers(folder).eval()(pixels), expected)


def test_other_preprocessing_has_another_fingerprint(tmp_path):
    folder = tiny_models.vgg(tmp_path)
    before = Vgg(VggConfig(model=str(folder))).fingerprint
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"]["mean"] = [0.4, 0.4, 0.4]
    (folder / "config.json").write_text(json.dumps(config))
    assert Vgg.identify(VggConfig(model=str(folder))) != before


@pytest.mark.parametrize(
    "weights",
    [
        {"encoder.weight": torch.zeros(2, 2)},
        {"features.0.weight": torch.zeros(4, 3, 3, 3)},  # no bias
        {"features.1.weight": torch.zeros(4, 3, 3, 3), "features.1.bias": torch.zeros(4)},
    ],
    ids=["other names", "a weight missing", "other numbers"],
)
def test_other_weights_are_refused(tmp_path, weights):
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError, match="does not hold a VGG"):
        read_layers(tmp_path)


def test_video_is_the_mean_of_its_frames(tmp_path):
    vectors, present = Vgg(VggConfig(model=str(tiny_models.vgg(tmp_path)))).encode([])
    assert vectors.shape == (0, 8)
    assert not np.any(present)
