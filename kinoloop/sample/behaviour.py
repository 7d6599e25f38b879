"""What the simulated users do: sessions, slates with position bias, views, likes, words.

The platform they live on shows a mix of popular, new, random and roughly personal videos. Whether a
user starts a video depends on its place in the slate and on true affinity; how long they stay, on
affinity alone. Nothing here is read by a recommender: only the events are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.sample import words
from kinoloop.sample.topics import TOPICS
from kinoloop.sample.world import SampleVideo, World
from kinoloop.schema import LANDING_EVENTS

SLATE = 7  # slots a session shows
POSITION_BIAS = 0.25  # slot k is looked at with chance 1 / (1 + 0.25 k)
MIX = {"popular": 0.25, "new": 0.15, "random": 0.1, "personal": 0.5}
"""Chance that a slot of the home slate is filled by each policy."""
SKIP_BELOW = 0.15  # a video left before this share of it counts as skipped
SEARCHES = 0.2  # share of sessions that begin with a search
DEVICES = ("phone", "phone", "tv", "desktop")

Row = dict[str, Any]


@dataclass
class _State:
    """What the simulated platform knows while time passes."""

    views: NDArray[np.float64]
    watched: dict[int, set[int]] = field(default_factory=dict)


def simulate(world: World) -> pl.DataFrame:
    """Simulate all sessions in order of time.

    Returns:
        Rows of `schema.LANDING_EVENTS`, oldest first, raw user ids, `event_id` filled.
    """
    rng = np.random.default_rng([world.config.seed, 2])
    state = _State(views=np.zeros(len(world.videos)))
    rows = [
        row
        for day, user in _sessions(world, rng)
        for row in _session(world, user, day, state=state, rng=rng)
    ]
    events = pl.DataFrame(rows, schema={k: v for k, v in LANDING_EVENTS.items() if k != "event_id"})
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(6)
    return events.sort("timestamp", maintain_order=True).with_columns(
        event_id=pl.concat_str(pl.lit("e"), number)
    )


def _sessions(world: World, rng: np.random.Generator) -> list[tuple[float, int]]:
    """When each user comes by: (day, user), oldest first; a few come often, most rarely."""
    config = world.config
    eagerness = rng.lognormal(0, 0.5, config.users)
    plan = []
    for user, joined in enumerate(world.joined):
        stay = (config.days - joined) / config.days
        visits = max(1, int(rng.poisson(config.sessions * eagerness[user] * stay)))
        days = rng.uniform(joined, config.days - 0.02, visits)
        evening = np.clip(rng.normal(0.8, 0.12, visits), 0, 0.98)
        plan += [(max(joined, int(d) + e), user) for d, e in zip(days, evening, strict=True)]
    return sorted(plan)


def _session(
    world: World, user: int, day: float, *, state: _State, rng: np.random.Generator
) -> Iterator[Row]:
    """One visit: maybe a search, then the home slate from top to bottom."""
    affinity = world.affinity(user, day)
    out = world.published <= day
    seen = state.watched.setdefault(user, set())
    clock = world.config.at(day)
    device = DEVICES[int(rng.integers(len(DEVICES)))]
    state.views *= 0.999  # what was popular long ago fades
    if rng.random() < SEARCHES:
        video, text = _search(world, user, day, out=out, rng=rng)
        base = _row(world, user, world.videos[video], clock)
        yield base | {"event": "search", "text": text, "surface": "search", "device": device}
        clock += timedelta(seconds=8)
        extra = {"surface": "search", "device": device}
        for row, took in _watch(world, user, video, clock, chance=affinity[video], rng=rng):
            clock += timedelta(seconds=took)
            yield row | extra
        state.views[video] += 1
        seen.add(video)
    for slot, video in enumerate(_slate(affinity, out, seen, state=state, world=world, rng=rng)):
        clock += timedelta(seconds=float(rng.uniform(0.5, 2.5)))
        extra = {"surface": "home", "device": device}
        base = _row(world, user, world.videos[video], clock) | {"event": "impression"}
        yield base | extra | {"value": float(slot)}
        looked = rng.random() < 1 / (1 + POSITION_BIAS * slot)
        if not looked or rng.random() > 0.08 + 0.92 * affinity[video]:
            continue
        clock += timedelta(seconds=1)
        for row, took in _watch(world, user, video, clock, chance=affinity[video], rng=rng):
            clock += timedelta(seconds=took)
            yield row | extra
        state.views[video] += 1
        seen.add(video)


def _slate(
    affinity: NDArray[np.float64],
    out: NDArray[np.bool_],
    seen: set[int],
    *,
    state: _State,
    world: World,
    rng: np.random.Generator,
) -> list[int]:
    """Fill the slots, each by a policy drawn from `MIX`; no video twice, few seen ones."""
    free = out.copy()
    free[[video for video in seen if rng.random() < 0.95]] = False
    noise = rng.gumbel(0, 1, (len(MIX), len(affinity)))
    guess = np.log(affinity / (1 - affinity)) + 1.5 * noise[3]  # a platform that half knows
    age = (world.published.max() - world.published) / 7
    keys = {
        "popular": np.log1p(state.views) + 0.3 * noise[0],
        "new": -age + 0.3 * noise[1],
        "random": noise[2],
        "personal": guess,
    }
    slate: list[int] = []
    for policy in rng.choice(list(MIX), size=SLATE, p=list(MIX.values())):
        if not free.any():
            break
        video = int(np.argmax(np.where(free, keys[str(policy)], -np.inf)))
        free[video] = False
        slate.append(video)
    return slate


def _search(
    world: World, user: int, day: float, *, out: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[int, str]:
    """Draw what a user types, and the video of that topic that they open."""
    taste = world.taste(user, day)
    chances = np.exp(taste) / np.exp(taste).sum()
    topic = int(rng.choice(len(TOPICS), p=chances))
    found = [i for i, video in enumerate(world.videos) if video.topic == topic and out[i]]
    found = found or list(np.flatnonzero(out))
    return int(rng.choice(found)), words.query(TOPICS[topic], rng)


def _watch(
    world: World,
    user: int,
    video: int,
    clock: datetime,
    *,
    chance: float,
    rng: np.random.Generator,
) -> Iterator[tuple[Row, float]]:
    """Draw a view or a skip, then what follows from joy: a like, a comment, a share, a save."""
    about = world.videos[video]
    mean = 0.06 + 0.88 * chance
    share = float(rng.beta(5 * mean, 5 * (1 - mean)))
    watched = round(share * about.seconds, 2)
    event = "skip" if share < SKIP_BELOW else "view"
    yield _row(world, user, about, clock) | {"event": event, "watch_s": watched}, watched
    clock += timedelta(seconds=watched)
    if event == "skip":
        if rng.random() < 0.1:
            yield _row(world, user, about, clock) | {"event": "dislike"}, 1.0
        return
    if rng.random() < 0.4 * share:
        yield _row(world, user, about, clock + timedelta(seconds=1)) | {"event": "like"}, 1.0
    if rng.random() < 0.08 * share:
        text = words.comment(TOPICS[about.topic], rng)
        row = _row(world, user, about, clock + timedelta(seconds=9))
        yield row | {"event": "comment", "text": text}, 9.0
    for event, odds in (("share", 0.04), ("save", 0.05)):
        if rng.random() < odds * share:
            yield _row(world, user, about, clock + timedelta(seconds=11)) | {"event": event}, 2.0


def _row(world: World, user: int, video: SampleVideo, clock: datetime) -> Row:
    return {"user_id": world.user_ids[user], "video_id": video.video_id, "timestamp": clock}
