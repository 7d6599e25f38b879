"""What a release would have shown in answers that were given, rules of slates included."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.data.logged import Logged
from kinoloop.evaluation.replay import NOTHING
from kinoloop.policy.config import PolicyConfig
from kinoloop.policy.ruling import Ruling
from kinoloop.release.given import Given
from kinoloop.release.release import Release


def replayed(
    release: Release,
    logged: Logged,
    histories: Histories,
    policy: PolicyConfig,
    *,
    ids: IdMap,
    each: Callable[[], object] = lambda: None,
) -> NDArray[np.int64]:
    """Ask a release for each answer.

    Args:
        release: Opened.
        logged: The answers.
        histories: From `kinoloop.evaluation.replay.before`, in the indices of `ids`.
        policy: Rules of slates.
        ids: Of the catalogue that the answers were loaded with.
        each: Called after every answer.

    Returns:
        (n_answers, places) positions by `ids`, best first; `NOTHING` where there are fewer.
    """
    known = release.catalogue.ids.indices(ids.ids)
    back = ids.indices(release.catalogue.ids.ids)
    lengths = np.zeros(len(logged), dtype=np.int64)
    np.maximum.at(lengths, logged.answers, logged.places + 1)
    slates = np.full((len(logged), int(lengths.max(initial=0))), NOTHING, dtype=np.int64)
    facts = zip(lengths.tolist(), logged.moments.tolist(), logged.situations, strict=True)
    for row, (length, moment, situation) in enumerate(facts):
        span = histories.row(row)
        met = known[histories.videos[span]]
        past = [
            Interaction(*one)
            for one in zip(
                met.tolist(),
                histories.weights[span].tolist(),
                histories.timestamps[span].tolist(),
                histories.kinds[span].tolist(),
                histories.watch_shares[span].tolist(),
                strict=True,
            )
        ]
        met = met[met >= 0]
        ruling = None
        if policy.rules is not None:
            rules = release.policies.of(policy.rules)
            ruling = Ruling(rules, met=met, surface=situation.get("surface"))
        allowed = [*policy.allowed(situation).values()]
        given = Given(moment, situation, allowed=allowed, ruling=ruling)
        slate = release.recommend(past, top_k=length, seen=met, given=given)
        shown = release.catalogue.ids.indices([place.video_id for place in slate])
        slates[row, : len(shown)] = back[shown]
        each()
    return slates
