"""What extraction makes of a video: vectors now, and whatever else reads decoded videos.

A product is one kind of row: it says what it reads, under which fingerprint it is kept in which
table, and makes rows of a batch of videos. Which videos miss it is found from the table alone, so
a product needs no state of its own, and its model is loaded only if some video misses it.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders import base as encoders
from kinoloop.encoders.base import Encoder
from kinoloop.encoders.fingerprint import fingerprint, text_space
from kinoloop.encoders.frames import FrameEncoder
from kinoloop.errors import ConfigError, MissingPackageError
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.inventory import Item
from kinoloop.extraction.moments import moments_of
from kinoloop.media.content import VideoContent
from kinoloop.media.decode import DECODE_VERSION
from kinoloop.media.decoded import RATES, SIDES, DecodeConfig
from kinoloop.media.sampling import MAX_FRAMES, Shots, Uniform

logger = logging.getLogger(__name__)

Row = dict[str, Any]
Part = Literal["text", "frames", "audio"]

ENCODER_FAULTS = (ValueError, RuntimeError, IndexError, ZeroDivisionError, FloatingPointError)
"""What an odd video makes libraries raise."""


SPECIMEN_SIDE, SPECIMEN_RATE = 224, 16_000


class Product(ABC):
    """One kind of row that is made of a video.

    Attributes:
        table: Where it is kept; has `video_id`, `content_hash`, `fingerprint`, `extracted_at` and
            the columns that `make` fills; one row a (video_id, fingerprint).
        name: In reports, such as the modality.
        reads: Which parts of a `VideoContent` it looks at; the others may be missing from it.
        fingerprint: Changes when what it makes changes; known without loading a model.
    """

    table: ClassVar[str]
    name: str
    reads: frozenset[Part]
    fingerprint: str

    @abstractmethod
    def make(self, contents: Sequence[VideoContent]) -> list[Row]:
        """One row per video, without the key columns."""

    @abstractmethod
    def blank(self) -> Row:
        """Return the row of a video that `make` cannot take."""

    def hash_of(self, item: Item) -> str:
        """Hash of what this product sees of a video."""
        return item.text_hash if "text" in self.reads else item.content_hash

    @property
    def needs_decoding(self) -> bool:
        """Whether it looks at more than words."""
        return self.reads != {"text"}


class VectorProduct(Product):
    """Vectors of one encoder over what is decoded for it.

    Args:
        settings: Of the encoder.
        decode: What is taken from a file.
    """

    table: ClassVar[str] = "features"

    def __init__(self, settings: dict[str, Any], decode: DecodeConfig) -> None:
        kind, config = encoders.parse(settings)
        self.settings = settings
        self.kind = kind.__name__
        self.modality = self.name = kind.modality
        self.reads = {
            "text": frozenset[Part]({"text"}),
            "visual": frozenset[Part]({"frames"}),
            "audio": frozenset[Part]({"audio"}),
        }[kind.modality]
        self.fingerprint = _with_decoding(kind.modality, kind.identify(config), decode)

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, loaded when first asked for."""
        return encoders.build(self.settings)

    def make(self, contents: Sequence[VideoContent]) -> list[Row]:
        """Encode a batch.

        Raises:
            ValueError: A vector is zero, of another length, or has values that are not finite.
        """
        frames: Sequence[NDArray[np.float32]] = ()
        if isinstance(self.encoder, FrameEncoder):
            vectors, present, frames = self.encoder.encode_frames(contents)
        else:
            vectors, present = self.encoder.encode(contents)
        expected = (len(contents), self.encoder.dim)
        if vectors.shape != expected or present.shape != expected[:1]:
            raise ValueError(
                f"vectors have the shape {vectors.shape} and marks {present.shape}, expected "
                f"{expected} and {expected[:1]}"
            )
        if not np.isfinite(vectors).all():
            raise ValueError("a vector has values that are not finite")
        if not vectors[present].any(axis=1).all():
            raise ValueError("a vector is all zeros, so it cannot be compared with others")
        rows = [
            {**self.blank(), "present": bool(there), "vector": vector if there else None}
            for vector, there in zip(vectors, present, strict=True)
        ]
        for row, content, seen in zip(rows, contents, frames, strict=False):
            if row["present"]:
                row["moments"] = moments_of(content.frame_times_s, content.shots_s, seen)
        return rows

    def blank(self) -> Row:
        """Return the row of a video that has nothing of this modality."""
        return {"modality": self.modality, "present": False, "vector": None, "moments": None}


