"""Why videos must not appear in a slate, by reason code: what `explain` tells of those."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.policy.trace import FATIGUE, Trace

if TYPE_CHECKING:
    from kinoloop.release.release import Release
    from serving.slates import Asked

BLOCKED, SEEN, EXCLUDED, FILTER = "blocked", "seen", "excluded", "filter"


def traced(release: "Release", asked: "Asked") -> Trace:
    """Return what takes down how a slate comes about.

    Args:
        release: That answers.
        asked: What the slate is made from.
    """
    filters, ids = release.filters, release.catalogue.ids
    why: dict[str, NDArray[np.integer]] = {
        name: filters.outside_of_all([allowed]) for name, allowed in asked.allowed.items()
    }
    why[BLOCKED] = asked.blocked
    for column, wanted in asked.filters.items():
        why[f"{FILTER}:{column}"] = filters.outside_of_all([{column: wanted}])
    why[SEEN] = asked.hidden
    why[EXCLUDED] = ids.indices(asked.exclude)
    why |= asked.capped
    why[FATIGUE] = asked.cooling
    return Trace(why)
