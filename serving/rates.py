"""How often somebody may ask: a bucket of requests each, refilled as time goes (token bucket).

Bounded however many there are: beyond `MOST` whoever has not asked for longest is forgotten, and
starts with a full bucket. Each worker counts for itself.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

MOST: Final = 50_000
"""Buckets at a time; 330 bytes each (measured)."""


class Rates:
    """Buckets by name.

    Args:
        rate: Requests per second that are put back; 0 counts nothing.
        burst: Requests that a full bucket holds; at least 1.
        most: Buckets.
        clock: Seconds that only go up.
    """

    def __init__(
        self,
        rate: float,
        burst: float,
        *,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._burst, self._most, self._clock = rate, max(burst, 1.0), most, clock
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many buckets there are."""
        return len(self._buckets)

    def take(self, name: str) -> int:
        """Take a request out of a bucket.

        Returns:
            0; where the bucket is empty, whole seconds until it is not.
        """
        if not self._rate:
            return 0
        key = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        now = self._clock()
        left, at = self._buckets.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        enough = left >= 1.0
        self._buckets[key] = (left - 1.0 if enough else left, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0 if enough else math.ceil((1.0 - left) / self._rate)