def make_products(config: ExtractConfig) -> list[Product]:
    """Everything that the settings ask for, without what a missing package would make.

    Raises:
        ConfigError: Two encoders read the same modality, or a setting is wrong.
    """
    decode = decoding_for(config)
    spaces = []
    for settings in config.encoders:
        try:
            spaces.append(VectorProduct(dict(settings), decode))
        except MissingPackageError as err:
            logger.warning("encoder %r is left out: %s", settings.get("kind"), err)
    modalities = [space.modality for space in spaces]
    twice = sorted({m for m in modalities if modalities.count(m) > 1})
    if twice:
        raise ConfigError(f"[extract] names two encoders for {twice[0]}; keep one per modality")
    return [*spaces, *_harm(config, decode)]


def _harm(config: ExtractConfig, decode: DecodeConfig) -> list[Product]:
    """Score pictures for harm, where the settings and the packages are for it."""
    from kinoloop.extraction.picture_harm import PictureHarm  # a product itself

    if not config.harm_frames:
        return []
    try:
        return [PictureHarm(config.harm_frames, decode)]
    except MissingPackageError as err:
        logger.warning("no pictures are scored for harm: %s", err)
        return []


def decoding_for(config: ExtractConfig, *, reads: bool = False) -> DecodeConfig:
    """Say what to take from files: as the settings say, in the form that the encoders take.

    A checkpoint that says the size or the number of its frames or the rate of its sound is given
    that, within what decoding can give; its encoder need not scale or resample once more.

    Args:
        config: The settings.
        reads: Whether somebody reads; without, no pages are taken.

    Raises:
        ConfigError: A setting is wrong, or names a model that is nowhere.
    """
    decode, changed = config.decode, dict[str, Any]()
    if not reads:
        changed["pages"] = 0
    for settings in config.encoders:
        kind, encoder = encoders.parse(dict(settings))
        takes = kind.takes(encoder)
        if takes.frame_side is not None:
            changed["frame_side"] = min(max(takes.frame_side, SIDES[0]), SIDES[1])
        if takes.sample_rate is not None:
            changed["sample_rate"] = min(max(takes.sample_rate, RATES[0]), RATES[1])
        least = min(takes.frames or 0, MAX_FRAMES)
        if isinstance(decode.sampling, Uniform) and least > decode.sampling.frames:
            changed["sampling"] = Uniform(frames=least)
        elif isinstance(decode.sampling, Shots) and least:
            changed["sampling"] = Uniform(frames=max(least, decode.sampling.frames))
    return decode.model_copy(update=changed)


def make_safely(
    product: Product, contents: Sequence[VideoContent]
) -> tuple[list[Row], dict[int, str]]:
    """Make a batch; where that fails, one by one, so that one odd video harms no other.

    Returns:
        A row per video, and why by position for those that failed; these are blank.

    Raises:
        RuntimeError: Every video fails, and noise does, too: then it is not the videos.
    """
    try:
        return product.make(contents), {}
    except ENCODER_FAULTS as err:
        logger.warning("%s of %d videos failed (%s); one by one", product.name, len(contents), err)
    rows, failed = [], {}
    for i, content in enumerate(contents):
        try:
            rows += product.make([content])
        except ENCODER_FAULTS as err:
            failed[i] = f"encoder_failed: {product.name}: {err}"
            rows.append(product.blank())
    if len(failed) == len(contents):
        _check_with_noise(product, failed[0])
    return rows, failed


def _check_with_noise(product: Product, said: str) -> None:
    """Whether the model is to blame: give it what any model can take."""
    noise = np.random.default_rng(0)
    specimen = VideoContent(
        video_id="",
        text="a video of noise",
        frames=noise.integers(0, 256, (2, SPECIMEN_SIDE, SPECIMEN_SIDE, 3), dtype=np.uint8),
        frame_times_s=np.array([0.0, 1.0]),
        audio=noise.uniform(-0.5, 0.5, 2 * SPECIMEN_RATE).astype(np.float32),
        sample_rate=SPECIMEN_RATE,
    )
    try:
        product.make([specimen])
    except ENCODER_FAULTS as err:
        raise RuntimeError(f"{product.name} fails for every video, and for noise: {said}") from err


def _with_decoding(modality: str, encoder: str, decode: DecodeConfig) -> str:
    """Fingerprint of both; for words of the encoder and of how their text is composed."""
    if modality == "text":
        return text_space(encoder)
    seen = {"sampling", "frame_side"} if modality == "visual" else {"sample_rate", "audio_s"}
    facts = decode.model_dump(include=seen | {"silence_rms"})
    return fingerprint({"encoder": encoder, "decode": DECODE_VERSION, **facts})
