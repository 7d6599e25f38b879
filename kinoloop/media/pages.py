"""Pages: a few pictures of a video that are large enough to read the words in them.

They are taken as they pass, one a second (fewer of a long video), in grey, which is a third of the
bytes and no harder to read; when it is known where shots begin, the longest shots have one each.
"""

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from kinoloop.media.pictures import MAX_ASPECT, orientation, turn_upright
from kinoloop.media.sampling import Thinned
from kinoloop.media.shots import choose

STEP_S = 1.0
MOST = 24
"""Pictures that are held at a time; beyond, every second one goes."""


class PageTaker:
    """Takes pages from a stream of decoded frames as they pass.

    Args:
        count: How many are wanted of a video at most; 0: none is taken.
        side: Shorter side, pixels; never enlarged.
        pixel_aspect: Width over height of one pixel.
    """

    def __init__(self, count: int, side: int, pixel_aspect: float = 1.0) -> None:
        self._count, self._side = count, side
        self._pixel_aspect = pixel_aspect if 0.25 <= pixel_aspect <= 4 else 1.0
        self._scaler = VideoReformatter()
        self._thinned: Thinned[tuple[float, NDArray[np.uint8]]] = Thinned(MOST)
        self._due_s = float("-inf")

    def offer(self, time_s: float, frame: av.VideoFrame) -> None:
        """Take the next frame, and keep it if one is due."""
        if not self._count or time_s < self._due_s:
            return
        self._due_s = time_s + STEP_S
        if self._thinned.wants_next:
            self._thinned.keep((time_s, self._page(frame)))
        else:
            self._thinned.skip()

    def finish(self, shots_s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Return times in seconds (n,) and pages (n, height, width) in order of time."""
        taken = self._thinned.kept
        if taken:
            shape = taken[0][1].shape
            taken = [one for one in taken if one[1].shape == shape]
        if not taken:
            return np.zeros(0), np.zeros((0, 1, 1), dtype=np.uint8)
        times = [time_s for time_s, _ in taken]
        chosen = choose(times, shots_s, least=self._count, most=self._count)
        return np.array([times[i] for i in chosen]), np.stack([taken[i][1] for i in chosen])

    def _page(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        aspect = frame.width * self._pixel_aspect / frame.height
        aspect = min(max(aspect, 1 / MAX_ASPECT), MAX_ASPECT)
        short = min(self._side, frame.width, frame.height)
        width, height = (short * aspect, short) if aspect >= 1 else (short, short / aspect)
        grey = self._scaler.reformat(
            frame,
            width=round(width),
            height=round(height),
            format="gray",
            interpolation="AREA",
            threads=1,
        )
        pixels = grey.to_ndarray().astype(np.uint8, copy=False)
        return turn_upright(pixels, *orientation(frame))
