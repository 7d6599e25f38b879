"""The settings that every recommender has, and which `fit` chooses where they are not given.

A default that was tuned on one data set loses on the next. So a setting that is cheap to try has a
grid, and where nobody has given it, `fit` takes what is best on the validation window (see
`choosing.py`); without a validation window the default holds. What is given stays.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from kinoloop.settings import NumbersConfig

Tied = Mapping[str, tuple[str, tuple[Any, ...]]]  # a setting: another one, and some of its values
Grids = Mapping[str, tuple[float, ...]]  # a setting: what is tried where it is not given
Decay = Annotated[
    float,
    Field(gt=0, le=1, description="Weight of each video relative to the next newer one."),
]
NegativePopularity = Annotated[
    float,
    Field(ge=0, le=1, description="Exponent of popularity in drawing negatives; 0 is uniform."),
]
NEVER_DAYS = 36_500.0  # a century: nothing fades
HALF_LIVES_DAYS = (0.25, 0.5, 1.0, 2.0, 4.0, 7.0, 14.0, 30.0, 90.0, NEVER_DAYS)


class RecommenderConfig(NumbersConfig):
    """Base of every recommender's config; `kind` names the class.

    Attributes:
        not_searched: Settings that `kinoloop tune` leaves alone: budgets, of which more is always a
            little better, and what does not change a ranking.
        only_with: What changes a result only where another setting has one of some values.
        grids: What `fit` tries on validation of each setting that is not given.
    """

    not_searched: ClassVar[frozenset[str]] = frozenset(
        {"kind", "prior_half_life_days", "epochs", "patience", "iterations", "cpu_threads"}
    )
    only_with: ClassVar[Tied] = {}
    grids: ClassVar[Grids] = {"prior_half_life_days": HALF_LIVES_DAYS}

    kind: str
    prior_half_life_days: float = Field(
        14.0, gt=0, description="Age at which an event counts half in the popularity prior, days."
    )

    @property
    def left_open(self) -> frozenset[str]:
        """Settings with a grid that were not given."""
        return frozenset(self.grids) - self.model_fields_set

    @classmethod
    def make_valid(cls, settings: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG003 (of subclasses)
        """Move drawn settings to the nearest that go together; what is `given` stays."""
        return settings
