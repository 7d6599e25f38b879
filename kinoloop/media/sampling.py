"""Which moments of a video are looked at: the policies, and picking what is nearest to a time."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field

from kinoloop.settings import Config

MAX_FRAMES = 256
"""Most pictures of one video under any policy: 256 of 224 x 398 are 68 MB."""

CANDIDATE_S = 0.4
"""Least distance of two pictures of which `Shots` chooses, seconds."""

T = TypeVar("T")


class Uniform(Config):
    """The middles of equal parts of the video."""

    kind: Literal["uniform"] = "uniform"
    frames: int = Field(default=8, ge=1, le=MAX_FRAMES, description="How many parts.")


class Interval(Config):
    """One picture every so many seconds."""

    kind: Literal["interval"] = "interval"
    seconds: float = Field(default=1.0, gt=0, description="Between two pictures, seconds.")
    max_frames: int = Field(
        default=64, ge=1, le=MAX_FRAMES, description="Where more fall in, they spread out."
    )


class KeyFrames(Config):
    """What the encoder of the file chose as starting points; the cheapest to decode."""

    kind: Literal["key_frames"] = "key_frames"
    max_frames: int = Field(
        default=32, ge=1, le=MAX_FRAMES, description="Where there are more, every 2nd, 4th, 8th…"
    )


class Scenes(Config):
    """The first picture and the one after each cut; every picture is decoded and compared."""

    kind: Literal["scenes"] = "scenes"
    threshold: float = Field(
        default=0.1, gt=0, lt=1, description="Least change of brightness that is a cut, 1 = all."
    )
    max_frames: int = Field(
        default=32, ge=1, le=MAX_FRAMES, description="Where there are more cuts, the hardest."
    )


class Shots(Config):
    """Pictures of every shot: one each, and more of long ones."""

    kind: Literal["shots"] = "shots"
    frames: int = Field(
        default=8, ge=1, le=MAX_FRAMES, description="How many where there are fewer shots."
    )
    max_frames: int = Field(
        default=16, ge=1, le=MAX_FRAMES, description="Where there are more shots, the longest."
    )


ByTime = Uniform | Interval | Shots
"""Policies that look at pictures near to wanted times."""

Sampling = Annotated[Uniform | Interval | KeyFrames | Scenes | Shots, Field(discriminator="kind")]


def uniform_times(n: int, duration_s: float) -> list[float]:
    """Return the middles of n equal parts: [1.0, 3.0] for two in four seconds."""
    return [(part + 0.5) / n * duration_s for part in range(n)]


def wanted_times(sampling: ByTime, duration_s: float) -> list[float]:
    """When a policy that goes by the clock looks, seconds, ascending.

    For shots these are candidates, of which the middles of equal parts are some: a video of one
    shot gets what `Uniform` gives.

    Examples:
        >>> wanted_times(Interval(seconds=1.0), 3.2)
        [0.5, 1.5, 2.5]
        >>> wanted_times(Interval(seconds=1.0, max_frames=2), 4.0)
        [1.0, 3.0]
        >>> wanted_times(Shots(frames=1, max_frames=1), 4.0)
        [0.6666666666666666, 2.0, 3.3333333333333335]
    """
    if isinstance(sampling, Uniform):
        return uniform_times(sampling.frames, duration_s)
    if isinstance(sampling, Shots):
        room = min(3 * sampling.max_frames, MAX_FRAMES, duration_s / CANDIDATE_S)
        finer = max(1, int(room // sampling.frames - 1) // 2 * 2 + 1)  # odd
        return uniform_times(finer * sampling.frames, duration_s)
    n = max(1, round(duration_s / sampling.seconds))
    if n > sampling.max_frames:
        return uniform_times(sampling.max_frames, duration_s)
    return [(part + 0.5) * sampling.seconds for part in range(n)]


def pictures_of(sampling: ByTime, duration_s: float) -> int:
    """How many pictures a policy that goes by the clock gives at least, of a whole video."""
    if isinstance(sampling, Shots):
        return min(sampling.frames, sampling.max_frames)
    return len(wanted_times(sampling, duration_s))


class Nearest(Generic[T]):
    """Lets pass what is nearest to each wanted time, each thing at most once.

    Args:
        wanted_s: Wanted times, ascending.
    """

    def __init__(self, wanted_s: Sequence[float]) -> None:
        self._wanted = list(reversed(wanted_s))
        self._before: tuple[float, T] | None = None
        self._passed: T | None = None

    @property
    def done(self) -> bool:
        """Whether nothing more is wanted."""
        return not self._wanted

    def offer(self, time_s: float, thing: T) -> Iterator[tuple[float, T]]:
        """Take the next thing, in order of time; gives those that are nearest to a wanted time."""
        now = (time_s, thing)
        while self._wanted and time_s >= self._wanted[-1]:
            wanted = self._wanted.pop()
            before = self._before
            best = before if before and wanted - before[0] < time_s - wanted else now
            if best[1] is not self._passed:
                self._passed = best[1]
                yield best
        self._before = now

    def finish(self) -> Iterator[tuple[float, T]]:
        """After the last: it is nearest to all that is still wanted."""
        if self._wanted and self._before is not None and self._before[1] is not self._passed:
            yield self._before
        self._wanted.clear()


class Thinned(Generic[T]):
    """Keeps at most n of a stream, evenly: every one, then every 2nd, every 4th and so on.

    Args:
        most: How many are kept at most.
    """

    def __init__(self, most: int) -> None:
        self._most, self._stride, self._seen = most, 1, 0
        self.kept: list[T] = []

    @property
    def wants_next(self) -> bool:
        """Whether the next thing is to be kept."""
        return self._seen % self._stride == 0

    def skip(self) -> None:
        """Count one that was not wanted."""
        self._seen += 1

    def keep(self, thing: T) -> None:
        """Keep one that was wanted; halves what is kept where that is too much."""
        if len(self.kept) == self._most:
            self.kept = self.kept[::2]
            self._stride *= 2
            if self._seen % self._stride:
                self._seen += 1
                return
        self.kept.append(thing)
        self._seen += 1
