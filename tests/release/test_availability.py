from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Interaction
from kinoloop.data.ids import IdMap
from kinoloop.release.availability import Availability, Window
from kinoloop.release.bundle import write_bundle
from kinoloop.release.given import Given
from kinoloop.release.release import Release
from tests.release import tiny

OUT_AT = 40_000 * tiny.DAY  # in 2079
UNKNOWN, BEFORE_1970 = 0, -62_135_596_800_000_000


@pytest.fixture
def release(tmp_path):
    """v1 and v5 come out at `OUT_AT`, v3 never does in our time, of v2 nobody knows when."""
    catalogue = tiny.catalogue()
    times = catalogue.published_at.copy()
    times[[1, 5]], times[2], times[3], times[4] = OUT_AT, UNKNOWN, 253_402_300_799_000_000, -5
    catalogue = replace(catalogue, published_at=times)
    write_bundle(
        tmp_path / "bundle",
        recommender=tiny.fitted(catalogue),
        catalogue=catalogue,
        histories=tiny.histories(),
    )
    return Release.open(tmp_path / "bundle")


def shown(release, moment):
    history = [Interaction(0)]
    slates = [
        release.recommend(history, top_k=8, given=Given(moment)),
        release.similar("v0", top_k=8, given=Given(moment)),
        release.search("fox jazz bread sourdough piano", top_k=8, given=Given(moment)),
    ]
    return [{place.video_id for place in slate} for slate in slates]


def test_nothing_is_shown_before_it_is_published(release):
    for slate in shown(release, OUT_AT - 1):
        assert slate
        assert not slate & {"v1", "v3", "v5"}


def test_a_video_appears_from_its_moment_on_in_the_release_that_was_open_before(release):
    for slate in shown(release, OUT_AT):
        assert {"v1", "v5"} <= slate
        assert "v3" not in slate


def test_the_moment_is_now_where_none_is_given(release):
    assert {p.video_id for p in release.recommend([], top_k=8)} == {"v0", "v2", "v4", "v6", "v7"}


def test_a_video_without_a_date_and_one_from_before_1970_are_out(release):
    assert {"v2", "v4"} <= shown(release, 1)[0]


def test_golden_requests_do_not_depend_on_the_clock(release):
    release.check()


def test_a_near_duplicate_that_is_out_is_shown_while_the_other_is_not(tmp_path):
    catalogue = tiny.catalogue()
    times = np.where(np.arange(len(catalogue)) == 0, OUT_AT, 0)
    videos = catalogue.videos.with_columns(group_id=pl.Series(["g", "g", *[None] * 6]))
    catalogue = replace(catalogue, published_at=times, videos=videos)
    write_bundle(
        tmp_path / "bundle",
        recommender=tiny.fitted(catalogue),
        catalogue=catalogue,
        histories=tiny.histories(),
    )
    release = Release.open(tmp_path / "bundle")
    assert "v1" in {p.video_id for p in release.recommend([], top_k=8, given=Given(1))}


def availability(published, **columns):
    ids = [f"v{i}" for i in range(len(published))]
    videos = pl.DataFrame({"video_id": ids, **columns})
    return Availability(Catalogue(IdMap(ids), np.array(published), videos))


def test_closed_are_exactly_the_later_ones_in_any_order():
    found = availability([30, UNKNOWN, 10, BEFORE_1970])
    assert found.closed(29).tolist() == [0]
    assert sorted(found.closed(0)) == [0, 2]


def test_a_video_is_open_in_its_window_and_never_while_hidden_or_withdrawn():
    found = availability(
        [5, 5, 5, 5],
        available_from=pl.Series([10, None, None, None]).cast(pl.Datetime("us", "UTC")),
        available_until=pl.Series([20, None, None, None]).cast(pl.Datetime("us", "UTC")),
        hidden=[None, True, False, None],
        withdrawn=[None, None, True, None],
    )
    assert sorted(found.closed(9)) == [0, 1, 2]
    assert sorted(found.closed(10)) == [1, 2]
    assert sorted(found.closed(20)) == [0, 1, 2]
    assert [found.is_open(video, 19) for video in range(4)] == [True, False, False, True]


def test_what_operators_say_takes_the_place_of_the_row_but_lifts_no_embargo():
    found = availability([5, 50], hidden=[True, False])
    found.overrule({0: Window(), 1: Window(opens=0)})
    assert found.closed(10).tolist() == [1]
    found.overrule({0: Window(closes=7)})
    assert sorted(found.closed(10)) == [0, 1]
    found.overrule({})
    assert sorted(found.closed(60)) == [0]
