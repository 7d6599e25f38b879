"""What an answer costs, measured in turns, so that a busy machine changes no decision.

Milliseconds of one machine say as much about its other work as about a release. So the releases
answer the same requests in turns, in the same minutes, and what is compared is the CPU time that
each answer took: a ratio, with a bootstrap interval over requests. Beside them runs a *floor*, a
plain answer of fixed arithmetic, so that there is a measure without a champion, and one that does
not call every model slow whose champion was a list of counts.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.data.sampling import evenly_spaced
from kinoloop.evaluation.translate import translate
from kinoloop.models.top_k import best
from kinoloop.release.release import Release

REQUESTS, TURNS = 40, 3
TOP_K = 10
RESAMPLES = 2000
FLOOR_DIM, FLOOR_BLOCK = 64, 65_536  # a product with every video, 16 MB of vectors at a time
FLOOR_CANDIDATES, FLOOR_WIDTH, FLOOR_HIDDEN = 256, 384, 256  # one dense layer over candidates

Answer = Callable[[int], object]
"""Answers the request of that number."""


@dataclass(frozen=True)
class Clocks:
    """What is read before and after each answer, in seconds.

    Attributes:
        cpu: Of the whole process: a release may answer in several threads.
        wall: Of the machine.
    """

    cpu: Callable[[], float] = time.process_time
    wall: Callable[[], float] = time.perf_counter


@dataclass(frozen=True)
class Costs:
    """What the answers of one release cost.

    Attributes:
        cpu_s: (n_requests,) CPU seconds of each request, the least of its turns.
        wall_s: (n_turns, n_requests) seconds.
    """

    cpu_s: NDArray[np.float64]
    wall_s: NDArray[np.float64]

    @property
    def p95_ms(self) -> float:
        """95th percentile of the wall time, ms."""
        return float(np.quantile(self.wall_s, 0.95)) * 1e3


@dataclass(frozen=True)
class Ratio:
    """CPU time of one release over that of another, with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} × [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class Latency:
    """The costs of a decision.

    Attributes:
        challenger: Waits for its proof.
        floor: Measured beside it.
        champion: In service; None before the first promotion.
    """

    challenger: Costs
    floor: Costs
    champion: Costs | None = None

    def over_floor(self, *, seed: int, confidence: float) -> Ratio:
        """Challenger over floor."""
        return ratio(self.challenger.cpu_s, self.floor.cpu_s, seed=seed, confidence=confidence)

    def slowdown(self, *, seed: int, confidence: float) -> Ratio | None:
        """Challenger over champion, which counts as the floor where it is cheaper than that."""
        if self.champion is None:
            return None
        reference = np.maximum(self.champion.cpu_s, self.floor.cpu_s)
        return ratio(self.challenger.cpu_s, reference, seed=seed, confidence=confidence)


def measure_latency(
    challenger: Release,
    champion: Release | None,
    histories: Histories,
    *,
    ids: IdMap,
    clocks: Clocks | None = None,
) -> Latency:
    """Let challenger, champion and floor answer the same requests in turns.

    Args:
        challenger: Opened.
        champion: Opened; None before the first promotion.
        histories: Of the window, in the indices of `ids`; a part of them asks, and a stranger.
        ids: Of the catalogue that the window was loaded with.
        clocks: Read around each answer; None is this machine's.
    """
    asking = histories.rows(evenly_spaced(len(histories), REQUESTS))
    releases = {"challenger": challenger}
    if champion is not None:
        releases["champion"] = champion
    answers: dict[str, Answer] = {
        name: _release_answer(release, translate(asking, ids, release.catalogue.ids))
        for name, release in releases.items()
    }
    answers["floor"] = floor_answer(len(challenger.catalogue))
    return Latency(**in_turns(answers, 1 + len(asking), clocks=clocks or Clocks()))


def in_turns(
    answers: Mapping[str, Answer], requests: int, *, clocks: Clocks, turns: int = TURNS
) -> dict[str, Costs]:
    """Ask all releases every request, one after the other, several times.

    Args:
        answers: Releases by name.
        requests: How many each is asked.
        clocks: Read around each answer.
        turns: Times that each request is asked; who begins changes with each.
    """
    names = list(answers)
    cpu_s = np.zeros((len(names), turns, requests))
    wall_s = np.zeros_like(cpu_s)
    with threadpool_limits(limits=1):  # threads that wait spin, and that would count
        for answer in answers.values():
            answer(0)  # warm-up
        for turn, request, at in _order(len(names), turns, requests):
            cpu, wall = clocks.cpu(), clocks.wall()
            answers[names[at]](request)
            cpu_s[at, turn, request] = clocks.cpu() - cpu
            wall_s[at, turn, request] = clocks.wall() - wall
    return {name: Costs(cpu_s[at].min(axis=0), wall_s[at]) for at, name in enumerate(names)}


def ratio(
    costs: NDArray[np.float64], reference: NDArray[np.float64], *, seed: int, confidence: float
) -> Ratio:
    """Σ costs / Σ reference, both (n_requests,), bootstrapped over requests.

    Sums, so that a few requests that take very long are seen, as their users would see them.
    """
    drawn = np.random.default_rng(seed).integers(len(costs), size=(RESAMPLES, len(costs)))
    ratios = costs[drawn].sum(axis=1) / np.maximum(reference[drawn].sum(axis=1), 1e-9)
    tail = (1 - confidence) / 2
    low, high = np.quantile(ratios, [tail, 1 - tail])
    return Ratio(float(costs.sum() / max(reference.sum(), 1e-9)), float(low), float(high))


def floor_answer(n_videos: int) -> Answer:
    """Make the floor: one product with all videos, the best ten, a dense layer over candidates.

    The product grows with the catalogue as an answer does; the layer stands for a small ranker and
    is the same on every catalogue.
    """
    rng = np.random.default_rng(0)
    videos = rng.standard_normal((min(n_videos, FLOOR_BLOCK), FLOOR_DIM), dtype=np.float32)
    candidates = rng.standard_normal((FLOOR_CANDIDATES, FLOOR_WIDTH), dtype=np.float32)
    layer = rng.standard_normal((FLOOR_WIDTH, FLOOR_HIDDEN), dtype=np.float32)
    scores = np.empty(n_videos, dtype=np.float32)

    def answer(request: int) -> object:
        history = videos[request % len(videos)]
        for start in range(0, n_videos, FLOOR_BLOCK):
            part = scores[start : start + FLOOR_BLOCK]
            np.matmul(videos[: len(part)], history, out=part)
        return best(scores, TOP_K), np.maximum(candidates @ layer, 0).sum(axis=1)

    return answer


def _release_answer(release: Release, asking: Histories) -> Answer:
    requests: list[Sequence[Interaction]] = [[]]
    requests += [
        [Interaction(v) for v in asking.videos[asking.row(row)].tolist()]
        for row in range(len(asking))
    ]
    return lambda request: release.recommend(requests[request], top_k=TOP_K)


def _order(releases: int, turns: int, requests: int) -> Iterator[tuple[int, int, int]]:
    """Turn, request and release of each answer."""
    for turn in range(turns):
        for request in range(requests):
            for place in range(releases):
                yield turn, request, (place + turn) % releases
