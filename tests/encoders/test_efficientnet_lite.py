import numpy as np
import pytest
import torch

from kinoloop.encoders.classical_visual import describe, visual_measures
from kinoloop.encoders.efficientnet_lite import (
    STEPS,
    TENSORS,
    WEIGHTS,
    EfficientNetLite,
    EfficientNetLiteConfig,
    Words,
)
from kinoloop.encoders.embedded import load_tensors
from kinoloop.encoders.networks.mbconv import STRIDES, LiteNet
from kinoloop.testing.encoder_contract import EncoderContract


@pytest.fixture(scope="module", autouse=True)
def state(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINOLOOP_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def weights():
    return load_tensors(WEIGHTS, TENSORS)


class TestEfficientNetLite(EncoderContract):
    encoder = EfficientNetLite
    changes_vectors = {"looks": 0.5}
    keeps_vectors = {"batch_size": 2}


def reference(w, pixels):
    """The network in plain functions: batch norms as they are, SAME padding for 224 × 224."""

    def norm(x, name):
        mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        return torch.batch_norm(
            x, w[f"{name}.weight"], w[f"{name}.bias"], mean, var, False, 0.1, 1e-3, False
        )

    def same(x, kernel, stride, groups=1):
        side = kernel.shape[-1]
        total = side - stride  # even sides
        if stride == 1:
            return torch.conv2d(x, kernel, padding=side // 2, groups=groups)
        x = torch.nn.functional.pad(x, [total // 2, total - total // 2] * 2)
        return torch.conv2d(x, kernel, stride=stride, groups=groups)

    x = norm(same(pixels, w["_conv_stem.weight"], 2), "_bn0").clamp(0, 6)
    for i, stride in enumerate(STRIDES):
        at, entered = f"_blocks.{i}.", x
        if f"{at}_expand_conv.weight" in w:
            x = norm(same(x, w[f"{at}_expand_conv.weight"], 1), f"{at}_bn0").clamp(0, 6)
        x = same(x, w[f"{at}_depthwise_conv.weight"], stride, groups=x.shape[1])
        x = norm(x, f"{at}_bn1").clamp(0, 6)
        x = norm(same(x, w[f"{at}_project_conv.weight"], 1), f"{at}_bn2")
        x = x + entered if x.shape == entered.shape else x
    return norm(same(x, w["_conv_head.weight"], 1), "_bn1").clamp(0, 6).mean((2, 3))


def test_folded_layers_compute_what_the_network_computes(weights):
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        net = LiteNet(weights).eval()
        torch.testing.assert_close(net(pixels), reference(weights, pixels), atol=1e-4, rtol=1e-4)


def test_features_are_those_of_the_port_that_the_weights_were_made_for(weights):
    """Golden values: the largest features of a ramp by efficientnet_lite_pytorch 0.1.0."""
    ramp = torch.linspace(-1, 1, 224).expand(1, 3, 224, 224)
    with torch.inference_mode():
        values, places = LiteNet(weights).eval()(ramp)[0].topk(6)
    assert places.tolist() == [29, 71, 689, 468, 755, 2]
    expected = torch.tensor([4.8386, 4.4941, 4.3233, 4.0754, 3.395, 3.1994])
    torch.testing.assert_close(values, expected, atol=1e-3, rtol=1e-3)


def test_half_precision_as_on_a_gpu_points_the_same_way(weights):
    pixels = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        whole = LiteNet(weights).eval()(pixels)
        half = LiteNet(weights).to(dtype=torch.bfloat16).eval()(pixels.bfloat16()).float()
    assert torch.cosine_similarity(whole, half).min() > 0.99


def test_bytes_are_scaled_as_in_training():
    pictures = torch.tensor([0, 127, 255], dtype=torch.uint8).view(3, 1, 1, 1)
    pixels = STEPS.apply(pictures.expand(3, 224, 224, 3), torch.float32)
    expected = (torch.tensor([0.0, 127.0, 255.0]) - 127) / 128
    torch.testing.assert_close(pixels[:, 0, 0, 0], expected)


def test_vectors_end_in_how_the_video_looks():
    frames = np.full((2, 64, 64, 3), (200, 40, 30), dtype=np.uint8)
    vector = EfficientNetLite(EfficientNetLiteConfig())._embed([frames])
    looks = visual_measures(describe(frames, side=96)[None])
    assert visual_measures(vector).keys() == looks.keys()
    for name, value in visual_measures(vector).items():
        np.testing.assert_allclose(value, looks[name], atol=1e-4)


def test_words_are_right_for_the_weights_of_their_class(weights):
    """A vector that points where the classifier looks for a class shows that class and its kind."""
    words, rows = Words(), weights["_fc.weight"].numpy()
    at = {name: i for i, name in enumerate(words.words)}
    for number, name, kinds in (
        (259, "Pomeranian", ["dog", "animal"]),
        (817, "sports car", ["car", "vehicle"]),
    ):
        score = words.score(rows[number : number + 1])[0]
        named = [i for i, word in enumerate(words.words) if word not in KINDS]
        assert words.words[named[int(np.argmax(score[named]))]] == name
        assert all(score[at[kind]] >= score[at[name]] for kind in kinds)


KINDS = {"dog", "animal", "car", "vehicle"}


def test_probabilities_are_sums_over_classes_and_nothing_shows_nothing():
    words = Words()
    rng = np.random.default_rng(0)
    vectors = np.abs(rng.normal(size=(3, 1474))).astype(np.float32)
    vectors[1] = 0
    scores = words.score(vectors)
    assert scores.shape == (3, len(words.words))
    assert not scores[1].any()
    assert (scores <= 1).all()
    assert words.chance[words.words.index("dog")] == pytest.approx(0.118)
