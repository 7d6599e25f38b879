"""Making the indexes of a release, and growing those of the release before.

Each is measured with queries as they will be asked: of stored histories, of videos that somebody
looks at, of titles. What is measured is written beside it.
"""

import logging
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.sampling import evenly_spaced
from kinoloop.models.vector_query import VideoVectors
from kinoloop.release.catalogue import Titles
from kinoloop.release.indexes import (
    FILE,
    FOLDER,
    RECOMMEND,
    SEARCH,
    SIMILAR,
    write_index,
    write_plans,
)
from kinoloop.release.similarity import Similarity
from kinoloop.retrieval.building import Queries, built, grown
from kinoloop.retrieval.config import RetrievalConfig
from kinoloop.retrieval.plan import Plan
from kinoloop.retrieval.searching import Listed
from kinoloop.retrieval.space import Space, with_standing

if TYPE_CHECKING:
    from kinoloop.release.release import Release

logger = logging.getLogger(__name__)

NOTHING = np.empty(0, dtype=np.intp)


def write_indexes(
    release: "Release",
    config: RetrievalConfig,
    *,
    before: "Release | None" = None,
    changed: NDArray[np.integer] = NOTHING,
) -> bool:
    """Write the indexes of a release into its folder; returns whether it has any.

    Args:
        release: Opened without them.
        config: Whether it gets some, and how well they must find.
        before: The catalogue version before, whose videos come first in this one.
        changed: Positions of its videos that are others now.
    """
    if len(release.catalogue) < config.exact_below:
        return False
    compared = release.recommender.video_vectors()
    plans: dict[str, Plan | None] = {}
    if compared is not None and not compared.vectors.shape[1]:
        write_index(release.directory, RECOMMEND, None, compared)
        plans[RECOMMEND] = None
    for name, space, queries in _spaces(release, compared, config.queries):
        moved = changed if name != RECOMMEND or compared is None else _moved(compared, before)
        make = partial(_made, space, queries, config)
        index = make(None if before is None else before, name=name, changed=moved)
        write_index(release.directory, name, index, compared if name == RECOMMEND else None)
        plans[name] = index.plan
        worst = min(level.lowest for level in index.plan.levels)
        logger.info(
            "index %s: %d lists of %d videos, recall %.4f at least, %d lists searched at first",
            *(name, len(index.lists.sizes), space.n_videos, worst, index.plan.levels[0].probes),
        )
    if plans:
        write_plans(release.directory, plans)
    return bool(plans)


def _made(
    space: Space,
    queries: Queries,
    config: RetrievalConfig,
    before: "Release | None",
    *,
    name: str,
    changed: NDArray[np.integer],
) -> Listed:
    old = None if before is None else before.indexes.listed(name)
    if before is None or old is None:
        return built(space, queries, config)
    path = before.directory / FOLDER / name / FILE
    return grown(path, old, space, queries, changed=changed, config=config)


def _spaces(
    release: "Release", compared: VideoVectors | None, count: int
) -> list[tuple[str, Space, Queries]]:
    """Return the spaces of a release, with what gives queries; those that have any."""
    found: list[tuple[str, Space, Queries]] = []
    if compared is not None and compared.vectors.shape[1]:
        found.append((RECOMMEND, Space.of(compared), partial(_asked_by_users, release, count)))
    similarity, text = release.finding.similarity, release.finding.search.vectors()
    some = evenly_spaced(len(release.catalogue), count)
    covered = [video for video in some.tolist() if similarity.covers(video)]
    if covered:
        asked = partial(_asked_alike, similarity, covered)
        found.append((SIMILAR, similarity.space(), asked))
    if text is not None and text.rows(some).any():
        found.append((SEARCH, text, partial(_asked_in_words, release, text, count)))
    return found


def _asked_alike(similarity: Similarity, videos: list[int]) -> NDArray[np.float32]:
    return np.stack([similarity.asked(video).vector for video in videos])


def _asked_by_users(release: "Release", count: int) -> NDArray[np.float32]:
    """Ask as stored histories do, and as single videos where there are too few."""
    known = release.histories
    stored = [known.row(row) for row in evenly_spaced(len(known), count).tolist()]
    for video in evenly_spaced(len(release.catalogue), count - len(stored)).tolist():
        stored += [[Interaction(video)]]
    asked = [release.recommender.vector_query(Histories.from_rows([row])) for row in stored]
    return np.stack([with_standing(one) for one in asked if one is not None])


def _asked_in_words(release: "Release", text: Space, count: int) -> NDArray[np.float32]:
    """Vectors of titles; of videos where the encoder is not here."""
    some, titles = evenly_spaced(text.n_videos, count), Titles(release.catalogue)
    encoded = release.finding.search.encode([titles[video] for video in some.tolist()])
    asked = text.rows(some) if encoded is None else encoded
    return np.asarray(asked[np.linalg.norm(asked, axis=1) > 0])


def _moved(now: VideoVectors, before: "Release | None") -> NDArray[np.intp]:
    """Positions whose vector or standing is another one than in the release before."""
    known = None if before is None else before.indexes.compared
    if known is None:
        return NOTHING
    n = len(known.standing)
    if known.vectors.shape[1] != now.vectors.shape[1]:  # numbers stand elsewhere in the codes
        return np.arange(n)
    differs = known.standing != now.standing[:n]
    step = 65_536
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        differs[part] |= (known.vectors[part] != now.vectors[part]).any(axis=1)
    return np.flatnonzero(differs)
