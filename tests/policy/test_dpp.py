"""The slate spans as much as it can; against determinants of whole matrices."""

import numpy as np
import pytest

from tests.policy.test_mmr import SCORES, VIDEOS, likeness
from tests.policy.world import catalogue, slate


@pytest.mark.parametrize("weight", [0.05, 0.3, 3.0])
def test_each_place_is_the_one_with_the_largest_determinant(weight):
    kernel = (1 + likeness(VIDEOS)) / 2
    np.fill_diagonal(kernel, 1)
    relevance = (SCORES - SCORES.min()) / (SCORES.max() - SCORES.min())
    quality = np.exp(relevance / (2 * weight))
    whole = quality[:, None] * kernel * quality
    chosen = []
    for _ in range(8):
        gains = {
            v: np.linalg.slogdet(whole[np.ix_([*chosen, v], [*chosen, v])])[1]
            for v in np.argsort(-SCORES).tolist()
            if v not in chosen
        }
        chosen.append(max(gains, key=gains.get))
    assert slate(VIDEOS, SCORES, top_k=8, dpp={"weight": weight}) == chosen


def test_copies_are_told_apart_by_their_score_alone_and_no_number_is_lost():
    same = SCORES.copy()
    videos = catalogue()
    for modality in videos.modalities.values():
        modality.vectors[:] = modality.vectors[0]
        modality.present[:] = True
    only = {"labels": 0.0, "creator": 0.0}
    found = slate(videos, same, top_k=40, dpp={"weight": 1.0}, likeness=only)
    assert sorted(found) == list(range(40))
