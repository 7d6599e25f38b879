from dataclasses import replace

import polars as pl
import pytest

from kinoloop.data.histories import Interaction
from kinoloop.data.moderation import WITHHELD
from kinoloop.release.availability import Window, now
from kinoloop.release.bundle import write_bundle
from kinoloop.release.release import Release
from tests.release import tiny

KEPT = {"v1", "v2"}


@pytest.fixture
def release(tmp_path):
    """v1 and v2 wait for a person or are hidden; v1 shows the same as v0, v2 the same as v3."""
    catalogue = tiny.catalogue()
    flags = pl.Series(WITHHELD, [video_id in KEPT for video_id in catalogue.ids.ids])
    groups = pl.Series("group_id", ["a", "a", "b", "b", None, None, None, None])
    catalogue = replace(catalogue, videos=catalogue.videos.with_columns(flags, groups))
    write_bundle(
        tmp_path / "bundle",
        recommender=tiny.fitted(catalogue),
        catalogue=catalogue,
        histories=tiny.histories(),
        thumbnails=[("v1", b"one"), ("v3", b"three")],
    )
    return Release.open(tmp_path / "bundle")


def test_what_is_withheld_is_in_no_answer_and_what_shows_the_same_is(release):
    slates = [
        release.recommend([], top_k=8),
        release.recommend([Interaction(4)], top_k=8),
        release.similar("v5", top_k=8),
        release.search("fox jazz bread sourdough piano", top_k=8),
    ]
    for slate in slates:
        assert slate
        assert not {place.video_id for place in slate} & KEPT
    assert {"v0", "v3"} <= {place.video_id for place in slates[0]}


def test_no_reason_names_what_is_withheld(release):
    history = [Interaction(2, timestamp=1), Interaction(1, timestamp=2)]
    reasons = {place.reason for place in release.recommend(history, top_k=8)}
    assert not any(title in reason for reason in reasons for title in tiny.TITLES[1:3])


def test_no_operator_puts_back_what_is_withheld(release):
    release.availability.overrule({1: Window()})
    assert not release.availability.is_open(1, now())
    assert "v1" not in {place.video_id for place in release.recommend([], top_k=8)}


def test_golden_requests_hold(release):
    release.check()
