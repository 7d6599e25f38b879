"""Which videos miss what: media rows and features under the fingerprints of today."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from kinoloop.data.tables import Tables
from kinoloop.encoders.base import Encoder
from kinoloop.encoders.fingerprint import fingerprint
from kinoloop.errors import ConfigError
from kinoloop.extraction.inventory import Item
from kinoloop.media.decode import DECODE_VERSION
from kinoloop.media.decoded import DecodeConfig

PASSING = ("timeout", "memory", "crashed")
"""Reasons that may pass: a busy machine, a limit that was raised, a decoder that was mended."""


@dataclass(frozen=True)
class Space:
    """One vector space: an encoder together with what is decoded for it.

    Attributes:
        encoder: Makes the vectors.
        fingerprint: Of both; for words that of the encoder alone, so that a query meets them.
    """

    encoder: Encoder
    fingerprint: str

    @property
    def modality(self) -> str:
        """What the encoder reads."""
        return self.encoder.modality

    def hash_of(self, item: Item) -> str:
        """Hash of what this space sees of a video."""
        return item.text_hash if self.modality == "text" else item.content_hash


@dataclass(frozen=True)
class Task:
    """What one video misses.

    Attributes:
        item: The video.
        spaces: Positions of the spaces that miss it.
        media_row: Whether its media row is missing or of other content.
        words: Subtitles that a former run read; None where they must be decoded.
        replaces: Whether rows of other content are there and must go.
    """

    item: Item
    spaces: tuple[int, ...]
    media_row: bool
    words: str | None
    replaces: bool = False

    def needs_decoding(self, spaces: Sequence[Space]) -> bool:
        """Whether its files must be opened."""
        if not self.item.has_content:
            return False
        return self.media_row or any(spaces[i].modality != "text" for i in self.spaces)


def make_spaces(encoders: Sequence[Encoder], decode: DecodeConfig) -> list[Space]:
    """Pair encoders with what is decoded for them.

    Raises:
        ConfigError: Two encoders read the same modality.
    """
    spaces = [Space(encoder, _fingerprint(encoder, decode)) for encoder in encoders]
    modalities = [space.modality for space in spaces]
    twice = sorted({m for m in modalities if modalities.count(m) > 1})
    if twice:
        raise ConfigError(f"[extract] names two encoders for {twice[0]}; keep one a modality")
    return spaces


def find_pending(
    tables: Tables, items: Sequence[Item], spaces: Sequence[Space], *, retry: bool = False
) -> list[Task]:
    """Compare the inventory with the tables.

    Args:
        tables: What is done.
        items: What there is.
        spaces: All vector spaces.
        retry: Whether media that failed for a reason in `PASSING` count as not done.

    Returns:
        Tasks in the order of the inventory.
    """
    media = {
        video_id: (content_hash, words, retry and reason in PASSING)
        for video_id, content_hash, words, reason in tables.scan("media")
        .select("video_id", "content_hash", "words", "reason")
        .collect()
        .iter_rows()
    }
    present = [_hashes(tables, space.fingerprint) for space in spaces]
    tasks = []
    for item in items:
        content_hash, words, again = media.get(item.video_id, ("", "", False))
        media_row = item.has_content and (content_hash != item.content_hash or again)
        missing = tuple(
            i
            for i, space in enumerate(spaces)
            if present[i].get(item.video_id) != space.hash_of(item) or (again and media_row)
        )
        if media_row or missing:
            known = None if media_row else (words or "")
            stale = any(item.video_id in present[i] for i in missing)
            tasks.append(
                Task(
                    item,
                    missing,
                    media_row=media_row,
                    words=known if item.has_content else "",
                    replaces=stale or (media_row and item.video_id in media),
                )
            )
    return tasks


def _hashes(tables: Tables, wanted: str) -> dict[str, str]:
    """Hash of the content that each video's features were made from, under one fingerprint."""
    rows = (
        tables.scan("features")
        .filter(pl.col("fingerprint") == wanted)
        .select("video_id", "content_hash")
        .collect()
    )
    return dict(rows.iter_rows())


def _fingerprint(encoder: Encoder, decode: DecodeConfig) -> str:
    if encoder.modality == "text":
        return encoder.fingerprint
    seen = {"frames", "frame_side"} if encoder.modality == "visual" else {"sample_rate", "audio_s"}
    facts = decode.model_dump(include=seen | {"silence_rms"})
    return fingerprint({"encoder": encoder.fingerprint, "decode": DECODE_VERSION, **facts})
