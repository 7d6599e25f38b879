"""What is like a video of the slate is worth less; against a loop that knows no arrays."""

import numpy as np
import pytest

from kinoloop.data.fusion import FusionConfig
from kinoloop.policy.filters import VideoFilters
from kinoloop.policy.likeness import Likeness, LikenessConfig
from tests.policy.world import catalogue, falling, slate

VIDEOS = catalogue(40, creators="abcd" * 10)
SCORES = np.random.default_rng(4).permutation(falling(40))


def likeness(videos, **config):
    found = Likeness(
        LikenessConfig(**config), videos, VideoFilters(videos.videos), FusionConfig()
    ).of(np.arange(len(videos)))
    return np.array([np.broadcast_to(found.to(at), len(videos)) for at in range(len(videos))])


@pytest.mark.parametrize("weight", [0.2, 1.0, 5.0])
def test_each_place_is_the_best_less_its_likeness_to_the_nearest_before(weight):
    alike, order = likeness(VIDEOS), np.argsort(-SCORES)
    relevance = (SCORES - SCORES.min()) / (SCORES.max() - SCORES.min())
    chosen = []
    for _ in range(8):
        gains = {
            v: relevance[v] - weight * max([0, *(alike[v, w] for w in chosen)])
            for v in order.tolist()
            if v not in chosen
        }
        chosen.append(max(gains, key=gains.get))
    found = slate(VIDEOS, SCORES, top_k=8, mmr={"weight": weight})
    assert found == chosen
    assert found != order[:8].tolist()


def test_likeness_is_a_mean_of_content_labels_and_creator():
    alike = likeness(VIDEOS)
    assert np.allclose(alike, alike.T, atol=1e-6)
    assert np.linalg.eigvalsh(alike).min() > -1e-5
    labels = likeness(VIDEOS, content=0, creator=0)
    assert np.allclose(labels[0, ::2], 1)  # one category and one tag
    assert np.allclose(labels[0, 1::2], 0)
    creators = likeness(VIDEOS, content=0, labels=0)
    assert creators[0].tolist() == [float(v % 4 == 0) for v in range(40)]
    content = likeness(VIDEOS, labels=0, creator=0)
    assert content[0, 2:6:2].mean() > content[0, 1:6:2].mean()
    assert not content[7].any()  # a video without vectors is like none
    assert np.allclose(alike, 0.5 * content + 0.3 * labels + 0.2 * creators, atol=1e-6)


def test_a_catalogue_that_says_nothing_stays_in_its_order():
    bare = catalogue(6)
    bare.modalities.clear()
    none = {"columns": [], "content": 1.0}
    assert slate(bare, falling(6), mmr={"weight": 9}, likeness=none) == [0, 1, 2, 3, 4]
