from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.tables import Tables
from kinoloop.data.written import MOST_CHARACTERS, Written, Wrote
from kinoloop.data.written_texts import load_written
from kinoloop.evaluation.split import leave_one_out, temporal_split
from kinoloop.schema import DAY_US, EVENT_KINDS, EVENTS

SEARCH, COMMENT = EVENT_KINDS.index("search"), EVENT_KINDS.index("comment")
START = datetime(2026, 9, 1, tzinfo=UTC)
VECTOR = np.ones(2, dtype=np.float32)


def encode(texts):
    return np.array([[len(text), 1] for text in texts], dtype=np.float32)


def tables(folder, *rows):
    filled = [
        {
            "event_id": f"e{number}",
            "video_id": None,
            "text": None,
            **row,
            "timestamp": START + timedelta(hours=row["timestamp"]),
            "date": START.date(),
        }
        for number, row in enumerate(rows)
    ]
    frame = pl.DataFrame(filled, schema={**EVENTS})
    frame.write_delta(str(folder / "events"))
    return Tables(folder)


def said(user, event, timestamp, **more):
    return {"user_id": user, "event": event, "timestamp": timestamp, **more}


def test_texts_of_users_are_read_as_vectors_oldest_first(tmp_path):
    events = tables(
        tmp_path,
        said("b", "search", 3, text="  trains "),
        said("b", "search", 1, text="chess"),
        said("a", "comment", 2, text="lovely", video_id="v1"),
        said("c", "search", 2, text="of nobody in the histories"),
        said("a", "search", 4, text="x" * (MOST_CHARACTERS + 1)),
        said("a", "search", 5, text=" "),
        said("a", "view", 6, video_id="v1", text="no text of mine"),
    )
    found = load_written(events, ["a", "b"], encode, space="s")
    assert found.offsets.tolist() == [0, 1, 3]
    assert found.kinds.tolist() == [COMMENT, SEARCH, SEARCH]
    assert found.vectors[found.texts, 0].tolist() == [6, 5, 6]
    assert (np.diff(found.timestamps[1:]) > 0).all()
    assert "chess" not in repr(found)
    early = load_written(events, ["a", "b"], encode, space="s", until=START + timedelta(hours=2))
    assert early.offsets.tolist() == [0, 0, 1]


def test_what_was_taken_back_does_not_count_and_ids_of_a_person_are_one(tmp_path):
    events = tables(
        tmp_path,
        said("phone", "search", 1, text="chess"),
        said("phone", "identify", 2, person_id="me"),
        said("me", "comment", 3, text="oh no", video_id="v1"),
        said("me", "undo", 4, video_id="v1", undoes="comment"),
    )
    found = load_written(events, ["me"], encode, space="s")
    assert found.kinds.tolist() == [SEARCH]


@pytest.fixture
def histories():
    days = [Interaction(video, timestamp=video * DAY_US) for video in range(6)]
    wrote = [Wrote(SEARCH, day * DAY_US + 1, VECTOR) for day in range(6)]
    rows = Histories.from_rows([days, []], ["a", "b"])
    written = Written.from_rows([wrote, [Wrote(COMMENT, 7, VECTOR)]], "s")
    return Histories(**{**vars(rows), "written": written})


def test_a_cut_in_time_leaves_nothing_that_was_written_later(histories):
    split = temporal_split(histories, validation_days=1, test_days=2)
    for window, newest in ((split.validation, 2), (split.test, 3)):
        known = window.histories.written
        assert known.timestamps.max() <= newest * DAY_US < window.targets.timestamps.min()
    assert split.train.written.timestamps.max() <= split.train.timestamps.max()
    held = leave_one_out(histories).test
    assert held.histories.written.timestamps.max() < held.targets.timestamps.min()


def test_rows_keep_their_texts(histories):
    swapped = histories.rows(np.array([1, 0, 1]))
    assert swapped.written.offsets.tolist() == [0, 1, 7, 8]
    assert histories.until(2 * DAY_US + 1).written.offsets.tolist() == [0, 3, 4]
    assert len(histories.select(histories.videos < 0).written.texts) == 0
