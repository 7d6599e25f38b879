"""Move histories from one catalogue's internal indices to another's, through the external ids.

So an older champion, fitted on an older catalogue, stands in the same test window as a new
challenger. What its catalogue does not have, it can neither know nor recommend: such videos leave
its histories, and such targets stay as `UNKNOWN` and count as missed.
"""

from dataclasses import replace

import numpy as np

from kinoloop.data.histories import Histories
from kinoloop.data.ids import IdMap
from kinoloop.evaluation.ranks import UNKNOWN
from kinoloop.evaluation.split import Holdout


def translate(histories: Histories, from_ids: IdMap, to_ids: IdMap) -> Histories:
    """Renumber histories; videos that `to_ids` does not have are dropped, rows stay.

    Args:
        histories: In the indices of `from_ids`.
        from_ids: Of the catalogue that the histories were loaded with.
        to_ids: Of the catalogue that the recommender was fitted with.

    Raises:
        DataError: The histories are not in the indices of `from_ids`.

    Examples:
        >>> from kinoloop.data.histories import Interaction
        >>> known = Histories.from_rows([[Interaction(0), Interaction(1)]])
        >>> translate(known, IdMap(["a", "b"]), IdMap(["z", "b"])).videos
        array([1], dtype=int32)
    """
    renumbered = _renumber(histories, from_ids, to_ids)
    known = renumbered.select(renumbered.videos != UNKNOWN)
    return replace(known, written=histories.written)


def translate_holdout(holdout: Holdout, from_ids: IdMap, to_ids: IdMap) -> Holdout:
    """Renumber a holdout; its rows stay the same users, so that results can be paired."""
    return replace(
        holdout,
        histories=translate(holdout.histories, from_ids, to_ids),
        targets=_renumber(holdout.targets, from_ids, to_ids),
    )


def _renumber(histories: Histories, from_ids: IdMap, to_ids: IdMap) -> Histories:
    known = histories.videos != UNKNOWN  # targets that were translated before may not be
    histories.select(known).check(len(from_ids))
    videos = np.full(len(known), UNKNOWN, dtype=np.int32)
    videos[known] = to_ids.indices(from_ids.ids)[histories.videos[known]]
    return replace(histories, videos=videos)
