import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinoloop.data.histories import Interaction
from kinoloop.release.bundle import write_bundle
from kinoloop.release.near_duplicates import NearDuplicates
from kinoloop.release.release import Release
from tests.release import tiny


@given(st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=1, max_size=12), st.integers(0, 9))
def test_exactly_the_best_of_each_group_stays(groups, seed):
    scores = np.random.default_rng(seed).integers(0, 4, len(groups)).astype(np.float32)
    kept = scores.copy()
    NearDuplicates(groups).keep_best(kept)
    for name in {"a", "b", "c"}:
        members = [i for i, group in enumerate(groups) if group == name]
        staying = [i for i in members if np.isfinite(kept[i])]
        if members:
            assert staying == [max(members, key=lambda i: (scores[i], -i))]
    alone = [i for i, group in enumerate(groups) if group is None]
    np.testing.assert_array_equal(kept[alone], scores[alone])


def test_near_duplicates_of_videos_are_all_of_their_groups():
    near = NearDuplicates(["a", None, "a", "b", "b", None])
    assert near.of(np.array([2])).tolist() == [0, 2]
    assert near.of(np.array([1, 5])).tolist() == []
    assert sorted(near.of(np.array([0, 4, 5, 4]))) == [0, 2, 3, 4]
    assert near.of(np.array([], dtype=int)).tolist() == []
    assert NearDuplicates([]).of(np.array([0])).tolist() == []


@pytest.fixture
def release(tmp_path):
    """v0, v2 and v5 show the same."""
    catalogue = tiny.catalogue()
    group = ["v0" if i in (0, 2, 5) else None for i in range(len(catalogue))]
    videos = catalogue.videos.with_columns(group_id=pl.Series(group, dtype=pl.String))
    catalogue = type(catalogue)(catalogue.ids, catalogue.published_at, videos, catalogue.modalities)
    write_bundle(
        tmp_path / "bundle",
        recommender=tiny.fitted(catalogue),
        catalogue=catalogue,
        histories=tiny.histories(),
    )
    return Release.open(tmp_path / "bundle")


def shown(slate):
    return {place.video_id for place in slate}


def test_no_slate_shows_the_same_twice(release):
    for slate in (
        release.recommend([], top_k=8),
        release.similar("v1", top_k=8),
        release.search("fox jazz sourdough", top_k=8),
    ):
        assert len(shown(slate) & {"v0", "v2", "v5"}) <= 1
    assert len(release.recommend([], top_k=8)) == 6


def test_what_shows_the_same_as_a_seen_video_is_seen(release):
    history = [Interaction(2, timestamp=1)]
    assert not shown(release.recommend(history, top_k=8)) & {"v0", "v2", "v5"}
    again = shown(release.recommend(history, top_k=8, seen=()))
    assert len(again & {"v0", "v2", "v5"}) == 1


def test_a_near_duplicate_of_an_excluded_video_is_excluded(release):
    slate = release.recommend([], top_k=8, exclude=["v5"], seen=())
    assert not shown(slate) & {"v0", "v2", "v5"}


def test_similar_videos_are_not_the_same_video(release):
    assert not shown(release.similar("v0", top_k=8)) & {"v0", "v2", "v5"}
