"""Moments of a release: when a video shows, reads or says what somebody looks for.

One packed file of words and flat arrays of times and vectors, video by video; vectors are int8, as
long as the text encoder makes them: 384 bytes a moment. A bundle that was written before there were
moments has none, and answers without them.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.ids import IdMap
from kinoloop.errors import BundleError, DataError
from kinoloop.release.files import open_array, write_array

NEAR = 0.35
"""Least cosine of a query and the words of a moment that answers it."""

AT_ONCE = 1024
"""Vectors made wide at a time: 1.5 MB stay in the cache. 500,000 moments take .04 CPU s a query."""


class Moment(NamedTuple):
    """A part of a video, and what of it can be told in words.

    Attributes:
        start_s: Seconds from the start.
        end_s: Likewise.
        shows: What the pictures show, names ("Pomeranian") before kinds ("dog").
        reads: Words in the picture; "" without.
        says: What is said; "" without.
    """

    start_s: float
    end_s: float
    shows: list[str]
    reads: str
    says: str


class Moments:
    """Opens what `write_moments` wrote, memory-mapped.

    Args:
        directory: Of the arrays; a missing one is a release without moments.
        n_videos: How many videos the release has.

    Raises:
        BundleError: The parts do not fit together.
    """

    def __init__(self, directory: Path, n_videos: int) -> None:
        self._spans = np.zeros((n_videos, 2), dtype=np.int64)
        self._vectors = np.zeros((0, 0), dtype=np.int8)
        self._scales: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None
        if not directory.exists():
            return
        self._spans = open_array(directory / "spans.npy")
        self._times = open_array(directory / "times.npy")
        self._vectors = open_array(directory / "vectors.npy")
        self._ends = open_array(directory / "ends.npy")
        packed = directory / "packed.bin"
        size = packed.stat().st_size
        self._packed = np.memmap(packed, np.uint8, "r") if size else np.empty(0, np.uint8)
        n = len(self._times)
        fits = self._spans.shape == (n_videos, 2) and int(self._spans.max(initial=0)) <= n
        if not fits or len(self._vectors) != n or self._ends.shape != (n + 1,):
            raise BundleError(f"{directory}: its parts disagree on the number of moments")

    def __len__(self) -> int:
        return len(self._vectors)

    def of(self, video: int) -> list[Moment]:
        """All moments of a video by internal index, in order of time."""
        return [self._read(i) for i in range(*self._spans[video].tolist())]

    def scores(self, asked: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosine of a query and the nearest moment of each video, (n_videos,) float32.

        0 where a video has no moment, or none that is near.

        Args:
            asked: (dim,) vector of the query, unit length.
        """
        best = np.zeros(len(self._spans), dtype=np.float32)
        if self._vectors.shape[1] != len(asked):
            return best
        owners, scales = self._owned()
        cosines = np.concatenate([wide @ asked for wide in self._wide()]) * scales
        np.maximum.at(best, owners, cosines)
        return best

    def _owned(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Whose each moment is, and one over the length of its vector; 0 where it is nobody's."""
        if self._scales is None:
            owners = np.zeros(len(self._vectors), dtype=np.int64)
            scales = np.zeros(len(owners), dtype=np.float32)
            lengths = np.concatenate([np.linalg.norm(wide, axis=1) for wide in self._wide()])
            for video in np.flatnonzero(self._spans[:, 1] > self._spans[:, 0]).tolist():
                first, last = self._spans[video].tolist()
                owners[first:last] = video
                scales[first:last] = 1 / np.maximum(lengths[first:last], 1e-6)
            self._scales = owners, scales  # at once: threads may ask meanwhile
        return self._scales

    def _wide(self) -> Iterator[NDArray[np.float32]]:
        for first in range(0, len(self._vectors), AT_ONCE):
            yield self._vectors[first : first + AT_ONCE].astype(np.float32)

    def nearest(self, video: int, asked: NDArray[np.float32] | None) -> Moment | None:
        """Return the moment of a video that answers a query best; None where none does.

        Args:
            video: Internal index.
            asked: (dim,) vector of the query, unit length; None where it has none.
        """
        first, last = self._spans[video].tolist()
        if asked is None or first == last or self._vectors.shape[1] != len(asked):
            return None
        vectors = self._vectors[first:last].astype(np.float32)
        cosines = vectors @ asked / np.maximum(np.linalg.norm(vectors, axis=1), 1e-6)
        best = int(cosines.argmax())
        return self._read(first + best) if cosines[best] >= NEAR else None

    def _read(self, i: int) -> Moment:
        start_s, end_s = self._times[i].tolist()
        words = json.loads(self._packed[self._ends[i] : self._ends[i + 1]].tobytes())
        return Moment(start_s, end_s, *words)


def write_moments(
    directory: Path, ids: IdMap, moments: pl.DataFrame, *, before: Path | None = None
) -> None:
    """Write the moments of videos; where there is none at all, nothing is written.

    Args:
        directory: Must not exist.
        ids: Of the catalogue; videos that it does not know are passed over.
        moments: Columns `video_id` and `moments`, as the table of that name has them.
        before: What an earlier catalogue had, whose videos come first in `ids`; those in `moments`
            replace theirs.

    Raises:
        DataError: Their vectors are not all of one length.
    """
    known = pl.DataFrame({"video_id": ids.ids}, schema={"video_id": pl.String})
    rows = moments.join(known.with_row_index("index"), on="video_id").sort("index")
    grown = before is not None and before.exists()
    if not grown and not rows["moments"].list.len().sum():
        return
    directory.mkdir(parents=True)
    spans = np.zeros((len(ids), 2), dtype=np.int64)
    times, ends, vectors, packed = [], [0], bytearray(), directory / "packed.bin"
    lengths: set[int] = set()
    if grown and before is not None:
        old = open_array(before / "spans.npy")
        spans[: len(old)] = old
        times = open_array(before / "times.npy").tolist()
        ends = open_array(before / "ends.npy").tolist()
        was = open_array(before / "vectors.npy")
        vectors += was.tobytes()
        lengths |= {was.shape[1]} if len(was) else set()
        shutil.copyfile(before / "packed.bin", packed)
    with packed.open("ab") as file:
        for video, some in rows.select("index", "moments").iter_rows():
            spans[video] = len(times), len(times) + len(some or ())
            for one in some or ():
                times.append([one["start_s"], one["end_s"]])
                vector = _int8(one["vector"])
                lengths.add(len(vector))
                vectors += vector.tobytes()
                words = [[s["word"] for s in one["shows"]], one["reads"], one["says"]]
                ends.append(ends[-1] + file.write(json.dumps(words, ensure_ascii=False).encode()))
    if len(lengths) > 1:
        raise DataError(
            f"vectors of moments have lengths {sorted(lengths)}, expected one; delete the older "
            "rows of table `moments`, extract again and retrain"
        )
    write_array(directory / "spans.npy", spans)
    write_array(directory / "times.npy", np.array(times, dtype=np.float32))
    write_array(directory / "vectors.npy", np.frombuffer(vectors, np.int8).reshape(len(times), -1))
    write_array(directory / "ends.npy", np.array(ends, dtype=np.int64))


def _int8(packed: bytes) -> NDArray[np.int8]:
    """Scale a vector so that its largest number is 127: its direction is what counts."""
    wide = np.frombuffer(packed, np.float16).astype(np.float32)
    return np.round(wide * (127 / max(float(np.abs(wide).max()), 1e-6))).astype(np.int8)
