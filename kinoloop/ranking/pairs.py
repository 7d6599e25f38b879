"""Who is asked about which video: contexts (a history at a moment) and the pairs to rank."""

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.exposures import Exposures
from kinoloop.data.histories import Histories
from kinoloop.ranking.vocabulary import UNKNOWN, Vocabulary
from kinoloop.ranking.written import FOUND_BY, Lately, lately

NO_VOCABULARY = Vocabulary({})


@dataclass(frozen=True)
class Pairs:
    """Pairs of a context and a video; several pairs may share a context.

    Attributes:
        videos: (n,) int32, the video that is asked about.
        contexts: (n,) int64, row of the arrays below.
        history: (n_contexts, length) int32, newest first, padded with 0.
        interest: (n_contexts, length) float32, > 0 liked, < 0 disliked; 0 is padding.
        shares: (n_contexts, length) float32 watched shares; NaN where unknown or padding.
        lengths: (n_contexts,) int64, of the whole history, not only of what is kept.
        moments: (n_contexts,) int64, µs since the epoch, UTC.
        situations: (n_contexts, n_columns) int16, codes of the vocabulary of a ranker; −1 where
            unknown.
        users: (n_contexts,) int64, equal where the user is the same.
        wrote: By context, what was written lately.
    """

    videos: NDArray[np.int32]
    contexts: NDArray[np.int64]
    history: NDArray[np.int32]
    interest: NDArray[np.float32]
    shares: NDArray[np.float32]
    lengths: NDArray[np.int64]
    moments: NDArray[np.int64]
    situations: NDArray[np.int16]
    users: NDArray[np.int64]
    wrote: Lately

    def __len__(self) -> int:
        return len(self.videos)

    @cached_property
    def videos_RK(self) -> NDArray[np.int32]:  # noqa: N802 (its shape)
        """Videos of each context, (n_contexts, k); of aligned pairs."""
        rows = len(self.history)
        return self.videos.reshape(rows, len(self) // max(rows, 1))

    def aligned(self) -> "Pairs":
        """Return the same pairs with as many of each context, one context after the other."""
        rows = len(self.history)
        each = len(self) // max(rows, 1)
        if rows * each == len(self) and (
            rows == 1 or np.array_equal(self.contexts, np.repeat(np.arange(rows), each))
        ):
            return self
        rest = {
            f.name: getattr(self, f.name)[self.contexts]
            for f in fields(self)
            if f.name not in {"videos", "contexts"}
        }
        return Pairs(videos=self.videos, contexts=np.arange(len(self)), **rest)

    def anywhere(self) -> "Pairs":
        """Return the same pairs in a situation of which nothing is known."""
        return replace(self, situations=np.full_like(self.situations, UNKNOWN))

    def select(self, picked: NDArray[np.integer] | slice) -> "Pairs":
        """Keep some pairs; contexts that nobody needs any more leave too."""
        videos, at = self.videos[picked], self.contexts[picked]
        used, contexts = np.unique(at, return_inverse=True)
        rest = {
            f.name: getattr(self, f.name)[used]
            for f in fields(self)
            if f.name not in {"videos", "contexts"}
        }
        return Pairs(videos=videos, contexts=contexts.astype(np.int64), **rest)


@dataclass(frozen=True)
class _Known:
    """What was known of a user in each context.

    Attributes:
        histories: What users did.
        starts: (n_contexts,) int64, where the user's events begin.
        stops: (n_contexts,) int64, where those end that came before the context.
        wrote: What was written lately.
    """

    histories: Histories
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    wrote: Lately


def exposed_pairs(
    exposures: Exposures, histories: Histories, *, length: int, vocabulary: Vocabulary | None = None
) -> Pairs:
    """One context an exposure: what its user had done before it began.

    Args:
        exposures: What was shown.
        histories: What users did; rows are found by pseudonym.
        length: Newest videos kept.
        vocabulary: Of situations; None knows none.
    """
    row_of_user = {user: row for row, user in enumerate(histories.user_ids)}
    rows = np.array([row_of_user.get(user, -1) for user in exposures.user_ids], dtype=np.int64)
    stops = np.zeros(len(exposures), dtype=np.int64)
    starts = np.zeros(len(exposures), dtype=np.int64)
    order = np.argsort(exposures.users, kind="stable")
    bounds = np.searchsorted(exposures.users[order], np.arange(len(exposures.user_ids) + 1))
    for user, row in enumerate(rows.tolist()):
        here = order[bounds[user] : bounds[user + 1]]
        if row < 0 or not len(here):
            continue
        span = histories.row(row)
        before = np.searchsorted(histories.timestamps[span], exposures.timestamps[here])
        starts[here], stops[here] = span.start, span.start + before
    codes = (vocabulary or NO_VOCABULARY).codes(exposures.facts)
    by_search = np.array([fact.get("surface") == FOUND_BY for fact in exposures.facts])
    searched = by_search[exposures.situations]
    wrote = lately(histories.written, rows[exposures.users], exposures.timestamps, found=searched)
    return _pairs(
        (exposures.videos, np.arange(len(exposures))),
        _Known(histories, starts, stops, wrote),
        length=length,
        moments=exposures.timestamps,
        who=(codes[exposures.situations], exposures.users.astype(np.int64)),
    )


def candidate_pairs(
    histories: Histories,
    candidates: NDArray[np.integer],
    *,
    length: int,
    moments: NDArray[np.int64],
    situations: NDArray[np.int16] | None = None,
) -> Pairs:
    """Pair each history with some candidates.

    Args:
        histories: Rows to rank for.
        candidates: (n_rows, k) internal indices.
        length: Newest videos kept.
        moments: (n_rows,) µs since the epoch: when the answer is given.
        situations: (n_rows, n_columns) codes of a vocabulary; None: nothing is known.

    Returns:
        Pairs row by row, (n_rows · k).
    """
    rows, k = candidates.shape
    length = min(length, int(histories.lengths.max(initial=0)) + 1)  # no more padding than shows
    codes = np.empty((rows, 0), dtype=np.int16) if situations is None else situations
    wrote = lately(histories.written, np.arange(rows), moments)
    return _pairs(
        (candidates.ravel(), np.repeat(np.arange(rows), k)),
        _Known(histories, histories.offsets[:-1], histories.offsets[1:], wrote),
        length=length,
        moments=moments,
        who=(codes, np.arange(rows)),
    )


def _pairs(
    asked: tuple[NDArray[np.integer], NDArray[np.integer]],
    known: _Known,
    *,
    length: int,
    moments: NDArray[np.int64],
    who: tuple[NDArray[np.int16], NDArray[np.int64]],
) -> Pairs:
    histories, starts, stops = known.histories, known.starts, known.stops
    at = stops[:, None] - 1 - np.arange(length)
    real = at >= starts[:, None]
    at = np.where(real, at, 0)
    if not len(histories.videos):
        return Pairs(
            videos=asked[0].astype(np.int32),
            contexts=asked[1].astype(np.int64),
            history=np.zeros(at.shape, dtype=np.int32),
            interest=np.zeros(at.shape, dtype=np.float32),
            shares=np.full(at.shape, np.nan, dtype=np.float32),
            lengths=np.zeros(len(at), dtype=np.int64),
            moments=moments,
            situations=who[0],
            users=who[1],
            wrote=known.wrote,
        )
    return Pairs(
        videos=asked[0].astype(np.int32),
        contexts=asked[1].astype(np.int64),
        history=np.where(real, histories.videos[at], 0).astype(np.int32),
        interest=np.where(real, histories.weights[at], 0).astype(np.float32),
        shares=np.where(real, histories.watch_shares[at], np.nan).astype(np.float32),
        lengths=stops - starts,
        moments=moments,
        situations=who[0],
        users=who[1],
        wrote=known.wrote,
    )
