"""Exploration: now and then one place of a slate is left to chance, and every chance is known.

With chance `share` one of the k places (pinned ones do not count), each equally likely, is drawn,
and a video for it:

    uniform   one of the n best videos that the slate leaves out, each equally likely;
    softmax   any video of the head of the list: the one that stands at rank r, from 0, with a
              chance q(r) in proportion to exp(−r / temperature). The ranks from the length of the
              slate on are the n best that it leaves out, which share what is left of the chance.
              A video that stands in the slate already changes places with the drawn one.

Ranks and not scores, since recommenders and rankers have no scale in common; so the smallest
chance, and with it the largest weight of an estimate, follows from the settings alone. The chance
that a place shows what it shows is

    1 − share ((1 − q) + (k − 1) q) / k   for its own video, whose chance to be drawn is q,
    share (q + q') / k                    for a video of another place, where its own has q',
    share q / k                           for a video that the slate would leave out

(in the uniform case, q = 0 in the slate and 1 / n outside of it), and is recorded with each place,
which lets evaluation tell what another policy would have brought. Whatever is not drawn is the
slate that there would be without exploration, in the same places. What cools down is drawn only
where nothing else is left. A slate that leaves out no video stays as it is, with chance 1. The draw
hangs on its seed alone.

Source: chances by place as in Li et al., KDD 2018, "Offline Evaluation of Ranking Policies with
Click Models", section 3.
"""

import hashlib
import math
import secrets
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.policy.config import PolicyConfig
from kinoloop.release.slate import Slate, all_reranked

BEST_FIRST = "best_first"
"""The rule that puts the best places first: it leaves nothing to chance."""

EXPLORING = "explore"
"""Arm of those whose slates explore; the others' is `BEST_FIRST`."""


SOFTMAX = "softmax"


class Draw(NamedTuple):
    """What is left to chance in one answer.

    Attributes:
        share: Chance that a place is drawn.
        among: How many of the best that are left it is drawn from, at most.
        seed: Of the draw.
        temperature: Of the softmax, ranks; 0 draws uniformly from those that are left.
    """

    share: float
    among: int
    seed: int
    temperature: float = 0.0


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
    inside, outside = _chances(free, len(found), draw.temperature)
    share = draw.share / len(free)
    chances = [1.0] * len(found)
    for place, q in inside.items():
        chances[place] = 1 - share * ((1 - q) + (len(free) - 1) * q)
    if found.more and not drawn:
        return Slate(found, reranked=found.reranked, propensities=chances)
    rest = others([place.video_id for place in found], draw.among if drawn else 1)
    if not rest:
        return found
    if not drawn:
        return Slate(found, reranked=found.reranked, propensities=chances)
    places = list(found)
    at = free[int(rng.integers(len(free)))]
    if outside < 1 and rng.random() >= outside:
        odds = np.fromiter(inside.values(), np.float64)
        other = free[int(rng.choice(len(free), p=odds / odds.sum()))]
        if other != at:
            places[at], places[other] = places[other], places[at]
            chances[at] = chances[other] = share * (inside[at] + inside[other])
        return Slate(places, reranked=found.reranked, propensities=chances)
    odds = _odds(len(rest), draw.temperature)
    if draw.temperature:
        pick = int(rng.choice(len(rest), p=odds / odds.sum()))
    else:
        pick = int(rng.integers(len(rest)))  # as in answers that are computed again
    places[at] = rest[pick]
    chances[at] = float(draw.share * outside * odds[pick] / (len(free) * odds.sum()))
    return Slate(places, reranked=all_reranked(found, rest), propensities=chances)


def _chances(
    free: Sequence[int], length: int, temperature: float
) -> tuple[dict[int, float], float]:
    """Chance that the video of each free place is drawn, and that one that is left out is."""
    if not temperature:
        return dict.fromkeys(free, 0.0), 1.0
    fading, first = math.exp(-1 / temperature), free[0]  # whose weight is never rounded to 0
    weights = {place: fading ** (place - first) * (1 - fading) for place in free}
    left = fading ** (length - first)
    total = sum(weights.values()) + left
    return {place: weight / total for place, weight in weights.items()}, left / total


def _odds(n: int, temperature: float) -> NDArray[np.float64]:
    """Odds of the n best that are left out, if it is one of them."""
    return np.exp(-np.arange(n) / temperature) if temperature else np.ones(n)


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
    temperature = policy.explore_temperature if policy.explore_by == SOFTMAX else 0.0
    draw = Draw(policy.explore, policy.explore_among, secrets.randbits(63), temperature)
    name = f"{EXPLORING}:{policy.explore:g}:{policy.explore_among}"
    if temperature:
        name += f":{SOFTMAX}:{temperature:g}"
    return Chance(name, draw, EXPLORING if divided else None)
