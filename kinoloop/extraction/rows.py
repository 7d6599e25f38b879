"""Rows of the tables, from what was decoded and made."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from kinoloop.errors import MediaError
from kinoloop.extraction.inventory import Item
from kinoloop.extraction.products import Product
from kinoloop.extraction.store import now
from kinoloop.media.decoded import DecodedMedia
from kinoloop.media.reasons import LEFT_OUT
from kinoloop.privacy.addresses import redact

Row = dict[str, Any]


@dataclass(frozen=True)
class Decoded:
    """What decoding gave.

    Attributes:
        found: What could be read; where the media failed, the words of its subtitle file.
        error: Why the media failed; None where it did not.
    """

    found: DecodedMedia
    error: MediaError | None

    @property
    def outcome(self) -> str:
        """`ok`, `partial`, `quarantined`, or `waiting` where the next run tries again."""
        if self.error is not None:
            return "waiting" if self.waits else "quarantined"
        return "partial" if self.found.reason else "ok"

    @property
    def waits(self) -> bool:
        """Whether not the file is to blame that it was not read."""
        return self.error is not None and self.error.reason in LEFT_OUT

    @property
    def reason(self) -> str:
        """Code of what went wrong, "" where nothing did."""
        return self.error.reason if self.error is not None else self.found.reason


def media_row(item: Item, decoded: Decoded) -> Row:
    """Make the row of table `media`."""
    found = decoded.found
    return {
        "video_id": item.video_id,
        "content_hash": item.media_hash,
        "outcome": decoded.outcome,
        "reason": decoded.reason,
        "duration_s": found.duration_s,
        "width": found.width,
        "height": found.height,
        "frames": len(found.frames),
        "audio_s": len(found.audio) / found.sample_rate,
        "words": found.words,
        "cues": [asdict(cue) for cue in found.cues],
        "screen": [asdict(one) for one in found.screen],
        "thumbnail": found.thumbnail or None,
        "print_times_s": found.print_times_s,
        "picture_print": found.picture_print,
        "sound_print": found.sound_print,
        "extracted_at": now(),
    }


def quarantine_row(item: Item, reasons: list[str]) -> Row:
    """Make the row of table `quarantine`; its content hash keeps a second run from adding it."""
    media, subtitles = redact(item.media or ""), redact(item.subtitles or "")
    reference = {
        "media": media or None,
        "subtitles": subtitles or None,
        "content": item.content_hash,
    }
    return {
        "kind": "media",
        "key": item.video_id,
        "reasons": [redact(reason) for reason in reasons],
        "row": json.dumps(reference, ensure_ascii=False),
        "file": media or subtitles,
        "batch_id": "",
        "quarantined_at": now(),
    }


def product_row(item: Item, product: Product, made: Row) -> Row:
    """Make the row of a product's table."""
    return {
        "video_id": item.video_id,
        "content_hash": product.hash_of(item),
        "fingerprint": product.fingerprint,
        "extracted_at": now(),
        **made,
    }
