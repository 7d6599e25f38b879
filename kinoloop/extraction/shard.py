"""One shard: videos that are decoded, described and committed together.

Pixels and sound are looked at in windows of `window_videos` and let go; words are encoded when the
shard is complete, so that texts of like length share a batch. What comes out is one frame per
table and no more: a shard can be made in another process or on another machine.
"""

import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeVar

import polars as pl

from kinoloop.data.video_text import compose
from kinoloop.extraction.inventory import Item
from kinoloop.extraction.pending import Task
from kinoloop.extraction.products import Product, Row, make_safely
from kinoloop.extraction.rows import Decoded, media_row, product_row, quarantine_row
from kinoloop.media.content import VideoContent
from kinoloop.media.decoded import DecodeConfig, nothing
from kinoloop.schema import TABLES

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Videos of one commit.

    Attributes:
        number: In the run, from 0.
        tasks: What each video misses.
        decodes: Whether the files of these videos must be opened.
    """

    number: int
    tasks: tuple[Task, ...]
    decodes: bool


@dataclass(frozen=True)
class Made:
    """Rows of one shard.

    Attributes:
        number: Of the shard.
        videos: How many it has.
        replaces: Whether some keys may be in the tables already.
        frames: Rows by table, in the table's schema.
    """

    number: int
    videos: int
    replaces: bool
    frames: dict[str, pl.DataFrame] = field(default_factory=dict)

    def to_bytes(self) -> dict[str, bytes]:
        """Arrow streams by table, for the way between machines."""
        return {name: _ipc(frame) for name, frame in self.frames.items()}

    @classmethod
    def from_bytes(cls, shard: Shard, parts: dict[str, bytes]) -> "Made":
        """Read what `to_bytes` gave for the same shard."""
        frames = {name: pl.read_ipc_stream(io.BytesIO(part)) for name, part in parts.items()}
        return cls(shard.number, len(shard.tasks), _replaces(shard), frames)


def cut(
    tasks: Sequence[Task], products: Sequence[Product], *, sizes: tuple[int, int]
) -> list[Shard]:
    """Cut tasks into shards: words only first, they are there in no time.

    Args:
        tasks: All of a run.
        products: All that is made of a video.
        sizes: Videos per shard without and with decoding.
    """
    opened = [task for task in tasks if task.needs_decoding(products)]
    unopened = [task for task in tasks if not task.needs_decoding(products)]
    groups = [(group, False) for group in groups_of(unopened, sizes[0])]
    groups += [(group, True) for group in groups_of(opened, sizes[1])]
    return [Shard(n, tuple(group), decodes=opens) for n, (group, opens) in enumerate(groups)]


def make(
    shard: Shard,
    decoded: Iterable[Decoded | None],
    products: Sequence[Product],
    *,
    window_videos: int,
) -> Made:
    """Make all rows of a shard.

    Args:
        shard: What to make.
        decoded: What decoding gave, in the order of the tasks; None where nothing was opened.
        products: All that is made of a video.
        window_videos: How many decoded videos are held at a time.
    """
    rows: dict[str, list[Row]] = {}
    faults: list[tuple[Item, str]] = []
    texts: list[VideoContent] = []
    for window in groups_of(zip(shard.tasks, decoded, strict=True), window_videos):
        contents = [_content(task, found) for task, found in window]
        tasks = [task for task, _ in window]
        seen = [i for i, product in enumerate(products) if product.needs_decoding]
        faults += _make(tasks, contents, products, seen, rows)
        texts += [_words_of(content) for content in contents]
        for task, found in window:
            if task.media_row and found is not None:
                rows.setdefault("media", []).append(media_row(task.item, found))
                if found.error is not None and not found.waits:
                    faults.append((task.item, str(found.error)))
    read = [i for i, product in enumerate(products) if not product.needs_decoding]
    faults += _make(shard.tasks, texts, products, read, rows)
    rows["quarantine"] = _quarantine(faults)
    frames = {
        name: pl.DataFrame(some, schema=TABLES[name], orient="row")
        for name, some in rows.items()
        if some
    }
    return Made(shard.number, len(shard.tasks), _replaces(shard), frames)


def groups_of(things: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` things; the last may be shorter."""
    iterator = iter(things)
    while group := list(islice(iterator, size)):
        yield group


def _make(
    tasks: Sequence[Task],
    contents: Sequence[VideoContent],
    products: Sequence[Product],
    positions: Sequence[int],
    rows: dict[str, list[Row]],
) -> Iterator[tuple[Item, str]]:
    """Add the rows of some products; gives the videos that one could not take, each with why."""
    for position in positions:
        product = products[position]
        wanted = [i for i, task in enumerate(tasks) if position in task.products]
        if not wanted:
            continue
        made, failed = make_safely(product, [contents[i] for i in wanted])
        rows.setdefault(product.table, []).extend(
            product_row(tasks[i].item, product, row) for i, row in zip(wanted, made, strict=True)
        )
        for i, why in failed.items():
            yield tasks[wanted[i]].item, why


def _quarantine(faults: Sequence[tuple[Item, str]]) -> list[Row]:
    """One row per video, with all that is wrong with it."""
    reasons: dict[str, list[str]] = {}
    items = {item.video_id: item for item, _ in faults}
    for item, why in faults:
        reasons.setdefault(item.video_id, []).append(why)
    return [quarantine_row(items[video_id], reasons[video_id]) for video_id in items]


def _content(task: Task, decoded: Decoded | None) -> VideoContent:
    found = decoded.found if decoded is not None else nothing(DecodeConfig())
    words = task.words if task.words is not None else found.words
    return VideoContent(
        video_id=task.item.video_id,
        text=compose([task.item.text, words]),
        frames=found.frames,
        frame_times_s=found.frame_times_s,
        audio=found.audio,
        sample_rate=found.sample_rate,
        shots_s=found.shots_s,
    )


def _words_of(content: VideoContent) -> VideoContent:
    """Return the same content without pixels and sound, so that these can be freed."""
    return replace(
        content,
        frames=content.frames[:0].copy(),
        frame_times_s=content.frame_times_s[:0].copy(),
        audio=content.audio[:0].copy(),
    )


def _replaces(shard: Shard) -> bool:
    return any(task.replaces for task in shard.tasks)


def _ipc(frame: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.write_ipc_stream(target)
    return target.getvalue()
