"""Pick frames near wanted times from a stream of decoded frames, converting only those picked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

MAX_ASPECT = 4.0
"""Longer pictures are squeezed to this ratio, so that a strip can not blow up memory."""


@dataclass(frozen=True)
class Picture:
    """One frame, upright, RGB.

    Attributes:
        time_s: Presentation time, seconds from the start.
        pixels: (height, width, 3) uint8.
        turned: Whether width and height changed places to make it upright.
    """

    time_s: float
    pixels: NDArray[np.uint8]
    turned: bool = False


def uniform_times(n: int, duration_s: float) -> list[float]:
    """The middles of n equal parts: [1.0, 3.0] for two in four seconds."""
    return [(part + 0.5) / n * duration_s for part in range(n)]


def pick(
    frames: Iterable[tuple[float, av.VideoFrame]],
    wanted_s: Sequence[float],
    *,
    short_side: int,
    pixel_aspect: float = 1.0,
) -> Iterator[Picture]:
    """Yield the frame nearest to each wanted time, each frame at most once.

    Args:
        frames: (time in seconds, frame) in order of presentation.
        wanted_s: Wanted times, ascending.
        short_side: Length of the shorter side of the result, pixels; never enlarged.
        pixel_aspect: Width over height of one pixel.
    """
    pending = list(wanted_s)
    before: tuple[float, av.VideoFrame] | None = None
    picked: av.VideoFrame | None = None
    for now in frames:
        while pending and now[0] >= pending[0]:
            wanted = pending.pop(0)
            best = before if before and wanted - before[0] < now[0] - wanted else now
            if best[1] is not picked:
                picked = best[1]
                yield convert(*best, short_side=short_side, pixel_aspect=pixel_aspect)
        before = now
        if not pending:
            return
    if before is not None and before[1] is not picked:
        yield convert(*before, short_side=short_side, pixel_aspect=pixel_aspect)


def convert(
    time_s: float, frame: av.VideoFrame, *, short_side: int, pixel_aspect: float = 1.0
) -> Picture:
    """Scale to `short_side`, square pixels, upright, RGB."""
    aspect = frame.width * pixel_aspect / frame.height
    aspect = min(max(aspect, 1 / MAX_ASPECT), MAX_ASPECT)
    short = min(short_side, frame.width, frame.height)
    width, height = (short * aspect, short) if aspect >= 1 else (short, short / aspect)
    scaled = frame.reformat(
        width=round(width), height=round(height), format="rgb24", interpolation="AREA"
    )
    pixels = turn_upright(scaled.to_ndarray().astype(np.uint8, copy=False), frame.rotation)
    return Picture(time_s, pixels, turned=round(frame.rotation / 90) % 2 == 1)


def turn_upright(pixels: NDArray[np.uint8], rotation: float) -> NDArray[np.uint8]:
    """Turn a picture by what its display matrix says, degrees counter-clockwise."""
    return np.ascontiguousarray(np.rot90(pixels, round(rotation / 90) % 4))
