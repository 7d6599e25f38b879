"""Preprocess pictures where the model is: resize, crop, scale and normalise whole batches.

The steps and their numbers are the checkpoint's, read from its image processor; a test holds the
pixels to those of the processor itself. Pictures travel as bytes, a quarter of what floats would
take. A processor with steps of another kind is asked itself, on the CPU.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders.pretrained import Pretrained

if TYPE_CHECKING:
    import torch

Frames = Sequence[NDArray[np.uint8]]
Preprocess = Callable[[Frames], "torch.Tensor"]

_RESAMPLE = {0: "nearest-exact", 2: "bilinear", 3: "bicubic"}
"""PIL's codes; torch has no Lanczos, box or Hamming."""

_OWN_STEPS = ("ConvNext", "EfficientNet", "MobileNetV2", "VideoMAE")
"""Beginnings of processor classes whose own steps are among those below."""


@dataclass(frozen=True)
class ImageSteps:
    """What is done to each picture, in this order.

    Attributes:
        resize: Height and width, or the shorter edge; None leaves the size.
        resample: As torch calls it.
        crop: Height and width cut from the middle; None leaves the whole.
        scale: Factor of the bytes.
        offset: Added after that.
        mean: Subtracted by channel.
        std: Divided by, by channel.
    """

    resize: tuple[int, int] | int | None
    resample: str
    crop: tuple[int, int] | None
    scale: float
    offset: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def of(cls, processor: Any) -> "ImageSteps | None":  # noqa: ANN401 (many classes)
        """Read them from an image processor; None where it does something else."""
        if not _is_plain(processor) or int(processor.resample or 0) not in _RESAMPLE:
            return None
        resize, crop = _sizes(processor)
        if processor.do_resize and resize is None:
            return None
        scale = float(processor.rescale_factor) if processor.do_rescale else 1.0
        normal = bool(processor.do_normalize)
        mean = _triple(processor.image_mean) if normal else (0.0, 0.0, 0.0)
        std = _triple(processor.image_std) if normal else (1.0, 1.0, 1.0)
        if getattr(processor, "include_top", False):  # EfficientNet divides twice
            again = _triple(processor.image_std)
            std = (std[0] * again[0], std[1] * again[1], std[2] * again[2])
        return cls(
            resize=resize,
            resample=_RESAMPLE[int(processor.resample or 0)],
            crop=crop,
            scale=scale,
            offset=-1.0 if getattr(processor, "rescale_offset", False) else 0.0,
            mean=mean,
            std=std,
        )

    def apply(self, images: "torch.Tensor", dtype: "torch.dtype") -> "torch.Tensor":
        """Preprocess a batch where it is.

        Args:
            images: (n, height, width, 3) uint8.
            dtype: Of the result.

        Returns:
            (n, 3, height, width).
        """
        pixels = images.permute(0, 3, 1, 2)
        if self.resize is not None:
            pixels = self._resized(pixels)
        if self.crop is not None:
            pixels = _cropped(pixels, self.crop)
        mean, std = _channels(self.mean, images.device), _channels(self.std, images.device)
        result = (pixels.float() * self.scale + self.offset - mean) / std
        return result.to(dtype).contiguous()

    def _resized(self, pixels: "torch.Tensor") -> "torch.Tensor":
        from torch.nn.functional import interpolate

        height, width = pixels.shape[2:]
        size = self.resize
        if isinstance(size, int):
            longer = int(size * max(height, width) / min(height, width))
            size = (size, longer) if height <= width else (longer, size)
        if size is None or size == (height, width):
            return pixels
        if pixels.device.type != "cpu":  # only the CPU resizes bytes
            pixels = pixels.float()
        smooth = self.resample in {"bilinear", "bicubic"}
        pixels = interpolate(pixels, size, mode=self.resample, antialias=smooth)
        return pixels.round().clamp(0, 255) if pixels.is_floating_point() else pixels


