"""How much interest events show: one rule for tables of events and for the live events of one user.

Many events of one user with one video become one interaction: it takes its place in the history
when the user first met the video, its weight is the strongest signal, and where the user said
something explicit more than once (liked, then disliked) the last word wins. Impressions and
searches say nothing about one video and are left out.

The rule is written once over columns that are Polars expressions (training, drift) or numpy arrays
(a request in service, where a query of its own would cost more than the answer).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from kinoloop.data.rating_scale import USUAL
from kinoloop.schema import EVENT_KINDS
from kinoloop.settings import Config

NO_INTERACTION: Final = ("impression", "search", "undo", "identify")
INTERACTIONS: Final = tuple(kind for kind in EVENT_KINDS if kind not in NO_INTERACTION)
"""Who sends one of these has met the video."""

EXPLICIT: Final = ("like", "dislike", "share", "save", "rating")

CODES: Final[Mapping[str, int]] = {
    **{kind: code for code, kind in enumerate(EVENT_KINDS)},
    **dict.fromkeys(("not_interested", "report"), EVENT_KINDS.index("dislike")),
}
"""Internal code by kind; whoever is not interested in a video, or reports it, dislikes it."""

Numbers = NDArray[Any]
Column = TypeVar("Column", pl.Expr, Numbers)

_CONSTANT = ("like", "dislike", "comment", "share", "save", "skip")
_UNSAID = -(2**63)  # in place of a last word


class InterestConfig(Config):
    """How events weigh; > 0 is interest, < 0 is dislike."""

    view: float = Field(1.0, gt=0, description="A video watched to its end, or unknown how far.")
    like: float = Field(2.0, gt=0, description="Twice a full view.")
    comment: float = Field(1.5, gt=0, description="Mostly interest, sometimes anger.")
    share: float = Field(2.0, gt=0, description="As a like.")
    save: float = Field(2.0, gt=0, description="As a like.")
    rating: float = Field(1.5, gt=0, description="A rating from `rating_liked_from` up.")
    dislike: float = Field(-2.0, lt=0, description="Also a rating below `rating_liked_from`.")
    skip: float = Field(-0.5, lt=0, description="Also a view below `min_watch_share`.")
    min_watch_share: float = Field(
        0.1, ge=0, le=1, description="Watched less than this share of the duration: a skip."
    )
    rating_liked_from: float | None = Field(
        None,
        description="Lowest rating that shows interest; None: from the middle of the scale that "
        "the ratings lie on; 0 counts each, as papers do.",
    )

    def on_scale(self, liked_from: float | None) -> "InterestConfig":
        """Return the same config with the threshold filled in where it is left to the data.

        Args:
            liked_from: What the data says; None where it has no ratings.
        """
        if self.rating_liked_from is not None:
            return self
        return self.model_copy(
            update={"rating_liked_from": USUAL if liked_from is None else liked_from}
        )


@dataclass(frozen=True)
class Events(Generic[Column]):
    """What is read of events; unknown is null in expressions and NaN in arrays.

    Attributes:
        kind: Position in `schema.EVENT_KINDS`.
        timestamp: µs since the epoch, UTC.
        watch_s: Seconds watched.
        value: Of a rating.
        duration_s: Of the video.
    """

    kind: Column
    timestamp: Column
    watch_s: Column
    value: Column
    duration_s: Column


class Weighed(NamedTuple, Generic[Column]):
    """What each event says.

    Attributes:
        watch_share: Share of the duration that was watched, in [0, 1]; unknown where it is.
        signal: > 0 interest, < 0 dislike; unknown for what is no interaction.
        kind_key: Sorts by strength, then by kind: its maximum carries the kind of the strongest.
        word_key: Sorts by time: its maximum carries what was said last.
    """

    watch_share: Column
    signal: Column
    kind_key: Column
    word_key: Column


class Interactions(NamedTuple, Generic[Column]):
    """What the events of one user with one video say together; see `histories.Interaction`."""

    weight: Column
    timestamp: Column
    kind: Column
    watch_share: Column


class Algebra(Protocol[Column]):
    """What the rule needs beyond the operators that both kinds of columns have."""

    def where(
        self, condition: Column, yes: Column | float, no: Column | float | None = None
    ) -> Column:
        """`yes` where the condition holds, else `no`; None is unknown."""

    def known(self, column: Column, otherwise: float) -> Column:
        """Return the column with `otherwise` where it is unknown."""

    def most(self, column: Column) -> Column:
        """Return the highest value of each group, of those that are known."""

    def least(self, column: Column) -> Column:
        """Return the lowest value of each group, of those that are known."""


def watch_share(watch_s: Column, duration_s: Column, by: Algebra[Column]) -> Column:
    """Share of the duration that was watched, in [0, 1]; unknown where either number is."""
    return by.where(duration_s > 0, (watch_s / duration_s).clip(0, 1))


def weigh(events: Events[Column], config: InterestConfig, by: Algebra[Column]) -> Weighed[Column]:
    """Say what each event says.

    Args:
        events: Columns.
        config: How events weigh, on a scale (`InterestConfig.on_scale`).
        by: What the columns are.
    """
    threshold = config.rating_liked_from
    assert threshold is not None, "the scale is filled in by `on_scale`"
    share, kind = watch_share(events.watch_s, events.duration_s, by), events.kind
    viewed = by.where(
        share < config.min_watch_share,
        config.skip,
        config.view * (0.5 + 0.5 * by.known(share, 1.0)),
    )
    signal = by.where(kind == CODES["view"], viewed)
    rated = by.where(events.value < threshold, config.dislike, config.rating)
    signal = by.where(kind == CODES["rating"], rated, signal)
    explicit = kind == CODES["rating"]
    for name in _CONSTANT:
        signal = by.where(kind == CODES[name], getattr(config, name), signal)
        explicit = explicit | (kind == CODES[name]) if name in EXPLICIT else explicit
    liked = by.where(signal > 0, 1, 0)
    return Weighed(
        watch_share=share,
        signal=signal,
        kind_key=(abs(signal) * 1000).round() * 16 + kind,
        word_key=by.where(explicit, events.timestamp * 2 + liked, _UNSAID),
    )


def combine(
    weighed: Weighed[Column], timestamp: Column, by: Algebra[Column]
) -> Interactions[Column]:
    """Make one interaction of each group of events.

    Args:
        weighed: Of the events.
        timestamp: Of the events, µs.
        by: Knows the groups.
    """
    word = by.most(weighed.word_key)
    unloved = (word != _UNSAID) & (word % 2 == 0)
    highest, lowest = by.most(weighed.signal), by.least(weighed.signal)
    return Interactions(
        weight=by.where(unloved | (highest <= 0), lowest, highest),
        timestamp=by.least(timestamp),
        kind=by.most(weighed.kind_key) % 16,
        watch_share=by.most(weighed.watch_share),
    )


class Expressions:
    """Columns of a Polars query; groups are those of its `group_by`."""

    def where(
        self, condition: pl.Expr, yes: pl.Expr | float, no: pl.Expr | float | None = None
    ) -> pl.Expr:
        """See `Algebra`."""
        return pl.when(condition).then(yes).otherwise(no)

    def known(self, column: pl.Expr, otherwise: float) -> pl.Expr:
        """See `Algebra`."""
        return column.fill_null(otherwise)

    def most(self, column: pl.Expr) -> pl.Expr:
        """See `Algebra`."""
        return column.max()

    def least(self, column: pl.Expr) -> pl.Expr:
        """See `Algebra`."""
        return column.min()


@dataclass(frozen=True)
class Arrays:
    """Arrays of events.

    Attributes:
        starts: (n_groups,) where each group of rows begins; only `most` and `least` read it.
    """

    starts: NDArray[np.integer]

    def where(
        self, condition: Numbers, yes: Numbers | float, no: Numbers | float | None = None
    ) -> Numbers:
        """See `Algebra`."""
        return np.where(condition, yes, np.nan if no is None else no)

    def known(self, column: Numbers, otherwise: float) -> Numbers:
        """See `Algebra`."""
        return np.where(np.isnan(column), otherwise, column)

    def most(self, column: Numbers) -> Numbers:
        """See `Algebra`."""
        return np.asarray(np.fmax.reduceat(column, self.starts))

    def least(self, column: Numbers) -> Numbers:
        """See `Algebra`."""
        return np.asarray(np.fmin.reduceat(column, self.starts))


IN_QUERY: Final = Events(
    kind=pl.col("event").replace_strict(CODES, return_dtype=pl.Int64),
    timestamp=pl.col("timestamp").to_physical(),
    watch_s=pl.col("watch_s"),
    value=pl.col("value"),
    duration_s=pl.col("duration_s"),
)
"""Columns of the table `events` joined with the durations of videos."""


def watch_shares(
    watch_s: NDArray[np.floating], durations_s: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Share of the duration that was watched, (n,) in [0, 1]; NaN where it is unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return watch_share(watch_s, durations_s, Arrays(np.empty(0, dtype=np.intp)))


def of_one_user(
    videos: NDArray[np.integer], events: Events[Numbers], config: InterestConfig
) -> tuple[NDArray[np.integer], Interactions[Numbers]]:
    """Read what the events of one user say.

    Args:
        videos: (n,) the video of each event, n ≥ 1.
        events: (n,) arrays; impressions and searches are not among them.
        config: How events weigh, on a scale.

    Returns:
        (m,) the videos, ascending, and one interaction with each.
    """
    order = np.argsort(videos, kind="stable")
    found, starts = np.unique(videos[order], return_index=True)
    by = Arrays(starts)
    sorted_events = Events(**{name: column[order] for name, column in vars(events).items()})
    with np.errstate(divide="ignore", invalid="ignore"):  # of unknown durations
        weighed = weigh(sorted_events, config, by)
    return found, combine(weighed, sorted_events.timestamp, by)
