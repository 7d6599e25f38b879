import numpy as np
import pytest
import torch
import transformers

from kinoloop.encoders.images import ImageSteps, make_preprocess
from kinoloop.encoders.pretrained import Pretrained

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SQUARE = {"height": 32, "width": 32}
ON_CPU = Pretrained(None, None, torch.device("cpu"), torch.float32)

PROCESSORS = {
    "clip": transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=SQUARE),
    "siglip": transformers.SiglipImageProcessor(size=SQUARE),
    "vit": transformers.ViTImageProcessor(size=SQUARE),
    "dinov2": transformers.BitImageProcessor(
        size={"shortest_edge": 40}, crop_size=SQUARE, **IMAGENET
    ),
    "resnet": transformers.ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=0.875),
    "convnext at 384": transformers.ConvNextImageProcessor(size={"shortest_edge": 384}),
    "mobilenet": transformers.MobileNetV2ImageProcessor(
        size={"shortest_edge": 36}, crop_size=SQUARE
    ),
    "efficientnet": transformers.EfficientNetImageProcessor(size=SQUARE, resample=2, **IMAGENET),
    "efficientnet with offset": transformers.EfficientNetImageProcessor(
        size=SQUARE, resample=2, rescale_offset=True, include_top=False, rescale_factor=1 / 127.5
    ),
    "crop larger than the picture": transformers.CLIPImageProcessor(
        do_resize=False, crop_size={"height": 81, "width": 91}
    ),
    "not normalised": transformers.ViTImageProcessor(size=SQUARE, do_normalize=False),
}


def pictures():
    """A photograph stands in for: smooth gradients and edges, in two sizes."""
    rng = np.random.default_rng(0)
    made = []
    for height, width in ((64, 48), (48, 80), (48, 80), (40, 40)):
        y, x = np.mgrid[:height, :width]
        waves = 127 + 80 * np.sin(x / 5)[..., None] * np.cos(y / 7)[..., None]
        made.append((waves + rng.integers(0, 40, (height, width, 3))).clip(0, 255).astype(np.uint8))
    return made


@pytest.mark.parametrize("name", PROCESSORS)
def test_pixels_are_those_of_the_checkpoints_own_processor(name):
    processor = PROCESSORS[name]
    assert ImageSteps.of(processor) is not None
    ours = make_preprocess(ON_CPU, processor)(pictures())
    theirs = processor(images=pictures(), return_tensors="pt")["pixel_values"]
    assert ours.shape == theirs.shape
    # one level of 256 apart at most, after division by a standard deviation of 0.22
    assert (ours - theirs).abs().max() < 1.01 / 255 / 0.22**2
    assert (ours - theirs).abs().mean() < 0.003


def test_processor_with_steps_of_its_own_is_asked_itself():
    processor = transformers.ViTImageProcessor(size=SQUARE, resample=1)  # Lanczos
    assert ImageSteps.of(processor) is None
    ours = make_preprocess(ON_CPU, processor)(pictures())
    theirs = processor(images=pictures(), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(ours, theirs)


def test_steps_that_pad_are_not_taken_for_plain_ones():
    processor = transformers.ViTImageProcessor(size=SQUARE)
    processor.do_pad = True
    assert ImageSteps.of(processor) is None