def make_preprocess(pretrained: Pretrained, processor: Any) -> Preprocess:  # noqa: ANN401
    """How pictures of any sizes become one batch of pixels where the model is.

    Returns:
        A function from pictures, each (height, width, 3) uint8, to (n, 3, height, width) in the
        model's precision.
    """
    steps = ImageSteps.of(processor)
    if steps is None:
        return lambda frames: _ask(pretrained, processor, frames)
    return preprocess_by(steps, pretrained)


def load_preprocess(pretrained: Pretrained) -> Preprocess:
    """`make_preprocess` with the image processor that lies beside a model."""
    import transformers

    loader: Any = transformers.AutoImageProcessor
    processor = loader.from_pretrained(
        pretrained.directory, trust_remote_code=False, local_files_only=True
    )
    return make_preprocess(pretrained, processor)


def preprocess_by(steps: ImageSteps, pretrained: Pretrained) -> Preprocess:
    """Return the function that applies steps where a model is; see `make_preprocess`."""
    import torch

    def preprocess(frames: Frames) -> torch.Tensor:
        runs = [list(run) for _, run in groupby(frames, key=np.shape)]  # one size, one tensor
        return torch.cat([steps.apply(pretrained.stack(r), pretrained.dtype) for r in runs])

    return preprocess


def _ask(pretrained: Pretrained, processor: Any, frames: Frames) -> "torch.Tensor":  # noqa: ANN401
    inputs = processor(images=list(frames), return_tensors="pt", input_data_format="channels_last")
    return pretrained.send(inputs["pixel_values"])


@lru_cache(maxsize=16)
def _channels(values: tuple[float, float, float], device: "torch.device") -> "torch.Tensor":
    """Numbers by channel, sent once: every other way to a GPU makes the host wait for it."""
    import torch

    return torch.tensor(values, device=device).view(3, 1, 1)


def _is_plain(processor: Any) -> bool:  # noqa: ANN401
    """Whether the class has no steps but resize, crop, rescale and normalise."""
    from transformers import image_processing_backends as backends

    if getattr(processor, "do_pad", False):
        return False
    kind = type(processor)
    if kind.__name__.startswith(_OWN_STEPS):
        return True
    names = ("_preprocess", "resize", "rescale", "normalize", "center_crop")
    return any(
        issubclass(kind, base) and all(getattr(kind, n) is getattr(base, n) for n in names)
        for base in (backends.PilBackend, backends.TorchvisionBackend)
    )


def _sizes(processor: Any) -> tuple[tuple[int, int] | int | None, tuple[int, int] | None]:  # noqa: ANN401
    crop = _pair(processor.crop_size) if getattr(processor, "do_center_crop", False) else None
    if not processor.do_resize:
        return None, crop
    size = processor.size
    shortest = getattr(size, "shortest_edge", None)
    if not shortest or getattr(size, "longest_edge", None):
        return _pair(size), crop
    if type(processor).__name__.startswith("ConvNext"):
        if shortest >= 384:
            return (shortest, shortest), crop
        return int(shortest / processor.crop_pct), (shortest, shortest)
    return int(shortest), crop


def _pair(size: Any) -> tuple[int, int] | None:  # noqa: ANN401
    height, width = getattr(size, "height", None), getattr(size, "width", None)
    return (int(height), int(width)) if height and width else None


def _triple(values: Any) -> tuple[float, float, float]:  # noqa: ANN401 (a number or a list)
    red, green, blue = np.broadcast_to(np.asarray(values, dtype=np.float64), 3).tolist()
    return red, green, blue


def _cropped(pixels: "torch.Tensor", size: tuple[int, int]) -> "torch.Tensor":
    """Cut the middle out; what is smaller is put in the middle of black, as transformers does."""
    from torch.nn.functional import pad

    height, width = size
    short = [max(0, height - pixels.shape[2]), max(0, width - pixels.shape[3])]
    if any(short):
        before = [(side + 1) // 2 for side in short]
        after = [side - first for side, first in zip(short, before, strict=True)]
        pixels = pad(pixels, (before[1], after[1], before[0], after[0]))
    top, left = (pixels.shape[2] - height) // 2, (pixels.shape[3] - width) // 2
    return pixels[:, :, top : top + height, left : left + width]
