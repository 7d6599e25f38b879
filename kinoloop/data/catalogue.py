"""The videos that can be recommended: ids, words, times and one matrix of vectors per modality.

`load_catalogue` reads the tables once, in columns: no row becomes a Python object but its id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.checksums import check
from kinoloop.data.durations import with_durations
from kinoloop.data.ids import IdMap
from kinoloop.data.moderation import WITHHELD, withheld
from kinoloop.data.tables import Tables
from kinoloop.errors import DataError

SHOWN = (
    "video_id",
    "title",
    "description",
    "language",
    "category",
    "tags",
    "creator_id",
    "published_at",
    "duration_s",
    "available_from",
    "available_until",
    "hidden",
    "extra",
)
"""Columns of `schema.VIDEOS` that a catalogue keeps."""

CONTENT = ("labels", "free_tags", "summary", "occurrences", "group_id", WITHHELD)
"""What extraction found out of each video; null where it was not looked at."""

BATCH_ROWS = 50_000
"""Feature rows read at a time: 77 MB of 384-dimensional vectors."""

_MICROSECONDS = pl.col("published_at").cast(pl.Int64).fill_null(0)


@dataclass(frozen=True)
class Modality:
    """Vectors of one modality under one encoder.

    Attributes:
        vectors: (n_videos, dim) float32, L2-normalised; zero where `present` is False.
        present: (n_videos,) bool; False means missing, not zero.
        fingerprint: Of the encoder that made the vectors.
        centred: What `data.fusion.centre` gave when the vectors were stored, kept since; None
            where nothing is stored.
    """

    vectors: NDArray[np.float32]
    present: NDArray[np.bool_]
    fingerprint: str
    centred: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def first(self, n_videos: int) -> "Modality":
        """Of the first videos; vectors are views."""
        centred = self.centred and (self.centred[0], self.centred[1][:n_videos])
        parts = self.vectors[:n_videos], self.present[:n_videos]
        return Modality(*parts, self.fingerprint, centred)


@dataclass(frozen=True)
class Catalogue:
    """The videos of one dataset version, in internal order.

    Attributes:
        ids: External video ids.
        published_at: (n_videos,) int64, µs since the epoch, UTC; 0 where unknown.
        videos: One row per video in internal order; columns of `schema.VIDEOS` that serving shows
            (`video_id`, `title`, `description`, `category`, `tags`, `creator_id`, `duration_s`, …),
            and `CONTENT`.
        modalities: Vectors by modality name; may be empty.
    """

    ids: IdMap
    published_at: NDArray[np.int64]
    videos: pl.DataFrame
    modalities: dict[str, Modality] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, n_videos: int) -> "Catalogue":
        """Only the first videos; vectors are views."""
        modalities = {name: m.first(n_videos) for name, m in self.modalities.items()}
        ids = self.ids.first(n_videos)
        return Catalogue(ids, self.published_at[:n_videos], self.videos[:n_videos], modalities)

    @property
    def fingerprints(self) -> dict[str, str]:
        """Fingerprint by modality."""
        return {name: modality.fingerprint for name, modality in self.modalities.items()}


def load_catalogue(tables: Tables, fingerprints: Mapping[str, str] | None = None) -> Catalogue:
    """Read every video, oldest first, with its vectors.

    Args:
        tables: Where to read.
        fingerprints: Fingerprint to take by modality; a modality that is not named is left out.
            None takes those of `chosen_fingerprints`.

    Returns:
        All videos sorted by (published_at, video_id); a video without a date counts as oldest.

    Raises:
        DataError: A fingerprint that was asked for has no features, or its vectors differ in
            length, are zero or not finite; or a file of the tables is damaged.
    """
    check(tables, ("videos", "labels", "occurrences", "duplicates", "media", "moderation"))
    if fingerprints is None or fingerprints:
        check(tables, ("features",))
    videos = read_videos(tables)
    ids = IdMap(videos["video_id"])
    published_at = videos.select(_MICROSECONDS).to_series().to_numpy()
    chosen = chosen_fingerprints(tables) if fingerprints is None else fingerprints
    modalities = {
        name: _load_modality(tables, videos["video_id"], name, fingerprint)
        for name, fingerprint in chosen.items()
    }
    return Catalogue(ids=ids, published_at=published_at, videos=videos, modalities=modalities)


def read_videos(tables: Tables) -> pl.DataFrame:
    """Read what a catalogue keeps of every video, and what was found out of it, oldest first."""
    labels = tables.scan("labels").select("video_id", "labels", "free_tags", "summary")
    times = tables.scan("occurrences").select("video_id", "occurrences")
    groups = tables.scan("duplicates").select("video_id", "group_id")
    videos = with_durations(tables.scan("videos").select(SHOWN), tables)
    return (
        videos.join(labels, on="video_id", how="left")
        .join(times, on="video_id", how="left")
        .join(groups, on="video_id", how="left")
        .join(withheld(tables), on="video_id", how="left")
        .sort(_MICROSECONDS, "video_id")
        .collect()
    )


def load_thumbnails(tables: Tables, *, of: Sequence[str] | None = None) -> pl.DataFrame:
    """Read thumbnails: columns `video_id`, `thumbnail` (JPEG).

    Args:
        tables: Where to read.
        of: Of these videos; None: of all that have one.
    """
    check(tables, ("media",))
    wanted = pl.col("thumbnail").is_not_null()
    if of is not None:
        wanted &= pl.col("video_id").is_in(list(of))
    return (
        tables.scan("media")
        .filter(wanted)
        .sort("extracted_at")
        .unique("video_id", keep="last", maintain_order=True)
        .select("video_id", "thumbnail")
        .sort("video_id")
        .collect()
    )


def load_moments(
    tables: Tables, text: str | None, *, of: Sequence[str] | None = None
) -> pl.DataFrame:
    """Read what the moments of videos say in words: columns `video_id`, `moments`.

    Args:
        tables: Where to read.
        text: Fingerprint of the text vectors that are wanted; None: there are none.
        of: Of these videos; None: of all.
    """
    check(tables, ("moments",))
    wanted = pl.col("fingerprint") == pl.lit(text or "")
    if of is not None:
        wanted &= pl.col("video_id").is_in(list(of))
    return (
        tables.scan("moments")
        .filter(wanted)
        .select("video_id", "moments")
        .sort("video_id")
        .collect()
    )


def chosen_fingerprints(tables: Tables) -> dict[str, str]:
    """Return the vector space in force by modality: the one that training and bundles use.

    It is the one that covers the most videos, the newest of equals. While a new encoder is on its
    way, the old one stays in force; when the new one is complete, it takes over. If videos came in
    meanwhile, which only the new one has, it takes over as soon as fewer lack it than the old one.
    A space in which no video has a vector (no file could be read, say) is none.
    """
    candidates = (
        tables.scan("features")
        .join(tables.scan("videos").select("video_id"), on="video_id", how="semi")
        .group_by("modality", "fingerprint")
        .agg(
            covered=pl.col("video_id").n_unique(),
            newest=pl.col("extracted_at").max(),
            described=pl.col("present").any(),
        )
        .filter("described")
        .sort("covered", "newest", "fingerprint")
        .collect()
    )
    # later rows win: the widest cover, then the newest
    return dict(zip(candidates["modality"], candidates["fingerprint"], strict=True))


def unusable(vectors: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Rows whose vector should be there but is zero or not finite: it compares with nothing."""
    squares = np.einsum("nd,nd->n", vectors, vectors)
    return np.flatnonzero(present & ~((squares > 0) & np.isfinite(squares)))


