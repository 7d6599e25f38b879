"""What was shown with a known chance, place by place, and what came of it.

Off-policy estimates read it. A place is an impression that names its answer, its position and its
propensity. What followed it is every later event of the same person, answer and video; one that
names no answer belongs to the newest place where its user was shown the video within a day before.
Answers to a search or to "similar" are left out: nothing was chosen for a person there.
"""

import logging
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.checksums import check
from kinoloop.data.evidence import evidence
from kinoloop.data.exposures import NO_EXPOSURE, OTHER_ANSWERS, Exposures
from kinoloop.data.ids import IdMap
from kinoloop.data.situations import COLUMNS, Situation, logged_situation
from kinoloop.data.tables import Tables
from kinoloop.schema import EVENT_KINDS, NARROWED

logger = logging.getLogger(__name__)

_PLACE = ("request_id", "video_id")
_FACTS = (*COLUMNS, "policy", "arm")


@dataclass(frozen=True)
class Logged:
    """Rows are places, answer by answer, oldest first; each answer from its first place on.

    Attributes:
        exposures: (n,) rows; `videos` is −1 where the catalogue does not have the video.
        answers: (n,) int64, which answer a place belongs to, from 0.
        places: (n,) int64, from 0.
        propensities: (n,) float64.
        drawn: (n,) bool, whether the place was left to chance and a video drawn for it.
        policies: (n_answers,) names: the policy, with the arm of an experiment.
        narrowed: (n_answers,) bool, whether the request asked for less than anything: filters,
            exclusions, further pages, a history of its own.
    """

    exposures: Exposures
    answers: NDArray[np.int64]
    places: NDArray[np.int64]
    propensities: NDArray[np.float64]
    drawn: NDArray[np.bool_]
    policies: NDArray[np.str_]
    narrowed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.policies)

    @property
    def firsts(self) -> NDArray[np.int64]:
        """(n_answers,) row of the first place of each answer."""
        return np.searchsorted(self.answers, np.arange(len(self)))

    @property
    def users(self) -> NDArray[np.int32]:
        """(n_answers,) index into `exposures.user_ids`."""
        return self.exposures.users[self.firsts]

    @property
    def moments(self) -> NDArray[np.int64]:
        """(n_answers,) µs since the epoch."""
        return self.exposures.timestamps[self.firsts]

    @property
    def situations(self) -> list[Situation]:
        """In which situation each answer was given."""
        facts = self.exposures.facts
        return [facts[code] for code in self.exposures.situations[self.firsts].tolist()]

    def select(self, kept: NDArray[np.bool_] | NDArray[np.integer]) -> "Logged":
        """Keep some answers, in their order."""
        marks = np.zeros(len(self), dtype=np.bool_)
        marks[kept] = True
        rows = marks[self.answers]
        numbers = np.cumsum(marks) - 1
        return replace(
            self,
            exposures=self.exposures.select(rows),
            answers=numbers[self.answers[rows]],
            places=self.places[rows],
            propensities=self.propensities[rows],
            drawn=self.drawn[rows],
            policies=self.policies[marks],
            narrowed=self.narrowed[marks],
        )


def load_logged(tables: Tables, ids: IdMap, *, since: int = 0) -> Logged:
    """Read all places that were shown with a known chance.

    Args:
        tables: Table `events` is read, streamed.
        ids: External ids of the catalogue.
        since: Older events are not read, µs since the epoch.

    Raises:
        DataError: A file of the table is damaged.
    """
    check(tables, ("events",))
    recent = pl.col("timestamp") >= pl.lit(since).cast(pl.Datetime("us", "UTC"))
    events = evidence(tables).filter(recent, ~pl.col("event").is_in(NO_EXPOSURE))
    shown = events.filter(
        pl.col("event") == "impression",
        pl.col("propensity").is_between(0, 1, closed="right"),
        pl.all_horizontal(pl.col("user_id", "video_id", "request_id", "position").is_not_null()),
        ~pl.col("surface").fill_null("").is_in(OTHER_ANSWERS),
    )
    wanted = ("user_id", "timestamp", "position", "propensity", "rules", *_PLACE, *_FACTS)
    places = shown.select(wanted).collect(engine="streaming")
    places = places.sort("timestamp", "request_id", "position", "video_id")
    places = places.unique(("request_id", "position"), keep="first", maintain_order=True)
    followed = _followed(events, places)
    frame = places.join(followed, on=_PLACE, how="left", maintain_order="left")
    started = frame.group_by("request_id", maintain_order=True).agg(pl.col("timestamp").min())
    order = started.sort("timestamp", "request_id").with_row_index("answer").drop("timestamp")
    frame = frame.join(order, on="request_id").sort("answer", "position")
    logger.info("%d places of %d answers were shown with a known chance", len(frame), len(order))
    return _as_arrays(frame, ids)


