"""Which events belong to which place, on a log that fits into the head."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from kinoloop.data.ids import IdMap
from kinoloop.data.logged import load_logged
from kinoloop.data.tables import Tables
from kinoloop.schema import EVENTS, NARROWED

START = datetime(2026, 9, 1, tzinfo=UTC)
IDS = IdMap(["a", "b", "c"])


def event(kind: str, user: str | None, video: str, hours: float, **more) -> dict:
    moment = START + timedelta(hours=hours)
    number = f"{kind}-{user}-{video}-{hours}"
    row = {"user_id": user, "video_id": video, "timestamp": moment, "event": kind}
    return {**dict.fromkeys(EVENTS), **row, "date": moment.date(), "event_id": number, **more}


def shown(request: str, place: int, user: str, video: str, hours: float, **more) -> dict:
    known = {"request_id": request, "position": place, "propensity": 0.9, "policy": "best_first"}
    return event("impression", user, video, hours, **{**known, "surface": "home", **more})


def load(tmp_path, *rows):
    pl.DataFrame(list(rows), schema=EVENTS).write_delta(str(tmp_path / "events"))
    return load_logged(Tables(tmp_path), IDS)


def test_what_names_its_answer_belongs_there_however_late(tmp_path):
    log = load(
        tmp_path,
        shown("r1", 0, "anna", "a", 1), shown("r1", 1, "anna", "b", 1),
        shown("r2", 0, "anna", "a", 5),
        event("like", "anna", "a", 90, request_id="r1"),
        event("view", "anna", "b", 2, request_id="r1", watch_s=4.0),
        event("view", "anna", "b", 3, request_id="r1", watch_s=7.0),
        event("like", "anna", "c", 2, request_id="r1"),  # was not in it
    )  # fmt: skip
    assert log.answers.tolist() == [0, 0, 1]
    assert log.places.tolist() == [0, 1, 0]
    assert log.exposures.videos.tolist() == [0, 1, 0]
    assert log.exposures.happened("like").tolist() == [True, False, False]
    assert log.exposures.happened("view").tolist() == [False, True, False]
    assert log.exposures.watch_s[1] == 7
    assert log.exposures.happened("impression").all()


def test_only_what_the_same_person_did_later_came_of_a_place(tmp_path):
    log = load(
        tmp_path,
        shown("r1", 0, "tv", "a", 2), shown("r2", 0, "anna", "b", 2),
        shown("r3", 0, None, "c", 2),
        event("like", "anna", "a", 3, request_id="r1"),  # who the device is, by then or later
        event("view", "tv", "a", 2, request_id="r1", watch_s=4.0),  # in the same moment
        event("rating", "anna", "a", 1, request_id="r1", value=5.0),  # before
        event("share", "ben", "a", 3, request_id="r1"),  # somebody else
        event("share", None, "a", 3, request_id="r1"),  # nobody
        event("save", None, "c", 3, request_id="r3"),
        event("save", "ben", "b", 3, request_id="r2"),
        event("like", "anna", "b", 1, request_id="r2"),
        event("identify", "tv", None, 9, person_id="anna"),
    )  # fmt: skip
    assert log.exposures.happened("like").tolist() == [True, False]
    assert log.exposures.happened("view").tolist() == [True, False]
    assert np.isnan(log.exposures.ratings).all()
    assert not log.exposures.happened("share", "save", "rating").any()


def test_what_names_none_belongs_to_the_newest_place_of_the_day_before(tmp_path):
    log = load(
        tmp_path,
        shown("r1", 0, "anna", "a", 1), shown("r2", 0, "anna", "a", 5),
        shown("r3", 0, "ben", "a", 6),
        event("like", "anna", "a", 7),
        event("view", "anna", "a", 3),
        event("share", "anna", "a", 30),  # a day and an hour after
        event("save", "anna", "a", 0.5),  # before
    )  # fmt: skip
    assert log.exposures.happened("like").tolist() == [False, True, False]
    assert log.exposures.happened("view").tolist() == [True, False, False]
    assert not log.exposures.happened("share", "save").any()


def test_only_places_with_a_chance_that_were_chosen_for_a_person_count(tmp_path):
    log = load(
        tmp_path,
        shown("r1", 0, "anna", "a", 1),
        shown("r2", 0, "anna", "a", 2, propensity=None),
        shown("r3", 0, "anna", "a", 3, surface="search"),
        shown("r4", 0, "anna", "a", 4, surface="similar"),
        shown("r5", None, "anna", "a", 5),
        shown("r6", 0, None, "a", 6),
        shown("r7", 0, "anna", "a", 7, surface=None),
        shown("r8", 0, "anna", "gone", 8),
    )
    assert len(log) == 3
    assert log.exposures.videos.tolist() == [0, 0, -1]


def test_answers_know_who_when_where_and_by_which_policy(tmp_path):
    log = load(
        tmp_path,
        shown("r9", 0, "anna", "a", 1, device="tv"), shown("r9", 1, "anna", "b", 1, device="tv"),
        shown("r1", 0, "ben", "b", 2, policy="explore:0.1:50", arm="explore"),
        shown("r2", 0, "ben", "b", 3, policy="best_first" + NARROWED),
    )  # fmt: skip
    assert log.policies.tolist() == ["best_first", "explore:0.1:50 (arm explore)", "best_first"]
    assert log.narrowed.tolist() == [False, False, True]
    assert [log.exposures.user_ids[user] for user in log.users] == ["anna", "ben", "ben"]
    assert [situation.get("device") for situation in log.situations] == ["tv", None, None]
    assert np.diff(log.moments).tolist() == [3_600_000_000] * 2
    kept = log.select(~log.narrowed & (np.array(log.policies) != "best_first"))
    assert (kept.answers.tolist(), kept.exposures.videos.tolist()) == ([0], [1])
    assert log.select(np.array([0, 2])).answers.tolist() == [0, 0, 1]


def test_what_was_drawn_is_told_by_the_rules_and_by_the_chance_in_older_logs(tmp_path):
    log = load(
        tmp_path,
        shown("r1", 0, "anna", "a", 1, rules="mmr,explore", propensity=0.9),
        shown("r1", 1, "anna", "b", 1, rules="", propensity=0.1),
        shown("r2", 0, "anna", "a", 2, propensity=0.02),
        shown("r2", 1, "anna", "b", 2, propensity=0.98),
    )
    assert log.drawn.tolist() == [True, False, True, False]


def test_what_is_older_is_not_read(tmp_path):
    rows = [shown(f"r{hour}", 0, "anna", "a", hour) for hour in (1, 3, 5)]
    load(tmp_path, *rows, event("like", "anna", "a", 2), event("like", "anna", "a", 4))
    since = round((START + timedelta(hours=3)).timestamp() * 1e6)
    log = load_logged(Tables(tmp_path), IDS, since=since)
    assert log.exposures.happened("like").tolist() == [True, False]


def test_an_empty_log_is_empty(tmp_path):
    log = load(tmp_path, event("view", "anna", "a", 1))
    assert (len(log), len(log.exposures)) == (0, 0)
    assert pytest.approx(log.propensities) == []
