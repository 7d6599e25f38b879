"""VGG, which transformers has no class for: its convolutions from safetensors, as timm names them.

The layers are read off the weights (`features.0.weight`, as in timm and torchvision), so that
VGG-11 to VGG-19, with batch normalisation or without, need no table: a step of 2 in the numbers (3
with normalisation) is the next convolution, one more is a pooling between. Each frame gives the
mean over the last feature map (512 numbers); the fully connected layers are not used, as usual
for retrieval. Preprocessing is what timm's `config.json` says.

Source: Simonyan and Zisserman, "Very deep convolutional networks", 2015, table 1.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from kinoloop.devices import compiled, place
from kinoloop.encoders.base import ENCODERS, EncoderConfig, Takes
from kinoloop.encoders.checkpoint import model_facts, read_json, weight_files
from kinoloop.encoders.fingerprint import fingerprint
from kinoloop.encoders.frames import FrameEncoder
from kinoloop.encoders.images import ImageSteps, preprocess_by
from kinoloop.encoders.pretrained import Pretrained, locate
from kinoloop.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

CODE_VERSION = 1
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class VggConfig(EncoderConfig):
    """A VGG."""

    kind: Literal["vgg"] = "vgg"
    model: str = Field(description="Hub name, such as timm/vgg16.tv_in1k, or folder.")
    revision: str | None = Field(default=None, description="Commit or tag on the hub.")
    batch_size: int = Field(default=16, ge=1, description="Frames at a time; 128 on a GPU.")
    compile: bool = Field(default=False, description="torch.compile: pays for long GPU runs.")


@ENCODERS.register("vgg")
class Vgg(FrameEncoder[VggConfig]):
    """Encodes the sampled frames of a video by their last feature map.

    Args:
        config: The model.
    """

    Config: ClassVar[type[EncoderConfig]] = VggConfig

    def __init__(self, config: VggConfig) -> None:
        self.config = config
        self.batch_size = config.batch_size
        directory = locate(config.model, config.revision)
        device, dtype = place()
        layers = read_layers(directory).to(device, dtype).eval()
        self._preprocess = preprocess_by(
            _steps(directory), Pretrained(layers, directory, device, dtype)
        )
        self._vectors = compiled(lambda pixels: layers(pixels).mean((2, 3)), wanted=config.compile)
        self.dim: int = self._probe()
        self.fingerprint: str = self.identify(config)

    @classmethod
    def identify(cls, config: VggConfig) -> str:
        """Name the vector space."""
        facts = model_facts(locate(config.model, config.revision))
        return fingerprint({"family": "vgg", "code": CODE_VERSION, "model": facts})

    @classmethod
    def takes(cls, config: VggConfig) -> Takes:
        """Frames of the size that its preprocessing makes."""
        return Takes(frame_side=_resized(_said(locate(config.model, config.revision))))


def read_layers(directory: "Path") -> "torch.nn.Sequential":
    """Build the convolutions that the weights belong to, and fill them.

    Raises:
        ConfigError: The weights are not those of a VGG.
    """
    import torch
    from safetensors.torch import load_file

    weights: dict[str, Any] = {}
    for file in weight_files(directory):
        weights |= load_file(file)
    features = {
        k.removeprefix("features."): v for k, v in weights.items() if k.startswith("features.")
    }
    convolutions = sorted(int(k.split(".")[0]) for k, v in features.items() if v.ndim == 4)
    if (
        not convolutions
        or convolutions[0] != 0
        or any(v.ndim not in {0, 1, 4} for v in features.values())
    ):
        raise ConfigError(
            f"{directory} does not hold a VGG: expected weights called features.0.weight and so "
            f"on, got {sorted(weights)[:3]}"
        )
    normalised = "1.running_mean" in features
    step = 3 if normalised else 2
    layers: list[torch.nn.Module] = []
    for at, following in zip(convolutions, [*convolutions[1:], None], strict=True):
        out, into, height, width = features[f"{at}.weight"].shape
        layers.append(torch.nn.Conv2d(into, out, (height, width), padding=height // 2))
        if normalised:
            layers.append(torch.nn.BatchNorm2d(out))
        layers.append(torch.nn.ReLU())
        if following is None or following - at > step:
            layers.append(torch.nn.MaxPool2d(2))
    built = torch.nn.Sequential(*layers)
    try:
        built.load_state_dict(features)
    except RuntimeError as err:
        raise ConfigError(
            f"{directory} does not hold a VGG: {str(err).splitlines()[-1].strip()}"
        ) from err
    return built


def _steps(directory: "Path") -> ImageSteps:
    """Shorter edge to the input over the crop share, middle cut out, normalised as timm says."""
    said = _said(directory)
    side = _input(said)
    mean, std = said.get("mean") or IMAGENET[0], said.get("std") or IMAGENET[1]
    return ImageSteps(
        resize=_resized(said),
        resample=str(said.get("interpolation") or "bilinear"),
        crop=(side, side),
        scale=1 / 255,
        offset=0.0,
        mean=(float(mean[0]), float(mean[1]), float(mean[2])),
        std=(float(std[0]), float(std[1]), float(std[2])),
    )


def _said(directory: "Path") -> dict[str, Any]:
    """Read what timm says of the preprocessing."""
    config = read_json(directory, "config.json") or {}
    said: dict[str, Any] = config.get("pretrained_cfg") or config
    return said


def _input(said: dict[str, Any]) -> int:
    return int((said.get("input_size") or [3, 224, 224])[-1])


def _resized(said: dict[str, Any]) -> int:
    return int(_input(said) / float(said.get("crop_pct") or 0.875))