def _followed(events: pl.LazyFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Collect what came of each place: kinds as bits, the longest view, the last rating."""
    seen = places.lazy().select("video_id").unique()
    others = events.filter(pl.col("event") != "impression").join(seen, on="video_id", how="semi")
    columns = ("user_id", "timestamp", "event", "watch_s", "value", *_PLACE)
    later = others.select(columns).collect(engine="streaming").sort("timestamp")
    showings = places.group_by("user_id", *_PLACE).agg(pl.col("timestamp").min().alias("shown_at"))
    by_answer = (
        later.filter(pl.col("request_id").is_not_null())
        .join(showings, on=["user_id", *_PLACE], maintain_order="left")
        .filter(pl.col("timestamp") >= pl.col("shown_at"))
        .drop("user_id", "shown_at")
    )
    by_user = later.filter(pl.col("request_id").is_null()).drop("request_id").join_asof(
        places.select("user_id", "timestamp", *_PLACE).sort("timestamp"),
        on="timestamp", by=["user_id", "video_id"], strategy="backward", tolerance="1d",
        check_sortedness=False,
    )  # fmt: skip
    same = by_user.drop_nulls("request_id").select(by_answer.columns)
    kind = pl.col("event").replace_strict(
        EVENT_KINDS, range(len(EVENT_KINDS)), return_dtype=pl.Int64
    )
    return (
        pl.concat([by_answer, same])
        .sort("timestamp", maintain_order=True)
        .group_by(_PLACE)
        .agg(
            pl.lit(2, pl.Int64).pow(kind.unique()).sum().cast(pl.Int64).alias("kinds"),
            pl.col("watch_s").max().cast(pl.Float32),
            pl.col("value").filter(pl.col("event") == "rating").last().alias("rating"),
        )
    )


def _as_arrays(frame: pl.DataFrame, ids: IdMap) -> Logged:
    names = tuple(frame["user_id"].unique().sort())
    at = {name: code for code, name in enumerate(names)}
    different = frame.select(COLUMNS).unique().sort(COLUMNS)
    numbered = different.with_row_index("situation")
    coded = frame.join(numbered, on=COLUMNS, how="left", nulls_equal=True, maintain_order="left")
    impression = 1 << EVENT_KINDS.index("impression")
    exposures = Exposures(
        users=np.array([at[name] for name in frame["user_id"]], dtype=np.int32),
        videos=ids.indices(frame["video_id"].to_list()).astype(np.int32),
        timestamps=frame["timestamp"].to_physical().to_numpy().astype(np.int64),
        shown=np.ones(len(frame), dtype=np.bool_),
        kinds=frame["kinds"].fill_null(0).to_numpy() | impression,
        watch_s=frame["watch_s"].fill_null(float("nan")).to_numpy(),
        ratings=frame["rating"].cast(pl.Float32).fill_null(float("nan")).to_numpy(),
        situations=coded["situation"].to_numpy().astype(np.int32),
        user_ids=names,
        facts=tuple(logged_situation(*row) for row in different.iter_rows()),
    )
    # before rules were recorded, a drawn place was known by its small chance alone
    told = pl.col("rules").str.split(",").list.contains("explore")
    drawn = frame.select(told.fill_null(pl.col("propensity") < 0.5)).to_series()
    first = frame.group_by("answer", maintain_order=True).first()
    narrowed = first["policy"].fill_null("").str.ends_with(NARROWED)
    policy = pl.col("policy").fill_null("unknown").str.strip_suffix(NARROWED)
    named = pl.when(pl.col("arm").is_null()).then(policy)
    policies = first.select(named.otherwise(pl.format("{} (arm {})", policy, "arm"))).to_series()
    return Logged(
        exposures,
        frame["answer"].to_numpy().astype(np.int64),
        frame["position"].to_numpy().astype(np.int64),
        frame["propensity"].to_numpy(),
        drawn.to_numpy().astype(np.bool_),
        policies.to_numpy().astype(np.str_),
        narrowed.to_numpy().astype(np.bool_),
    )
