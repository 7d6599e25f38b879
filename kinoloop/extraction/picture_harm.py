"""How likely frames of a video are sexual: a product of extraction, for `kinoloop.safety`."""

from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np

from kinoloop.data.sampling import evenly_spaced
from kinoloop.encoders.fingerprint import fingerprint
from kinoloop.encoders.open_nsfw import OpenNsfw
from kinoloop.extraction.products import Part, Product, Row
from kinoloop.media.content import VideoContent
from kinoloop.media.decode import DECODE_VERSION
from kinoloop.media.decoded import DecodeConfig


class PictureHarm(Product):
    """Scores some frames of each video, evenly spread over those that were sampled.

    Args:
        frames: How many at most.
        decode: What is taken from a file.

    Raises:
        MissingPackageError: The model, or what runs it, is not installed.
    """

    table: ClassVar[str] = "picture_harm"

    def __init__(self, frames: int, decode: DecodeConfig) -> None:
        self.frames, self.name = frames, "harmful pictures"
        self.reads = frozenset[Part]({"frames"})
        facts = decode.model_dump(include={"sampling", "frame_side"})
        seen = {"frames": frames, "decode": DECODE_VERSION, **facts}
        self.fingerprint = fingerprint({"model": OpenNsfw.identify(), **seen})

    @cached_property
    def model(self) -> OpenNsfw:
        """The model, loaded when first asked for."""
        return OpenNsfw()

    def make(self, contents: Sequence[VideoContent]) -> list[Row]:
        """Score a batch.

        Raises:
            ValueError: A score is not finite.
        """
        chosen = [evenly_spaced(len(content.frames), self.frames) for content in contents]
        looked_at = [c.frames[i] for c, some in zip(contents, chosen, strict=True) for i in some]
        scores = self.model.score(looked_at)
        if not np.isfinite(scores).all():
            raise ValueError("a score of a picture is not finite")
        ends = np.cumsum([len(some) for some in chosen])
        return [
            {"times_s": content.frame_times_s[some].tolist(), "scores": found.tolist()}
            for content, some, found in zip(
                contents, chosen, np.split(scores, ends[:-1]), strict=True
            )
        ]

    def blank(self) -> Row:
        """Return the row of a video without pictures."""
        return {"times_s": [], "scores": []}
