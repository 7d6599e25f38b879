"""Thumbnails of all videos in one packed file, with a table of where each begins and ends."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kinoloop.data.ids import IdMap
from kinoloop.release.files import link, open_array, write_array


class Thumbnails:
    """Opens what `write_thumbnails` wrote, memory-mapped.

    Args:
        directory: Of the packed file and its table.
    """

    def __init__(self, directory: Path) -> None:
        self._spans = open_array(directory / "spans.npy")
        packed = directory / "packed.bin"
        self._packed = (
            np.memmap(packed, dtype=np.uint8, mode="r")
            if packed.stat().st_size
            else np.empty(0, dtype=np.uint8)
        )

    def of(self, video: int) -> bytes | None:
        """Return the JPEG of one video by internal index; None where there is none."""
        start, end = self._spans[video].tolist()
        return self._packed[start:end].tobytes() if end > start else None


def grow_thumbnails(
    before: Path, directory: Path, ids: IdMap, thumbnails: Iterable[tuple[str, bytes | None]]
) -> set[str]:
    """Write thumbnails beside those of an earlier table; a video's new one counts.

    Args:
        before: What `write_thumbnails` or an earlier call wrote.
        directory: Where to.
        ids: Of the grown catalogue.
        thumbnails: New and changed ones.

    Returns:
        Of the parts of the bundle those that are the same file as before.
    """
    directory.mkdir(parents=True, exist_ok=True)
    old = open_array(before / "spans.npy")
    spans = np.zeros((len(ids), 2), dtype=np.int64)
    spans[: len(old)] = old
    pictures = [(ids.index(v), picture) for v, picture in thumbnails if picture]
    pictures = [(video, picture) for video, picture in pictures if video >= 0]
    packed = directory / "packed.bin"
    if not pictures:
        link(before / "packed.bin", packed)
    else:
        shutil.copyfile(before / "packed.bin", packed)
        with packed.open("ab") as file:
            for video, picture in pictures:
                start = file.tell()
                spans[video] = start, start + file.write(picture)
    write_array(directory / "spans.npy", spans)
    return set() if pictures else {"thumbnails/packed.bin"}


def write_thumbnails(
    directory: Path, ids: IdMap, thumbnails: Iterable[tuple[str, bytes | None]]
) -> None:
    """Write thumbnails as they stream in, in any order; unknown videos are passed over."""
    directory.mkdir(parents=True, exist_ok=True)
    spans = np.zeros((len(ids), 2), dtype=np.int64)
    end = 0
    with (directory / "packed.bin").open("wb") as file:
        for video_id, picture in thumbnails:
            video = ids.index(video_id)
            if video >= 0 and picture:
                spans[video] = end, end + file.write(picture)
                end = int(spans[video, 1])
    write_array(directory / "spans.npy", spans)
