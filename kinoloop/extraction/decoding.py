"""Decode what shards need, ahead of those who use it."""

import logging
from collections.abc import Iterator, Sequence

from kinoloop.errors import MediaError
from kinoloop.extraction.inventory import Item
from kinoloop.extraction.reader import Reader
from kinoloop.extraction.rows import Decoded
from kinoloop.extraction.transcriber import Transcriber
from kinoloop.media.decoded import DecodedMedia, nothing
from kinoloop.media.guard import DecoderPool, Job, without_subtitles

logger = logging.getLogger(__name__)


def decode_all(
    pool: DecoderPool,
    items: Sequence[Item],
    *,
    ahead: int,
    listener: Transcriber | None = None,
    reader: Reader | None = None,
) -> Iterator[Decoded]:
    """Decode in order; where the media fails, what the subtitles say is still read.

    Args:
        pool: Who decodes.
        items: What to decode.
        ahead: How many videos are decoded, or being decoded, and not yet taken.
        listener: Who hears what is said where there are no words; None: nobody.
        reader: Who reads the words in pictures; None: nobody.
    """
    decoded = _decode(pool, items, ahead)
    if listener is not None:
        decoded = listener.add_words(decoded)
    return decoded if reader is None else reader.add_words(decoded)


def _decode(pool: DecoderPool, items: Sequence[Item], ahead: int) -> Iterator[Decoded]:
    jobs = (
        Job(None if item.media and item.media_at is None else item.media_at, item.subtitles_at)
        for item in items
    )
    for item, result in zip(items, pool.map(jobs, ahead=ahead), strict=True):
        if isinstance(result, MediaError):
            yield Decoded(_words_only(pool, item), result)
        elif item.media and item.media_at is None:
            yield Decoded(result, _fault(item.fault))
        elif item.subtitles and item.subtitles_at is None:
            yield _without_subtitles(item, result)
        else:
            yield Decoded(result, None)


def _without_subtitles(item: Item, found: DecodedMedia) -> Decoded:
    fault = _fault(item.subtitles_fault)
    if item.media is None:
        return Decoded(found, fault)
    return Decoded(without_subtitles(found, fault), None)


def _fault(said: str) -> MediaError:
    reason, _, detail = said.partition(": ")
    return MediaError(reason, detail)


def _words_only(pool: DecoderPool, item: Item) -> DecodedMedia:
    if item.subtitles_at is not None:
        try:
            return pool.decode(Job(None, item.subtitles_at))
        except MediaError as err:
            logger.warning("the subtitles of %s cannot be read either: %s", item.video_id, err)
    return nothing(pool.decode_config)
