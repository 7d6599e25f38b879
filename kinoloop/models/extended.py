"""A recommender over a catalogue that has grown since it was trained.

The trained recommender stays as it is and knows its own videos, which are the first ones of the
grown catalogue. Of the others it says what their anchors (`anchors.py`) tell. This works for every
recommender; one that scores content itself says so by a better `_extend`.
"""

import copy
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories
from kinoloop.errors import DataError, NotFittedError
from kinoloop.models.anchors import Anchors, find_anchors
from kinoloop.models.base import Recommender, State
from kinoloop.models.vector_query import VectorQuery, VideoVectors

if TYPE_CHECKING:
    from kinoloop.models.base import Report
    from kinoloop.models.validation import Validation


Kind = TypeVar("Kind", bound=Recommender)


class Extended(Recommender):
    """Scores trained videos as the trained recommender does, and new ones by their anchors.

    Args:
        base: As it was trained.
        catalogue: Its videos first, then new ones.
        extension: What `anchors_of` gave.
    """

    def __init__(self, base: Recommender, catalogue: Catalogue, extension: State) -> None:
        super().__init__(base.config, seed=base.seed)
        self.trained, self.extension = base, extension
        self._base = base
        self._anchors = Anchors.from_state(extension)
        self._catalogue = catalogue
        self._prior = self._anchors.prior(base.prior)

    def at_popularity(self, prior: NDArray[np.float32]) -> Self:
        """Return the same with another popularity; its base has it as well."""
        other = super().at_popularity(prior)
        other._base = self._base.at_popularity(prior[: len(self._base.prior)])
        return other

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        folded = self._anchors.folded(histories, len(self._base.prior))
        return self._anchors.appended(self._base.score(folded))

    def video_vectors(self) -> VideoVectors | None:
        """Return those of the trained recommender, and of new videos what their anchors tell.

        A further column says how much of the mean a new video has, since what is added for some
        videos alone moves the mean as well.
        """
        base, anchors = self._base.video_vectors(), self._anchors
        if base is None:
            return None
        both = np.column_stack([base.vectors, base.standing])
        mean, known = both.mean(axis=0, dtype=np.float64).astype(np.float32), anchors.trust > 0
        unlike = np.where(known, 1 - anchors.trust, np.float32(0))[:, None]
        new = unlike * mean + anchors.trust[:, None] * anchors.rows(both)
        rows = np.vstack([both, new])
        of_mean = np.zeros((len(rows), 1), dtype=np.float32)
        of_mean[len(both) :] = unlike
        return VideoVectors(np.hstack([rows[:, :-1], of_mean]), np.ascontiguousarray(rows[:, -1]))

    def vector_query(self, history: Histories) -> VectorQuery | None:
        """Ask as the trained recommender does; None where of the history it knows nothing."""
        n_trained = len(self._base.prior)
        folded = self._anchors.folded(history, n_trained)
        asked = self._base.vector_query(folded) if len(folded.videos) else None
        if asked is None:
            return None
        of_mean = np.float32(asked.more.sum() / max(1, n_trained))
        videos, more = self._anchors.told(asked.videos, asked.more, n_trained)
        return VectorQuery(
            np.append(asked.vector, of_mean),
            np.concatenate([asked.videos, videos]),
            np.concatenate([asked.more, more]),
        )

    def _similarity(
        self, liked: NDArray[np.int32], videos: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """As the trained recommender has it; a new video by its nearest trained one."""
        n_trained = len(self._base.prior)
        nearest = np.concatenate([np.arange(n_trained), self._anchors.videos[:, 0]])
        trust = np.concatenate([np.ones(n_trained, np.float32), self._anchors.trust])
        asked, where = np.unique(nearest[videos], return_inverse=True)
        found = self._base._similarity(nearest[liked].astype(np.int32), asked)[where]
        return np.asarray(found * trust[videos][:, None] * trust[liked], dtype=np.float32)

    def _fit(self, histories: Histories, validation: "Validation | None", report: "Report") -> None:  # noqa: ARG002 (refused)
        raise NotFittedError(
            f"{self.config.kind} was extended to videos it was not trained on: fit a fresh one"
        )

    def _state(self) -> State:
        return self._base._state()

    def _restore(self, state: State) -> None:
        self._base._restore(state)


def anchors_of(
    trained: Recommender, catalogue: Catalogue, before: State, changed: NDArray[np.integer]
) -> State:
    """Find the anchors of all videos that are not trained on; those known before stay.

    Beside them stands `changed`: which trained videos have other content than in training.

    Args:
        trained: As it was trained.
        catalogue: Its videos first, then new ones.
        before: Anchors of the first of the new ones, as an earlier extension has them; may be
            empty.
        changed: Positions whose content is another one since.
    """
    n_trained, n_videos = len(trained.prior), len(catalogue)
    known = len(before["anchor_trust"]) if "anchor_trust" in before else 0
    new = np.arange(n_trained + known, n_videos)
    again = np.asarray(changed)[(changed >= n_trained) & (changed < n_trained + known)]
    asked = np.concatenate([again, new]).astype(np.int64)
    watched = trained.prior > 0
    eligible = watched if watched.any() else ~watched
    found = find_anchors(catalogue, asked, eligible=eligible).state()
    trained_on = np.asarray(changed, dtype=np.int64)[changed < n_trained]
    since = before.get("changed", np.empty(0, dtype=np.int64))
    made: dict[str, NDArray[Any]] = {"changed": np.union1d(since, trained_on)}
    if not known:
        return {**made, **found}
    for name, values in found.items():
        both = np.concatenate([before[name], values[len(again) :]])
        both[again - n_trained] = values[: len(again)]
        made[name] = both
    return made


def over(trained: Kind, catalogue: Catalogue, extension: State) -> Kind:
    """Copy a recommender for a grown catalogue; what it scores with is still to be extended."""
    grown = copy.copy(trained)
    grown._catalogue = catalogue
    grown._prior = Anchors.from_state(extension).prior(trained.prior)
    grown.trained, grown.extension = trained, extension
    return grown


def read_anew(extension: State, catalogue: Catalogue) -> NDArray[np.intp]:
    """Positions whose content a model has not seen: changed ones, then new ones, ascending."""
    n_new = len(extension["anchor_trust"])
    new = np.arange(len(catalogue) - n_new, len(catalogue))
    return np.concatenate([extension["changed"], new]).astype(np.intp)


def check_grown(trained: Catalogue, catalogue: Catalogue) -> None:
    """Refuse a catalogue in which trained videos have lost their places.

    Raises:
        DataError: Names the first one.
    """
    known, now = trained.ids.ids, catalogue.ids.ids
    if now[: len(known)] == known:
        return
    pairs = zip(known, [*now, *[None] * len(known)], strict=False)
    at = next(i for i, (old, new) in enumerate(pairs) if old != new)
    raise DataError(
        f"the catalogue has {now[at] if at < len(now) else 'nothing'!r} at place {at}, expected "
        f"{known[at]!r}: videos that were trained on keep their places, new ones come after them "
        "(`Catalogue.grown` makes such a catalogue)"
    )
