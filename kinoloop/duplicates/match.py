"""Whether two videos show the same: their pictures laid over each other at the best offset in time.

Every pair of alike pictures votes for the offset between them. At the offset with most votes, the
pictures that both videos should show are compared one by one. A still or repeated picture
agrees at any offset and proves little: there the sound must agree too, where both have one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinoloop.duplicates.blocking import hamming
from kinoloop.duplicates.config import DuplicatesConfig
from kinoloop.media.prints import SOUND_HOP_S

MIN_SOUND_S = 2.0
"""Sounds that lie over each other for less than this are not compared."""

SLACK_S = 1.0
"""How far the offset of the sound may lie from that of the pictures."""

LIVELY = 3
"""So many different pictures that agree, one after the other, are no coincidence."""

DIFFERENT_BITS = 16
"""Two pictures of one video that differ in more bits than this are different."""


@dataclass(frozen=True)
class Print:
    """Hashes of one video.

    Attributes:
        times_s: (n,) float32 of each picture.
        pictures: (n,) int64 hashes.
        sound: (m,) int32 hashes, one each `SOUND_HOP_S`; empty without sound.
        duration_s: Length of the video.
    """

    times_s: NDArray[np.float32]
    pictures: NDArray[np.int64]
    sound: NDArray[np.int32]
    duration_s: float


@dataclass(frozen=True)
class Match:
    """How two videos agree.

    Attributes:
        offset_s: Time in the first minus time in the second.
        pictures: Pictures that should agree at that offset.
        share: Of them, those that do.
        different: How many different pictures are among those that do.
        overlap: Part of the shorter video that lies over the other.
        sound: Share of equal bits of the sounds at that offset, 0.5 by chance; None where they
            do not lie over each other.
    """

    offset_s: float
    pictures: int
    share: float
    different: int
    overlap: float
    sound: float | None

    def proves(self, config: DuplicatesConfig) -> bool:
        """Whether that is enough to call the two the same."""
        if self.share < config.min_share or self.overlap < config.min_overlap:
            return False
        if self.sound is None:
            return self.different >= LIVELY or self.share == 1.0
        return self.sound >= config.min_sound or (self.different > LIVELY and self.share > 0.8)


def match(a: Print, b: Print, *, max_bits: int) -> Match | None:
    """Lay two videos over each other.

    Args:
        a: One video.
        b: Another.
        max_bits: Two pictures are alike up to this many different bits.

    Returns:
        How they agree at the best offset; None where no two pictures are alike.
    """
    apart = hamming(a.pictures.view(np.uint64)[:, None], b.pictures.view(np.uint64)[None])
    i, j = np.nonzero(apart <= max_bits)
    if not len(i):
        return None
    tolerance_s = max(_step(a.times_s), _step(b.times_s)) * 0.5 + 0.05
    offsets = a.times_s[i].astype(np.float64) - b.times_s[j]
    agreed = [
        _at(float(offset), a, b, apart <= max_bits) for offset in _voted(offsets, tolerance_s)
    ]
    best = max(agreed, key=lambda found: (found.share * found.overlap, found.pictures))
    return Match(**{**vars(best), "sound": _sound(a.sound, b.sound, best.offset_s, tolerance_s)})


def _step(times_s: NDArray[np.float32]) -> float:
    return float(np.median(np.diff(times_s))) if len(times_s) > 1 else 0.5


def _voted(offsets: NDArray[np.float64], tolerance_s: float) -> list[float]:
    """Return the five offsets with most votes, and no shift, in seconds."""
    bins, votes = np.unique(np.round(offsets / tolerance_s).astype(np.int64), return_counts=True)
    most = bins[np.argsort(-votes, kind="stable")[:5]]
    centres = [
        float(np.median(offsets[np.abs(offsets - at * tolerance_s) <= tolerance_s])) for at in most
    ]
    return [0.0, *centres]


def _at(offset_s: float, a: Print, b: Print, alike: NDArray[np.bool_]) -> Match:
    """Compare what both should show at one offset, from the side with fewer pictures there."""
    shared_s = min(a.duration_s, b.duration_s + offset_s) - max(0.0, offset_s)
    overlap = max(0.0, shared_s) / max(min(a.duration_s, b.duration_s), 1e-6)
    times_a, times_b = a.times_s.astype(np.float64), b.times_s + np.float64(offset_s)
    if len(times_a) > len(times_b):
        times_a, times_b, alike = times_b, times_a, alike.T
        hashes = b.pictures
    else:
        hashes = a.pictures
    reach_s = max(_step(a.times_s), _step(b.times_s)) * 0.5 + 0.05
    near = np.abs(times_a[:, None] - times_b[None]) <= reach_s
    expected, agrees = near.any(axis=1), (near & alike).any(axis=1)
    pictures = int(expected.sum())
    return Match(
        offset_s=offset_s,
        pictures=pictures,
        share=float(agrees.sum() / pictures) if pictures else 0.0,
        different=_different(hashes[agrees]),
        overlap=min(overlap, 1.0),
        sound=None,
    )


def _different(hashes: NDArray[np.int64]) -> int:
    """How often the picture changes to another one, plus one; 0 without pictures."""
    kept: list[np.uint64] = []
    for one in hashes.view(np.uint64):
        if not kept or hamming(np.array(kept[-1:]), one)[0] > DIFFERENT_BITS:
            kept.append(one)
    return len(kept)


def _sound(
    a: NDArray[np.int32], b: NDArray[np.int32], offset_s: float, tolerance_s: float
) -> float | None:
    """Largest share of equal bits near an offset; None where too little sounds in both."""
    slack = round((SLACK_S + tolerance_s) / SOUND_HOP_S)
    centre = round(offset_s / SOUND_HOP_S)
    shares = [
        share
        for shift in range(centre - slack, centre + slack + 1)
        if (share := _equal_bits(a[max(shift, 0) :], b[max(-shift, 0) :])) is not None
    ]
    return max(shares, default=None)


def _equal_bits(a: NDArray[np.int32], b: NDArray[np.int32]) -> float | None:
    n = min(len(a), len(b))
    both = (a[:n] != 0) & (b[:n] != 0)
    if both.sum() * SOUND_HOP_S < MIN_SOUND_S:
        return None
    differ = np.bitwise_count((a[:n][both] ^ b[:n][both]).view(np.uint32))
    return float(1 - differ.mean() / 32)
