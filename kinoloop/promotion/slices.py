"""Groups that a mean hides: on each of them, a fresher challenger may not be worse.

A slice is a part of the targets of the window; a user counts in it with these targets alone. Slices
are cut once, in the current catalogue, so that both sides are measured on the same targets.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.ids import IdMap
from kinoloop.evaluation.compare import Difference, paired
from kinoloop.evaluation.evaluate import SPARSE_USER, Evaluation
from kinoloop.evaluation.split import Holdout
from kinoloop.release.info import BundleInfo
from kinoloop.settings import FrozenRecord

Masks = Mapping[str, NDArray[np.bool_]]


class SliceGain(FrozenRecord):
    """One slice of the window, challenger against champion.

    Attributes:
        name: Such as `new_users` or `language=de`.
        users: That have a target in it.
        champion: Mean of the champion.
        mean: Of the difference, challenger − champion.
        low: Lower end of its interval.
        high: Upper end.
    """

    name: str
    users: int
    champion: float
    mean: float
    low: float
    high: float


def masks(
    holdout: Holdout, ids: IdMap, current: Catalogue, older: tuple[IdMap, BundleInfo]
) -> Masks:
    """Cut the targets of a window into slices.

    Args:
        holdout: The window, in the indices of `ids`.
        ids: Of the catalogue that the window was loaded with.
        current: The catalogue of the challenger, which says what videos are.
        older: Videos and facts of the champion, which say what is new.

    Returns:
        (n_targets,) marks by name of the slice; slices may overlap.
    """
    row_of, lengths = holdout.targets.row_of, holdout.histories.lengths
    at = current.ids.indices(ids.ids)[holdout.targets.videos]
    known, place = at >= 0, np.maximum(at, 0)
    trained_until = older[1].trained_until
    later = np.inf if trained_until is None else trained_until.timestamp() * 1e6
    unknown_before = older[0].indices(ids.ids)[holdout.targets.videos] < 0
    found = {
        "new_users": (lengths == 0)[row_of],
        "sparse_users": ((lengths > 0) & (lengths < SPARSE_USER))[row_of],
        "new_videos": unknown_before | (known & (current.published_at[place] > later)),
    }
    for name, modality in current.modalities.items():
        found[f"without_{name}"] = known & ~modality.present[place]
    if "language" in current.videos.columns:
        languages = current.videos["language"].cast(pl.String).fill_null("unknown").to_numpy()
        spoken = languages[place]
        for language in sorted(set(spoken[known])):
            found[f"language={language}"] = known & (spoken == language)
    return found


def gains(
    new: Evaluation, old: Evaluation, *, metric: str, seed: int, confidence: float
) -> list[SliceGain]:
    """Compare both sides slice by slice; slices of fewer than two users are left out."""
    found = []
    for name, mine in new.parts.items():
        theirs = old.parts[name][metric]
        if len(theirs) < 2:
            continue
        one: Difference = paired(mine[metric], theirs, seed=seed, confidence=confidence)
        found.append(
            SliceGain(
                name=name,
                users=one.n,
                champion=float(theirs.mean()),
                mean=one.mean,
                low=one.low,
                high=one.high,
            )
        )
    return found
