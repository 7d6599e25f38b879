"""What labelling reads: words, vectors and pictures of the videos, and a hash of what it sees."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.tables import Tables
from kinoloop.semantics.nothing import says_nothing

SEEN = ("video_id", "title", "description", "category", "tags", "words", "content_hash", "answers")


def read_videos(tables: Tables) -> pl.DataFrame:
    """Words of every video, and `seen`, a hash of all that labelling sees of it.

    Returns:
        Columns `SEEN` and `seen`, one row per video, sorted by `video_id`.
    """
    answers = (
        tables.scan("answers")
        .sort("facet", "label")
        .group_by("video_id", maintain_order=True)
        .agg(answers=pl.struct("facet", "label", "holds"))
    )
    media = tables.scan("media").select("video_id", "words", "content_hash")
    videos = (
        tables.scan("videos")
        .select("video_id", "title", "description", "category", "tags")
        .join(media, on="video_id", how="left")
        .join(answers, on="video_id", how="left")
        .select(SEEN)
        .sort("video_id")
        .collect()
    )
    return videos.with_columns(seen=pl.Series(map(_digest, videos.iter_rows()), dtype=pl.String))


def missing(tables: Tables, videos: pl.DataFrame, fingerprint: str) -> pl.DataFrame:
    """Return the videos that table `labels` lacks under this fingerprint and content."""
    done = (
        tables.scan("labels")
        .filter(pl.col("fingerprint") == fingerprint)
        .select("video_id", seen="content_hash")
        .collect()
    )
    return videos.join(done, on=["video_id", "seen"], how="anti").sort("video_id")


def read_vectors(
    tables: Tables, video_ids: Sequence[str], fingerprints: Mapping[str, str]
) -> dict[str, NDArray[np.float32]]:
    """Vectors of some videos.

    Args:
        tables: Where.
        video_ids: Rows of the result.
        fingerprints: Of the vectors, by modality.

    Returns:
        (n, dim) float32 by modality; a zero row where a video lacks it; modalities of which no
        video has a vector are left out.
    """
    wanted = pl.DataFrame({"video_id": video_ids}, schema={"video_id": pl.String})
    wanted = wanted.with_row_index("row")
    found = {}
    for modality, fingerprint in fingerprints.items():
        rows = (
            tables.scan("features")
            .filter(
                (pl.col("fingerprint") == fingerprint)
                & pl.col("present")
                & pl.col("video_id").is_in(list(video_ids))
            )
            .select("video_id", "vector")
            .collect()
            .join(wanted, on="video_id")
        )
        if rows.is_empty():
            continue
        flat = rows["vector"].explode().to_numpy().reshape(len(rows), -1)
        vectors = np.zeros((len(wanted), flat.shape[1]), dtype=np.float32)
        vectors[rows["row"].to_numpy()] = flat
        found[modality] = vectors
    return found


def without_empty_words(
    vectors: Mapping[str, NDArray[np.float32]], texts: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Take away the text vectors of texts that say nothing: a zero row, as if there were none.

    Args:
        vectors: (n, dim) by modality.
        texts: That the text vectors were made of.
    """
    if "text" not in vectors:
        return dict(vectors)
    says = np.array([not says_nothing(text) for text in texts], dtype=np.float32)
    return {**vectors, "text": vectors["text"] * says[:, None]}


def read_thumbnails(tables: Tables, video_ids: Sequence[str]) -> dict[str, bytes]:
    """JPEG by video, of those that have a picture."""
    rows = (
        tables.scan("media")
        .filter(pl.col("video_id").is_in(list(video_ids)) & pl.col("thumbnail").is_not_null())
        .select("video_id", "thumbnail")
        .collect()
    )
    return dict(rows.iter_rows())


def _digest(row: tuple[object, ...]) -> str:
    plain = [list(part) if isinstance(part, pl.Series) else part for part in row]
    return hashlib.sha256(json.dumps(plain, ensure_ascii=False).encode()).hexdigest()
