"""Events of unknown videos: held, counted once their video is known, given up with a reason."""

import shutil
from datetime import timedelta

import deltalake
import polars as pl
import pytest

from kinoloop.data.ids import IdMap
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.writers_lock import exclusive
from kinoloop.ingestion import held as holding
from kinoloop.ingestion.held import NEVER_KNOWN, expire, held
from kinoloop.schema import EVENTS as EVENT_COLUMNS
from tests.ingestion.landing_zone import EVENTS, KEY, NOW

LATE = "anna,v9,2025-12-31T12:00:00Z,view,3\n"


@pytest.fixture
def waiting(filled):
    filled.put("events/late.csv", EVENTS.splitlines()[0] + "\n" + LATE)
    filled.ingest()
    return filled


def give_up(zone, days):
    with exclusive(zone.tables):
        return expire(zone.tables, older_than=NOW + timedelta(days=days), now=NOW)


def histories(zone):
    ids = IdMap(zone.rows("videos")["video_id"].sort())
    found = load_histories(zone.tables, ids, InterestConfig())
    return {u: found.lengths[n] for n, u in enumerate(found.user_ids)}


def test_an_event_is_held_and_counts_by_itself_once_its_video_is_known(waiting):
    assert held(waiting.tables)["video_id"].to_list() == ["v9"]
    assert waiting.rows("batches").filter(pl.col("held") > 0)["file"].to_list() == [
        "events/late.csv"
    ]
    assert histories(waiting)[KEY.of("anna")] == 1
    waiting.put("videos/late.csv", "video_id,title,duration_s\nv9,Nine,5\n")
    waiting.ingest()
    assert held(waiting.tables).is_empty()
    assert histories(waiting)[KEY.of("anna")] == 2
    assert give_up(waiting, days=1) == 0


def test_what_waits_too_long_goes_to_the_quarantine_with_its_reason(waiting):
    assert give_up(waiting, days=0) == 0
    assert give_up(waiting, days=1) == 1
    assert waiting.reasons() == [[NEVER_KNOWN]]
    assert KEY.of("anna") in waiting.rows("quarantine")["row"][0]
    assert sorted(waiting.rows("events")["video_id"]) == ["v1", "v2"]
    assert give_up(waiting, days=1) == 0


def test_a_kill_between_quarantine_and_delete_loses_and_doubles_nothing(waiting, monkeypatch):
    def killed(text):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(holding, "_quoted", killed)
        with pytest.raises(KeyboardInterrupt):
            give_up(waiting, days=1)
    assert waiting.reasons() == [[NEVER_KNOWN]]
    assert give_up(waiting, days=1) == 1
    assert waiting.reasons() == [[NEVER_KNOWN]]
    assert sorted(waiting.rows("events")["video_id"]) == ["v1", "v2"]


def test_a_table_of_an_older_version_is_read_and_gets_the_new_columns(filled):
    filled.ingest()
    path = filled.tables.path("events")
    old = filled.rows("events").select(list(EVENT_COLUMNS)[:12])
    shutil.rmtree(path)
    deltalake.write_deltalake(str(path), old.to_arrow(), partition_by=["date"])
    assert filled.rows("events")["request_id"].to_list() == [None, None]
    filled.put(
        "events/b.csv",
        "user_id,video_id,event,timestamp,request_id\nanna,v1,like,2025-12-31T12:00:00Z,r\n",
    )
    assert filled.ingest().total("accepted") == 1
    events = filled.rows("events").sort("timestamp")
    assert events["request_id"].to_list() == [None, None, "r"]