def _load_modality(
    tables: Tables, video_ids: pl.Series, modality: str, fingerprint: str
) -> Modality:
    """Fill one matrix batch by batch, so that the vectors are in memory once and not twice."""
    features = tables.scan("features").filter(
        (pl.col("modality") == modality) & (pl.col("fingerprint") == fingerprint)
    )
    positions = video_ids.to_frame("video_id").with_row_index("index").lazy()
    batches = (
        features.filter(pl.col("present"))
        .join(positions, on="video_id", how="inner")
        .select("index", "vector", pl.col("extracted_at").cast(pl.Int64))
        .collect_batches(chunk_size=BATCH_ROWS)
    )
    newest = np.full(len(video_ids), np.iinfo(np.int64).min)
    vectors = np.zeros((len(video_ids), 0), dtype=np.float32)
    for batch in batches:
        rows = batch.sort("extracted_at")  # of two contents of one video the newer stays
        lengths = {vectors.shape[1] or None, *rows["vector"].list.len()} - {None}
        if len(lengths) > 1:
            raise DataError(
                f"{modality} vectors of fingerprint {fingerprint!r} have lengths "
                f"{sorted(lengths)}, expected one length; delete these rows of table `features` "
                "and extract again"
            )
        if not vectors.shape[1] and lengths:
            vectors = np.zeros((len(video_ids), lengths.pop()), dtype=np.float32)
        index, written = rows["index"].to_numpy(), rows["extracted_at"].to_numpy()
        later = written >= newest[index]
        flat = rows["vector"].explode().to_numpy().reshape(len(rows), -1)
        vectors[index[later]] = flat[later]
        newest[index[later]] = written[later]
    present = newest > np.iinfo(np.int64).min
    wrong = unusable(vectors, present)
    if len(wrong):
        raise DataError(
            f"{len(wrong)} {modality} vectors of fingerprint {fingerprint!r} are zero or not "
            f"finite, the first of video {video_ids[int(wrong[0])]!r}; delete these rows of table "
            "`features` and extract again"
        )
    if not present.any() and features.limit(1).collect().is_empty():
        raise DataError(
            f"no {modality} features have the fingerprint {fingerprint!r}; run `kinoloop extract`"
        )
    return Modality(vectors=vectors, present=present, fingerprint=fingerprint)
