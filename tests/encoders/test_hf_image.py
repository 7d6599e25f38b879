import importlib.util

import numpy as np
import pytest

from kinoloop.encoders.hf_image import HfImage, HfImageConfig
from kinoloop.encoders.pretrained import normalise
from kinoloop.errors import ConfigError
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
        (tiny_models.convnext, 16),
        (tiny_models.mobilenet_v1, 256),
        (tiny_models.mobilenet_v2, 1280),
        (tiny_models.efficientnet, 320),
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


def test_classifier_without_pooler_gives_its_first_token_and_no_random_numbers(tmp_path):
    import torch
    import transformers

    folder = tiny_models.vit_classifier(tmp_path)
    one, two = (HfImage(HfImageConfig(model=str(folder))) for _ in range(2))
    vectors, _ = one.encode(sample_videos())
    np.testing.assert_array_equal(vectors, two.encode(sample_videos())[0])
    model = transformers.ViTForImageClassification.from_pretrained(folder).eval()
    (frame,) = sample_videos()[2].frames
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    with torch.inference_mode():
        pixels = processor(images=[frame], return_tensors="pt")["pixel_values"]
        token = model.vit(pixels).last_hidden_state[:, 0].numpy()
    np.testing.assert_allclose(vectors[2], normalise(token)[0], atol=1e-3)


def test_checkpoint_that_lacks_weights_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tiny_models.vit(tmp_path)
    weights = load_file(folder / "model.safetensors")
    gone = next(name for name in weights if "pooler" not in name)
    del weights[gone]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks 1 weights of ViTModel.*would be random"):
        HfImage(HfImageConfig(model=str(folder)))


def test_model_of_a_package_that_is_not_installed_is_an_error_that_names_it(tmp_path):
    if importlib.util.find_spec("timm"):
        pytest.skip("timm is installed")
    folder = tiny_models.vgg(tmp_path)
    (folder / "config.json").write_text('{"model_type": "timm_wrapper", "architecture": "vgg16"}')
    with pytest.raises(ConfigError, match=r"needs a package that is not installed: .*timm"):
        HfImage(HfImageConfig(model=str(folder)))


@pytest.mark.slow  # the compiler takes a minute
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")  # torch itself
def test_compiled_model_gives_the_same_vectors(tmp_path):
    folder = str(tiny_models.vit(tmp_path))
    plain, fast = (HfImage(HfImageConfig(model=folder, compile=c)) for c in (False, True))
    assert plain.fingerprint == fast.fingerprint
    np.testing.assert_allclose(
        plain.encode(sample_videos())[0], fast.encode(sample_videos())[0], atol=1e-4
    )
