"""What a caller brings: videos, and what users did with them."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import polars as pl
from pydantic import ValidationError

from kinoloop.data.catalogue import SHOWN, Catalogue, load_catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.ids import IdMap
from kinoloop.data.interactions import histories_of, load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.rating_scale import found_in
from kinoloop.data.tables import Tables
from kinoloop.errors import ConfigError, DataError
from kinoloop.evaluation.split import last_out, temporal_holdout
from kinoloop.library.expected import as_path
from kinoloop.library.frames import to_polars
from kinoloop.library.rows import REFUSED, Errors, RowCheck
from kinoloop.library.test_set import TestSet
from kinoloop.library.vectors import modalities_of
from kinoloop.schema import TIME, VIDEOS
from kinoloop.settings import fault_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHUNK_ROWS = 500_000  # events that are judged at a time


@dataclass(frozen=True, repr=False)
class Dataset:
    """Videos and histories, ready for `fit`; made by `from_frames`, `from_tables` or `load_…`.

    Attributes:
        catalogue: The videos, in internal order.
        histories: One row per user who showed interest or dislike, oldest first.
        interest: How events were weighed; the threshold of ratings is filled in.
        quarantine: Rows that were set aside: `kind`, `row` (from 0), `column`, `reason`, `value`.
    """

    catalogue: Catalogue
    histories: Histories
    interest: InterestConfig
    quarantine: pl.DataFrame

    @classmethod
    def from_frames(
        cls,
        events: Any,  # noqa: ANN401 (any frame library)
        videos: Any | None = None,  # noqa: ANN401 (any frame library)
        *,
        features: Mapping[str, Any] | None = None,
        interest: Mapping[str, Any] | None = None,
        errors: Errors = "raise",
    ) -> Self:
        """Read frames of Polars (eager or lazy), pandas or Arrow.

        Args:
            events: `user_id`, `video_id`, `timestamp`, and where known `event`, `watch_s`, `value`
                (see docs/guides/your-data.md). Without `event`, rows with a column `value` are
                ratings and all others views. Ids may be text or whole numbers; they become text.
            videos: `video_id`, and where known `title`, `description`, `tags`, `category`,
                `published_at`, `duration_s` and others; None: the videos that events name.
            features: Vectors of your own encoders by modality (`text`, `visual`, `audio`): frames
                with `video_id` and `vector`.
            interest: Settings of section `[interest]` that differ from their defaults.
            errors: What happens to a row that does not fit: `raise` names it, `quarantine` leaves
                it out and lists it in `quarantine`.

        Raises:
            DataError: A frame lacks a column, or a row or vector does not fit; names column, row
                and value.
            ConfigError: A setting is wrong.
        """
        check, rows = RowCheck(errors), to_polars(events, what="events")
        known = None if videos is None else check.videos(to_polars(videos, what="videos"))
        good = check.events(rows.iter_slices(CHUNK_ROWS), known)
        return cls._of(
            good,
            known,
            check.refused,
            features={} if features is None else features,
            interest=interest,
        )

    @classmethod
    def _of(
        cls,
        events: pl.DataFrame,
        videos: pl.DataFrame | None,
        refused: pl.DataFrame,
        *,
        features: Mapping[str, Any],
        interest: Mapping[str, Any] | None,
    ) -> Self:
        """From rows that were checked."""
        try:
            config = InterestConfig.model_validate(interest or {})
        except ValidationError as err:
            raise ConfigError(f"interest: {fault_of(err, InterestConfig)}") from err
        if videos is None:
            videos = events.select("video_id").drop_nulls().unique()
        catalogue = _catalogue(videos, features)
        config = config.on_scale(found_in(events.lazy()))
        durations = catalogue.videos.lazy().select("video_id", "duration_s")
        histories = histories_of(events.lazy(), durations, catalogue.ids, config)
        if not len(histories):
            raise DataError(_why_empty(events, refused))
        return cls(catalogue, histories, config, refused)

    @classmethod
    def from_tables(cls, folder: str | Path) -> Self:
        """Read the tables that `kinoloop ingest` writes; users are pseudonyms there.

        Args:
            folder: Such as `data`.

        Raises:
            DataError: There are no events, or a file is damaged.
        """
        tables, config = Tables(as_path(folder, "from_tables")), InterestConfig()
        catalogue = load_catalogue(tables)
        histories = load_histories(tables, catalogue.ids, config)
        if not len(histories):
            raise DataError(f"{folder} has no table of events; run `kinoloop ingest`, or check it")
        config = config.on_scale(found_in(tables.scan("events")))
        return cls(catalogue, histories, config, REFUSED.to_frame(eager=True))

    @property
    def users(self) -> tuple[str, ...]:
        """Ids of the users who have a history, sorted."""
        return self.histories.user_ids

    @property
    def videos(self) -> pl.DataFrame:
        """One row per video."""
        return self.catalogue.videos

    @property
    def interactions(self) -> pl.DataFrame:
        """One row per user and video: `user_id`, `video_id`, `timestamp`, `weight` (> 0 liked)."""
        histories = self.histories
        users = pl.Series("user_id", self.users, pl.String)
        return pl.DataFrame(
            {
                "user_id": users.gather(histories.row_of),
                "video_id": self.videos["video_id"].gather(histories.videos),
                "timestamp": pl.Series(histories.timestamps).cast(TIME),
                "weight": histories.weights,
            }
        )

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Times of the oldest and the newest interaction."""
        times = self.histories.timestamps
        oldest, newest = (timedelta(microseconds=int(t)) for t in (times.min(), times.max()))
        return _EPOCH + oldest, _EPOCH + newest

    def split(
        self,
        how: Literal["temporal", "leave_one_out"] = "temporal",
        *,
        test_days: float | None = None,
    ) -> tuple["Dataset", TestSet]:
        """Cut into what may be learned from and what must be found; cut again for validation.

        Args:
            how: `temporal` is one cut in time for everybody, the honest one; `leave_one_out` holds
                out the last video of each user, to compare with papers.
            test_days: Days on which something happened that are held out; temporal only, and 4
                there unless told.

        Returns:
            What is known before, and what came next.

        Raises:
            ConfigError: There is no such split, or `test_days` is no positive number, or
                belongs to another one.
            DataError: A part would be empty.
        """
        if how == "temporal":
            train, holdout = temporal_holdout(
                self.histories, days=_days(4.0 if test_days is None else test_days)
            )
        elif how == "leave_one_out" and test_days is not None:
            raise ConfigError(
                f"test_days is {test_days!r}, but leave_one_out holds out a video per user, not "
                "days; leave test_days away, or split 'temporal'"
            )
        elif how == "leave_one_out":
            train, holdout = last_out(self.histories)
        else:
            raise ConfigError(f"split: got {how!r}, expected 'temporal' or 'leave_one_out'")
        return self.with_histories(train), TestSet(self.catalogue, holdout)

    def with_histories(self, histories: Histories) -> "Dataset":
        """Return the same videos with other histories."""
        return Dataset(self.catalogue, histories, self.interest, self.quarantine)

    def __repr__(self) -> str:
        oldest, newest = self.span
        return (
            f"Dataset({len(self.users):,} users, {len(self.catalogue):,} videos, "
            f"{len(self.histories.videos):,} interactions, {oldest:%Y-%m-%d} to {newest:%Y-%m-%d})"
        )


