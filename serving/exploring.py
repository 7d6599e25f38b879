"""Exploration: now and then one place of a slate goes to a video that would not have been there.

With chance `share` one of the k places (pinned ones do not count), each equally likely, goes to one
of the n best videos that the slate leaves out, each equally likely. So the chance that a place
shows what it shows is

    1 − share / k   for the video that the best-first order puts there,
    share / (k n)   for a video that was drawn,

and is recorded with each place, which lets evaluation tell what another policy would have brought.
Whatever is not drawn is the slate that there would be without exploration, in the same places. What
cools down is drawn only where nothing else is left out. A slate that leaves out no video stays as
it is, with chance 1. The draw hangs on its seed alone.
"""

import hashlib
import secrets
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np

from kinoloop.policy.config import PolicyConfig
from kinoloop.release.slate import Slate, all_reranked

BEST_FIRST = "best_first"
"""The rule that puts the best places first: it leaves nothing to chance."""

EXPLORING = "explore"
"""Arm of those whose slates explore; the others' is `BEST_FIRST`."""


class Draw(NamedTuple):
    """What is left to chance in one answer.

    Attributes:
        share: Chance that a place is drawn.
        among: How many of the best that are left it is drawn from, at most.
        seed: Of the draw.
    """

    share: float
    among: int
    seed: int


def explored(
    found: Slate,
    draw: Draw,
    others: Callable[[Sequence[str], int], Slate],
    *,
    held: Collection[int] = (),
) -> Slate:
    """Draw, and say how likely each place was.

    Args:
        found: Best first: what is shown where nothing is drawn.
        draw: What is left to chance.
        others: Gives the best videos without those that are shown, so many at most.
        held: Places, from 0, that are not for chance.
    """
    rng = np.random.default_rng(draw.seed)
    drawn = rng.random() < draw.share
    free = [place for place in range(len(found)) if place not in held]
    if not free:
        return found
    chances = [1.0 if place in held else 1 - draw.share / len(free) for place in range(len(found))]
    if found.more and not drawn:
        return Slate(found, reranked=found.reranked, propensities=chances)
    rest = others([place.video_id for place in found], draw.among if drawn else 1)
    if not rest:
        return found
    places, reranked = list(found), found.reranked
    if drawn:
        at = free[int(rng.integers(len(free)))]
        places[at] = rest[int(rng.integers(len(rest)))]
        chances[at] = draw.share / (len(free) * len(rest))
        reranked = all_reranked(found, rest)
    return Slate(places, reranked=reranked, propensities=chances)


def explores(person: str, share: float) -> bool:
    """Whether a person is of the share of people whose slates explore; the same ones every time.

    Examples:
        >>> sum(explores(f"p{n}", 0.25) for n in range(10_000))
        2467
    """
    digest = hashlib.sha256(f"explore:{person}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


class Chance(NamedTuple):
    """How much of an answer is left to chance, by the settings.

    Attributes:
        policy: Name of the rule, with its numbers.
        draw: None leaves nothing to chance.
        arm: Of the experiment that the person is in; None where everybody is treated alike.
    """

    policy: str = BEST_FIRST
    draw: Draw | None = None
    arm: str | None = None


NO_CHANCE = Chance()


def chance_of(policy: PolicyConfig, person: Callable[[], str]) -> Chance:
    """Return what the settings leave to chance for a person, who is asked for only where needed."""
    if not policy.explore:
        return NO_CHANCE
    divided = policy.explore_users < 1
    if divided and not explores(person(), policy.explore_users):
        return Chance(arm=BEST_FIRST)
    draw = Draw(policy.explore, policy.explore_among, secrets.randbits(63))
    name = f"{EXPLORING}:{policy.explore:g}:{policy.explore_among}"
    return Chance(name, draw, EXPLORING if divided else None)
