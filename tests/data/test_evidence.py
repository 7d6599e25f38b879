"""What was taken back does not count, and the ids of one person are one."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from kinoloop.data.evidence import evidence, persons
from kinoloop.data.exposures import load_exposures
from kinoloop.data.ids import IdMap
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.schema import EVENTS

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
IDS = IdMap(["v1", "v2"])


def tables_of(root, *rows) -> Tables:
    """Events an hour apart, in order: dicts of what is not null."""
    filled = [
        {"event_id": f"e{n}", "timestamp": START + timedelta(hours=n), **row}
        for n, row in enumerate(rows)
    ]
    frame = pl.DataFrame(filled, schema={k: v for k, v in EVENTS.items() if k != "date"})
    frame = frame.with_columns(date=pl.col("timestamp").dt.date()).select(*EVENTS)
    tables = Tables(root)
    frame.write_delta(str(tables.path("events")))
    return tables


def did(user, event, video=None, **more):
    return {"user_id": user, "event": event, "video_id": video, **more}


def left(tables) -> set[str]:
    return set(evidence(tables).collect()["event_id"])


@pytest.mark.parametrize(
    ("undo", "gone"),
    [
        (did("a", "undo", "v1", undoes="like"), {"e1"}),
        (did("a", "undo", "v1", undoes="view"), {"e0"}),
        (did("a", "undo", undoes="e0"), {"e0"}),
        (did("b", "undo", "v1", undoes="like"), set()),
        (did("b", "undo", undoes="e0"), set()),
        (did("a", "undo", "v2", undoes="like"), set()),
        (did("a", "undo", undoes="e9"), set()),
    ],
)
def test_an_undo_takes_back_what_its_own_user_did_before(tmp_path, undo, gone):
    tables = tables_of(
        tmp_path, did("a", "view", "v1"), did("a", "like", "v1"), undo, did("a", "like", "v1")
    )
    assert left(tables) == {"e0", "e1", "e2", "e3"} - gone


def test_histories_are_those_without_what_was_taken_back(tmp_path):
    tables = tables_of(
        tmp_path,
        did("a", "like", "v1"),
        did("a", "view", "v2"),
        did("a", "undo", "v1", undoes="like"),
    )
    found = load_histories(tables, IDS, InterestConfig())
    assert (found.user_ids, found.videos.tolist()) == (("a",), [1])


def test_the_histories_of_linked_ids_are_one_persons(tmp_path):
    tables = tables_of(
        tmp_path,
        did("tv", "view", "v1"),
        did("guest", "view", "v2"),
        did("tv", "identify", person_id="anna"),
        did("guest", "identify", person_id="tv"),
        did("bert", "view", "v1"),
    )
    found = load_histories(tables, IDS, InterestConfig())
    assert (found.user_ids, found.lengths.tolist()) == (("anna", "bert"), [2, 1])


def test_the_newest_word_on_an_id_counts_and_a_circle_is_one_person():
    said = pl.DataFrame(
        [("tv", "anna", 1), ("tv", "bert", 2), ("a", "b", 1), ("b", "a", 2), ("c", "c", 1)],
        schema=["user_id", "person_id", "timestamp"],
        orient="row",
    )
    assert persons(said) == {"tv": "bert", "bert": "bert", "a": "a", "b": "a"}


def test_feedback_joins_the_impression_of_its_request_over_midnight(tmp_path):
    late = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    tables = tables_of(
        tmp_path,
        did("a", "impression", "v1", request_id="r", timestamp=late),
        did("a", "impression", "v2", request_id="r", timestamp=late),
        did("a", "like", "v1", request_id="r", timestamp=late + timedelta(minutes=5)),
    )
    found = load_exposures(tables, IDS)
    assert found.shown.tolist() == [True, True]
    assert found.happened("like").tolist() == [True, False]  # the second is a true negative


def test_an_impression_without_a_user_is_that_of_whoever_answers_it(tmp_path):
    tables = tables_of(
        tmp_path,
        did(None, "impression", "v1", request_id="r"),
        did(None, "impression", "v2", request_id="r"),
        did(None, "impression", "v2", request_id="nobody"),
        did("a", "view", "v1", request_id="r"),
    )
    found = load_exposures(tables, IDS)
    assert found.user_ids == ("a",)
    assert found.videos.tolist() == [0, 1]
    assert found.happened("view").tolist() == [True, False]