def _days(test_days: object) -> float:
    days = test_days.item() if isinstance(test_days, np.generic) else test_days
    if isinstance(days, int | float) and not isinstance(days, bool) and days > 0:
        with suppress(OverflowError):
            return float(days)
    raise ConfigError(f"test_days is {test_days!r}, expected a number over 0")


def read_chunks(
    events: Iterable[pl.DataFrame],
    videos: pl.DataFrame,
    *,
    interest: Mapping[str, Any] | None,
    errors: Errors,
) -> Dataset:
    """`Dataset.from_frames` for events that come in pieces."""
    check = RowCheck(errors)
    known = check.videos(videos)
    good = check.events(events, known)
    return Dataset._of(good, known, check.refused, features={}, interest=interest)


def _why_empty(events: pl.DataFrame, refused: pl.DataFrame) -> str:
    """Say why nothing can be learned."""
    aside = refused.filter(kind="events")
    if not events.height and not aside.height:
        return "events: the frame has no rows; bring views, ratings or likes"
    if not events.height:
        first = aside.row(0, named=True)
        return (
            f"events: each of {aside.height} rows was set aside; row {first['row']}, column "
            f"{first['column']!r}: {first['reason']}, got {first['value']}"
        )
    return (
        f"none of {events.height} events shows interest in a video: impressions and searches "
        "alone teach nothing; bring views, ratings or likes"
    )


def _catalogue(videos: pl.DataFrame, features: Mapping[str, Any]) -> Catalogue:
    """Oldest first, as `load_catalogue` orders them."""
    absent = [
        pl.lit(None, VIDEOS[name]).alias(name) for name in SHOWN if name not in videos.columns
    ]
    moments = pl.col("published_at").cast(pl.Int64).fill_null(0)
    shown = videos.with_columns(absent).select(SHOWN).sort(moments, "video_id")
    ids = IdMap(shown["video_id"])
    published_at = shown.select(moments).to_series().to_numpy()
    return Catalogue(ids, np.asarray(published_at), shown, modalities_of(features, ids))
