"""A toy world in which nothing but the last search says what is watched."""

from dataclasses import replace

import numpy as np

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.exposures import Exposures
from kinoloop.data.histories import Histories
from kinoloop.data.written import Written
from kinoloop.schema import DAY_US, EVENT_KINDS
from kinoloop.testing.shown import DURATION_S, toy_exposures
from kinoloop.testing.toy import START_US

SEARCH, VIEW = EVENT_KINDS.index("search"), EVENT_KINDS.index("view")


def searching(catalogue: Catalogue, topics: np.ndarray, space: str) -> tuple[Exposures, Histories]:
    """Each user searches for one topic per day, drawn anew, and watches what is of it.

    Args:
        catalogue: From `toy_catalogue`; even videos are of the first topic.
        topics: (2, dim) vectors of what is typed.
        space: Of these vectors.
    """
    exposures, histories = toy_exposures(catalogue)
    rng = np.random.default_rng(3)
    days = 31
    wanted = rng.integers(0, 2, (len(histories), days))
    day = (exposures.timestamps - START_US) // DAY_US
    typed = START_US + np.arange(days) * DAY_US - 1000
    watched = wanted[exposures.users, day] == exposures.videos % 2
    view = 1 << VIEW
    written = Written(
        offsets=np.arange(len(histories) + 1) * days,
        texts=wanted.ravel().astype(np.int32),
        kinds=np.full(wanted.size, SEARCH, dtype=np.uint8),
        timestamps=np.tile(typed, len(histories)),
        vectors=topics.astype(np.float32),
        space=space,
    )
    exposures = replace(
        exposures,
        kinds=np.where(watched, exposures.kinds | view, exposures.kinds & ~view),
        watch_s=np.where(watched, DURATION_S, np.nan).astype(np.float32),
    )
    return exposures, replace(histories, written=written)
