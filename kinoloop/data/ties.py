"""Order among events of one moment: the same everywhere, and without meaning.

Many logs know only seconds, or a day. What one user did within one such moment has no order that
could be learned; yet rows must stand in some order. By position in the catalogue, say, noise looks
like a sequence: five ratings of one second, ascending by id, let a sequence model find the last of
them three times as often as chance. So ties go by a hash of user, video and moment: another order
for every user, the same one in training, splits and service.
"""

import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


def name_keys(names: Iterable[str]) -> NDArray[np.uint64]:
    """Hash each name to a number, (n,) uint64, the same in every process."""
    return np.fromiter((zlib.crc32(name.encode()) for name in names), dtype=np.uint64)


def tie_keys(
    users: NDArray[np.uint64], videos: NDArray[np.uint64], timestamps: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return what breaks a tie between events of one user and moment, (n,) uint64.

    Args:
        users: (n,) or (1,) `name_keys` of the pseudonyms.
        videos: (n,) `name_keys` of the external ids.
        timestamps: (n,) int64, µs since the epoch.

    Source: the mixer of SplitMix64, Steele, Lea and Flood 2014, section 4.
    """
    return _mixed(users ^ _mixed(videos ^ _mixed(timestamps.astype(np.int64).view(np.uint64))))


def oldest_first(
    user: str, videos: NDArray[np.uint64], timestamps: NDArray[np.int64]
) -> NDArray[np.intp]:
    """Positions of one user's events in the order of histories.

    Args:
        user: Pseudonym.
        videos: (n,) `name_keys` of the external ids.
        timestamps: (n,) int64, µs since the epoch.
    """
    return np.lexsort((tie_keys(name_keys([user]), videos, timestamps), timestamps))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = values + _GOLDEN
    values = (values ^ (values >> _SHIFTS[0])) * _MULTIPLIERS[0]
    values = (values ^ (values >> _SHIFTS[1])) * _MULTIPLIERS[1]
    return values ^ (values >> _SHIFTS[2])
