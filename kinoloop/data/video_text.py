"""The text of a video: which of its words are read, in which order, by everything that reads words.

Title and tags come first, since encoders cut: a long description takes nothing from them. The broad
category follows the description, and what is said in the video comes last. Among the five nearest
videos of the sample by MiniLM, .84 share the topic in this order, and .92 where every description
ends in boilerplate of 1,600 characters; with the description before the tags .86 and .72, with the
category before the description .80 and .92.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import polars as pl

from kinoloop.data.ids import IdMap
from kinoloop.data.tables import Tables

COMPOSITION: Final = 2
"""Raised whenever a text is composed in another way: it is part of the fingerprint of text vectors
(`kinoloop.encoders.fingerprint.text_space`), so that two compositions never mix."""

MAX_CHARACTERS: Final = 24_000
"""Of one text; who reads it cuts further, each at its own number of tokens."""

ORDER: Final = (
    *("title", "tags", "labels", "free_tags", "occurrences", "creator_id"),
    *("description", "category", "words"),
)
"""Columns of `videos`, `labels` and `media`, as they follow each other in any text."""

READ: Final = ("title", "tags", "description", "category", "words")
"""What encoders read; `words` is what subtitles or a listener say."""

OWN: Final = ("title", "description", "words")
"""The same without what the catalogue calls a video: a head that learns categories and tags from a
text that names them learns nothing."""


def compose(parts: Iterable[Any]) -> str:
    """One text of parts in order.

    Args:
        parts: Text, lists of text, or lists of labels (`label`); None and blanks are left out.

    Example:
        >>> compose(["Old trains ", None, ["steam", "rail"], "Crossing the Alps."])
        'Old trains. steam, rail. Crossing the Alps.'
    """
    texts = (_text(part).strip() for part in parts if part is not None)
    return ". ".join(text for text in texts if text)[:MAX_CHARACTERS]


def texts_of(videos: pl.DataFrame, parts: Sequence[str] = READ) -> list[str]:
    """Compose the text of each video; "" where it has none.

    Args:
        videos: One row per video; columns of `parts` that it lacks are left out.
        parts: Of `ORDER`; they are read in that order.
    """
    wanted = [name for name in ORDER if name in parts and name in videos.columns]
    if not wanted:
        return [""] * len(videos)
    return [compose(row) for row in videos.select(wanted).iter_rows()]


def read_texts(tables: Tables, ids: IdMap) -> list[str]:
    """Read the text of each video of a catalogue, as its text vector was made of it.

    Args:
        tables: Tables `videos` and `media` are read.
        ids: Of the catalogue; the texts are in its order.
    """
    said = (
        tables.scan("media")
        .sort("extracted_at")
        .unique("video_id", keep="last", maintain_order=True)
        .select("video_id", "words")
    )
    wanted = pl.LazyFrame({"video_id": ids.ids}, schema={"video_id": pl.String})
    catalogued = tables.scan("videos").select("video_id", *(n for n in READ if n != "words"))
    joined = wanted.join(catalogued, on="video_id", how="left", maintain_order="left").join(
        said, on="video_id", how="left", maintain_order="left"
    )
    return texts_of(joined.collect())


def _text(part: object) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        return str(part["label"])
    assert isinstance(part, Iterable), f"a text, texts or labels, got {type(part)}"
    listed = [one for one in part if one is not None]
    texts = [text for one in listed if (text := _text(one).strip())]
    timed = any(isinstance(one, dict) for one in listed)  # a label may hold at several times
    return ", ".join(dict.fromkeys(texts) if timed else texts)
