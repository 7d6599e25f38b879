"""The toy world with impressions: what was shown to whom, and what they did with it."""

import numpy as np

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.exposures import Exposures
from kinoloop.data.histories import Histories, Interaction
from kinoloop.schema import DAY_US, EVENT_KINDS
from kinoloop.testing.toy import START_US

DAYS = 30
SHOWS = 60
DURATION_S = 30.0


def toy_exposures(
    catalogue: Catalogue, n_users: int = 60, *, seed: int = 0
) -> tuple[Exposures, Histories]:
    """Random videos shown over thirty days; users start nine in ten of their topic, one of others.

    Args:
        catalogue: From `toy_catalogue`.
        n_users: Rows; users with an even number like even videos.
        seed: Of what is shown and watched.

    Returns:
        Exposures, oldest first, and the histories that follow from them.
    """
    rng = np.random.default_rng(seed)
    n = n_users * SHOWS
    users = np.repeat(np.arange(n_users), SHOWS)
    videos = rng.integers(0, len(catalogue), n)
    times = START_US + np.sort(rng.integers(0, DAYS * DAY_US, n))
    users = rng.permutation(users)
    watched = rng.random(n) < np.where(users % 2 == videos % 2, 0.9, 0.1)
    watch_s = np.where(watched, rng.uniform(0.5, 1, n) * DURATION_S, np.nan)
    view, shown = EVENT_KINDS.index("view"), EVENT_KINDS.index("impression")
    names = tuple(f"u{user:03d}" for user in range(n_users))
    exposures = Exposures(
        users=users.astype(np.int32),
        videos=videos.astype(np.int32),
        timestamps=times,
        shown=np.ones(n, dtype=np.bool_),
        kinds=np.where(watched, (1 << view) | (1 << shown), 1 << shown),
        watch_s=watch_s.astype(np.float32),
        ratings=np.full(n, np.nan, dtype=np.float32),
        situations=rng.integers(0, 2, n).astype(np.int32),
        user_ids=names,
        facts=({"surface": "feed"}, {"surface": "home"}),
    )
    rows: list[list[Interaction]] = [[] for _ in names]
    met: set[tuple[int, int]] = set()
    for at in np.flatnonzero(watched).tolist():
        pair = (int(users[at]), int(videos[at]))
        if pair not in met:
            met.add(pair)
            share = float(watch_s[at]) / DURATION_S
            rows[pair[0]].append(Interaction(pair[1], 1.0, int(times[at]) + 1, view, share))
    return exposures, Histories.from_rows(rows, names)
