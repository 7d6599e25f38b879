"""What each part of a video shows: read from the column `moments` of the table `features`.

A moment is a part of a video, seconds from its start, whose frames lie in one shot and show the
same; its vector is the mean of their unit vectors. Encoders of single frames make them: for CLIP
and the like in the space of the video's own vector, for `efficientnet_lite` the 1,280 numbers of
what is shown, which `efficientnet_lite.Words` says in words. Vectors are stored as float16, 2.6 kB
a moment, one to sixteen a video.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.tables import Tables
from kinoloop.errors import DataError


@dataclass(frozen=True)
class Moments:
    """Moments of some videos, video by video and in order of time.

    Attributes:
        video: (n,) int64, position of the video in what was asked for.
        start_s: (n,) float32 seconds.
        end_s: (n,) float32 seconds.
        vectors: (n, dim) float32 unit vectors.
    """

    video: NDArray[np.int64]
    start_s: NDArray[np.float32]
    end_s: NDArray[np.float32]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.video)


def read_moments(tables: Tables, video_ids: Sequence[str], fingerprint: str) -> Moments:
    """Read the moments of some videos; a video that has none is left out.

    Args:
        tables: Where.
        video_ids: Whose.
        fingerprint: Of the encoder, as of the table `features`.

    Raises:
        DataError: Their vectors differ in length.
    """
    wanted = pl.DataFrame({"video_id": video_ids}).with_row_index("video")
    rows = (
        tables.scan("features")
        .filter(
            (pl.col("fingerprint") == fingerprint)
            & pl.col("video_id").is_in(list(video_ids))
            & (pl.col("moments").list.len() > 0)
        )
        .sort("extracted_at")
        .select("video_id", "moments")
        .collect()
        .unique("video_id", keep="last")
        .join(wanted, on="video_id")
        .sort("video")
        .explode("moments")
        .unnest("moments")
    )
    lengths = set(rows["vector"].bin.size())
    if len(lengths) > 1:
        raise DataError(
            f"moments of fingerprint {fingerprint!r} have vectors of {sorted(lengths)} bytes, "
            "expected one length; delete these rows of table `features` and extract again"
        )
    packed = b"".join(rows["vector"].to_list())
    halves = np.frombuffer(packed, dtype=np.float16)
    return Moments(
        video=rows["video"].to_numpy().astype(np.int64),
        start_s=rows["start_s"].to_numpy(),
        end_s=rows["end_s"].to_numpy(),
        vectors=halves.reshape(len(rows), -1 if len(rows) else 0).astype(np.float32),
    )
