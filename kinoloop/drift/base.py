"""What a drift test is: one function in its own file under `checks/`, with a typed config.

    @drift_test("mix", level="tables", config=MixConfig, title="Mix of {column}", effect="PSI")
    def mix(scene: Scene, config: MixConfig) -> Measurement: ...

A test measures; whether it fires is decided in one place (`detect.judge`), by the same rule for
all: the effect reaches the threshold, chance does not explain it, and ordinary weeks did not
differ as much.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.catalogue import Catalogue
from kinoloop.drift.blocks import Blocks, Evidence, weigh
from kinoloop.drift.champion import Champion
from kinoloop.drift.slates import Slates, make_slates
from kinoloop.drift.statistics import Statistic
from kinoloop.drift.windows import Windows
from kinoloop.plugins import Plugins
from kinoloop.settings import NumbersConfig

SLATE_PERIODS = 5  # slates cost a scoring each: the current period and four before it

Level = Literal["tables", "embeddings", "predictions"]


class TestConfig(NumbersConfig):
    """Base of every drift test's config; `kind` names the test."""

    __test__ = False  # not a pytest class

    kind: str
    threshold: float = Field(gt=0, description="Effect size from which on the test may fire.")
    min_users: int = Field(30, ge=2, description="Fewer users in a window: not enough data.")


@dataclass(frozen=True)
class Scene:
    """All that a drift test may look at.

    Attributes:
        windows: Periods and the events in them.
        catalogue: Videos of the dataset with their vectors.
        champion: None where there is no model in service yet.
        permutations: Shuffles of each null distribution.
        top_k: Length of the slates that the champion is asked for.
        seed: Of everything random.
    """

    windows: Windows
    catalogue: Catalogue
    champion: Champion | None = None
    permutations: int = 999
    top_k: int = 10
    seed: int = 0

    @cached_property
    def slates(self) -> Slates | None:
        """The champion's slates in each period, made once for all tests; None without one."""
        if self.champion is None:
            return None
        periods = self.windows.periods
        return make_slates(self.champion, periods, top_k=self.top_k, max_periods=SLATE_PERIODS)


@dataclass(frozen=True)
class Bars:
    """Shares by level in both windows, for the report."""

    labels: tuple[str, ...]
    reference: NDArray[np.float64]
    current: NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """Cumulated shares over ordered values in both windows, for the report."""

    values: NDArray[np.float64]
    reference: NDArray[np.float64]
    current: NDArray[np.float64]
    label: str


Plot = Bars | Curves


@dataclass(frozen=True)
class Measurement:
    """What a test found.

    Attributes:
        evidence: Effect, p-value, ordinary change; None where there was not enough data.
        users: Users (or videos) behind the reference and the current window.
        said: One sentence for a person, or why there was not enough data.
        figures: More figures by name.
        plot: What to draw.
    """

    evidence: Evidence | None
    users: tuple[int, int]
    said: str
    figures: dict[str, float] = field(default_factory=dict)
    plot: Plot | None = None


@dataclass(frozen=True)
class DriftTest:
    """A registered test.

    Attributes:
        name: As in the settings.
        level: What it looks at.
        config: Type of its settings.
        title: For people, with the config's fields in braces.
        effect: Short name of its effect size.
        floor: Effect size that means "the same", 0.5 for an AUC.
        measure: The function.
    """

    name: str
    level: Level
    config: type[TestConfig]
    title: str
    effect: str
    floor: float
    measure: Callable[[Scene, Any], Measurement]


DRIFT_TESTS: Plugins[DriftTest] = Plugins(
    "kinoloop.drift.checks", "drift test", group="kinoloop.drift_checks"
)

ConfigT = TypeVar("ConfigT", bound=TestConfig)
Measure = Callable[[Scene, ConfigT], Measurement]


def drift_test(
    name: str,
    *,
    level: Level,
    config: type[ConfigT],
    title: str,
    effect: str,
    floor: float = 0.0,
) -> Callable[[Measure[ConfigT]], Measure[ConfigT]]:
    """Register the decorated function as a drift test; see `DriftTest` for the arguments."""

    def keep(measure: Measure[ConfigT]) -> Measure[ConfigT]:
        test = DriftTest(name, level, config, title, effect, floor, measure)
        DRIFT_TESTS.register(name, home=measure)(test)
        return measure

    return keep


def too_few(users: tuple[int, int], minimum: int, *, what: str = "users") -> Measurement | None:
    """Return the answer of a test that lacks data, or None where there is enough."""
    if min(users) >= minimum:
        return None
    said = f"not enough data: {users[0]} {what} before, {users[1]} now, at least {minimum} needed"
    return Measurement(evidence=None, users=users, said=said)


NO_CHAMPION = Measurement(evidence=None, users=(0, 0), said="there is no champion yet")


def weighed(scene: Scene, blocks: Blocks, statistic: Statistic) -> Evidence:
    """`weigh` with the shuffles and the seed of the scene."""
    return weigh(blocks, statistic, permutations=scene.permutations, seed=scene.seed)
