"""A recommender as a caller sees it: frames in, frames out, with the caller's own ids."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.errors import ConfigError, NotFittedError
from kinoloop.evaluation.evaluate import Rankable
from kinoloop.evaluation.split import Holdout
from kinoloop.library.asked import Asked, situation_asked
from kinoloop.library.dataset import Dataset
from kinoloop.library.expected import as_path, expect, id_of, whole
from kinoloop.library.known_users import FittedUsers, KnownUsers, StoredUsers
from kinoloop.library.slates import Slates, Top
from kinoloop.library.test_set import TestSet
from kinoloop.models import base as models
from kinoloop.models.base import Recommender, Report, silent

if TYPE_CHECKING:
    from kinoloop.release.release import Release

SLATES = pl.Schema(
    {"user_id": pl.String, "rank": pl.Int64, "video_id": pl.String, "score": pl.Float32}
)


class Model:
    """A recommender with the users that it knows; made by `build` or `load`.

    Args:
        recommender: Fitted or not.
        release: Where it was loaded from.
    """

    def __init__(self, recommender: Recommender, release: "Release | None" = None) -> None:
        self.recommender = recommender
        self._release = release
        self._train: Dataset | None = None
        self._users: KnownUsers | None = None
        self._slates: Slates | None = None
        if release is not None:
            self._users = StoredUsers(release)
            self._slates = Slates(recommender, release.reranking)

    def fit(
        self, train: Dataset, *, validation: TestSet | None = None, report: Report = silent
    ) -> Self:
        """Learn from a dataset.

        Args:
            train: Such as the first part of `Dataset.split`.
            validation: The second part of splitting `train` again, for early stopping where a
                recommender trains by epochs.
            report: Receives metrics per epoch.

        Returns:
            Self, fitted.

        Raises:
            ConfigError: It is not a dataset.
            DataError: A history names a video that the catalogue does not have.
        """
        expect(train, Dataset, "fit learns from what `Dataset.from_frames` makes")
        held = None
        if validation is not None:
            expect(validation, TestSet, "validation is the second part of `Dataset.split`")
            held = validation.within(train.catalogue.ids)
        self.recommender.fit(train.histories, train.catalogue, validation=held, report=report)
        self._release, self._train = None, train
        self._users = FittedUsers(train.histories)
        self._slates = Slates(self.recommender, None)
        return self

    @property
    def videos(self) -> pl.DataFrame:
        """The videos that can be recommended."""
        return self.recommender.catalogue.videos

    @property
    def trained_on(self) -> Histories | None:
        """What `fit` saw; None where the model was loaded."""
        return None if self._train is None else self._train.histories

    def as_it_answers(self, holdout: Holdout) -> Rankable:
        """Return what ranks a holdout: the recommender, with the ranker that it was loaded with."""
        reranking = None if self._release is None else self._release.reranking
        if reranking is None:
            return self.recommender
        from kinoloop.ranking.rerank import Reranked

        return Reranked.on(self.recommender, reranking.ranker, holdout)

    def recommend(
        self,
        users: Any,  # noqa: ANN401 (ids or histories)
        k: int = 10,
        *,
        exclude_seen: bool = True,
        exclude: Collection[str | int] = (),
        where: pl.Expr | None = None,
        situation: Mapping[str, Any] | None = None,
    ) -> pl.DataFrame:
        """Recommend the best videos for each user.

        Args:
            users: User ids; or histories, lists of video ids with the oldest first (`[]` is
                somebody new), plain or by name. Of a user the newest 200 videos are read.
            k: How many at most.
            exclude_seen: Leave out every video that the user has met.
            exclude: Ids of videos that must not appear.
            where: Which videos may, such as `pl.col("category") == "Comedy"`, over `videos`.
            situation: `surface`, `device` and `context` of the moment, as in a request, for a
                model with a ranker that has learned from them; others pass it over.

        Returns:
            `user_id` (the name, or the position of a history), `rank` from 1, `video_id`, `score`.

        Raises:
            NotFittedError: Neither `fit` nor `load` came first.
            DataError: A user or a video is unknown.
            ConfigError: `k` is not a number from 1 up, or `where` or `exclude` is no filter of
                videos, or `situation` is none.
        """
        expect(exclude_seen, bool, "exclude_seen is true or false")
        asked = Asked.of(users, self._known, self.recommender.catalogue.ids)
        allowed = self._allowed(exclude, where)
        hidden = asked.seen if exclude_seen else [row[:0] for row in asked.seen]
        most, known = whole(k, "k", least=1), situation_asked(situation or {})
        tops = self._fitted_slates.of(asked.histories, hidden, allowed, k=most, situation=known)
        return _frame(asked.names, tops, self.videos["video_id"])

    def similar(
        self,
        video_id: str | int,
        k: int = 10,
        *,
        exclude: Collection[str | int] = (),
        where: pl.Expr | None = None,
    ) -> pl.DataFrame:
        """Find the videos that this recommender holds most like one; fewer where it knows no more.

        Args:
            video_id: The video.
            k: How many at most.
            exclude: As in `recommend`.
            where: As in `recommend`.

        Returns:
            `rank` from 1, `video_id`, `score`.

        Raises:
            NotFittedError, DataError, ConfigError: As `recommend`.
        """
        slates = self._fitted_slates
        video = int(self.recommender.catalogue.ids.require([id_of(video_id)])[0])
        top = slates.similar(video, self._allowed(exclude, where), k=whole(k, "k", least=1))
        return _frame([""], [top], self.videos["video_id"]).drop("user_id")

    def save(self, folder: str | Path) -> None:
        """Write a release bundle: what the service opens, with digests and without pickle.

        The ids of the users and what they did are in it, so keep it where the data may be.

        Args:
            folder: Must not exist.

        Raises:
            NotFittedError: Neither `fit` nor `load` came first.
            BundleError: The folder exists, or cannot be written.
            ConfigError: It is no path.
        """
        from kinoloop.library.saving import copy_folder, save_fitted  # scikit-learn, for its index

        if self._release is not None:
            copy_folder(self._release, as_path(folder, "save"))
        elif self._train is not None:
            save_fitted(self.recommender, self._train, as_path(folder, "save"))
        else:
            raise self._not_fitted()

    @property
    def _known(self) -> KnownUsers:
        if self._users is None:
            raise self._not_fitted()
        return self._users

    @property
    def _fitted_slates(self) -> Slates:
        if self._slates is None:
            raise self._not_fitted()
        return self._slates

    def _not_fitted(self) -> NotFittedError:
        return NotFittedError(f"{self.recommender.config.kind} is not fitted: call fit() first")

    def _allowed(self, exclude: Collection[str | int], where: pl.Expr | None) -> NDArray[np.bool_]:
        catalogue = self.recommender.catalogue
        allowed = np.ones(len(catalogue), dtype=np.bool_)
        if where is not None:
            allowed = _mask(catalogue.videos, where)
        several = [exclude] if isinstance(exclude, str | int) else exclude
        expect(several, Iterable, "exclude takes ids of videos")
        left_out = [id_of(video) for video in several]
        allowed[catalogue.ids.require(left_out)] = False
        return allowed

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> str | tuple[Any, ...]:
        """Copy and pickle a loaded model as the folder that it is opened from."""
        if self._release is None:
            return super().__reduce_ex__(protocol)
        return load, (self._release.directory.resolve(),)

    def __repr__(self) -> str:
        kind = self.recommender.config.kind
        if self._users is None:
            return f"Model({kind}, not fitted)"
        return f"Model({kind}, {len(self._users):,} users, {len(self.videos):,} videos)"


def build(kind: str, *, seed: int = 0, **settings: Any) -> Model:  # noqa: ANN401 (of any kind)
    """Build an unfitted model.

    Args:
        kind: Such as `ease`, `item_knn` or `sequence`; an unknown one is answered with all.
        seed: Of everything random.
        settings: That differ from the defaults, such as `regularization=100`.

    Raises:
        ConfigError: No recommender is called that, or a setting or the seed is wrong.
    """
    return Model(models.build({"kind": kind, **settings}, seed=seed))


def load(folder: str | Path) -> Model:
    """Open what `Model.save` wrote, or a release of the platform; every byte is checked first.

    Users of a release of the platform are pseudonyms. Whose signature a release carries is not
    asked here: the service does that.

    Raises:
        BundleError: It is none, or is damaged.
        ConfigError: It is no path.
    """
    from kinoloop.release.release import Release  # scikit-learn, for its index

    release = Release.open(as_path(folder, "load"))
    return Model(release.recommender, release)


def _mask(videos: pl.DataFrame, where: pl.Expr) -> NDArray[np.bool_]:
    if not isinstance(where, pl.Expr | pl.Series):
        raise ConfigError(
            f"where is {where!r}, expected an expression of Polars such as "
            "pl.col('category') == 'Comedy'; the videos have the columns "
            f"{', '.join(videos.columns)}"
        )
    try:
        found = videos.select(where.alias("where")).to_series()
    except Exception as err:  # a function in it may raise anything
        raise ConfigError(
            f"where: {err}; the videos have the columns {', '.join(videos.columns)}"
        ) from err
    if found.dtype != pl.Boolean or len(found) != len(videos):
        raise ConfigError(
            f"where gives {len(found)} of {found.dtype}, expected true or false for each of "
            f"{len(videos)} videos"
        )
    return np.array(found.fill_null(value=False))


def _frame(names: Sequence[str], tops: Sequence[Top], video_ids: pl.Series) -> pl.DataFrame:
    """Slates below each other."""
    lengths = [len(videos) for videos, _ in tops]
    flat = np.concatenate([np.empty(0, dtype=np.int64), *(videos for videos, _ in tops)])
    scores = np.concatenate([np.empty(0, dtype=np.float32), *(scores for _, scores in tops)])
    ranks = np.concatenate([np.empty(0, dtype=np.int64), *map(np.arange, lengths)]) + 1
    columns = {
        "user_id": pl.Series(names, dtype=pl.String).gather(np.repeat(range(len(names)), lengths)),
        "rank": ranks,
        "video_id": video_ids.gather(flat),
        "score": scores,
    }
    return pl.DataFrame(columns, schema=SLATES)
