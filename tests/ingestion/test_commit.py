import threading

import deltalake
import polars as pl
import pytest

from kinoloop.data import writers_lock
from kinoloop.data.key import key_id_of
from kinoloop.errors import ConfigError, DataError
from kinoloop.ingestion import commit
from kinoloop.ingestion.batch import FileCounts, check_balance
from kinoloop.privacy.pseudonyms import Pseudonyms
from tests.ingestion.landing_zone import EVENTS, KEY, NOW


def test_ingesting_the_same_files_again_changes_nothing(filled):
    filled.ingest()
    before = filled.versions()
    assert filled.ingest() is None
    assert filled.versions() == before


def test_committing_a_batch_that_the_ledger_has_changes_nothing(filled):
    with writers_lock.exclusive(filled.tables):
        staged = filled.stage()
        assert commit.commit(staged, filled.tables, now=NOW)
        before = filled.versions()
        assert not commit.commit(staged, filled.tables, now=NOW)
    assert filled.versions() == before


def test_ledger_has_one_row_a_file_with_its_counts(filled):
    filled.ingest()
    ledger = filled.rows("batches").sort("kind")
    assert ledger["file"].to_list() == ["events/a.csv", "videos/a.csv"]
    assert ledger["rows"].to_list() == ledger["accepted"].to_list() == [2, 2]
    assert ledger["batch_id"].n_unique() == 1
    landed = [(filled.landing / name).stat().st_mtime for name in ledger["file"]]
    assert [at.timestamp() for at in ledger["landed_at"]] == pytest.approx(landed, abs=1e-3)


def test_nothing_of_a_batch_is_left_beside_the_data(filled):
    filled.ingest()
    place = filled.tables.workspace
    assert {p.name for p in place.iterdir()} <= {"lock", "unversioned", "staging"}
    assert not list(place.rglob("*.parquet"))


def test_a_committed_batch_waits_for_its_version(filled):
    assert not writers_lock.unversioned(filled.tables).exists()
    filled.ingest()
    assert writers_lock.unversioned(filled.tables).exists()


def test_events_are_partitioned_by_day_and_readable_by_delta(filled):
    filled.ingest()
    table = deltalake.DeltaTable(str(filled.tables.path("events")))
    assert table.metadata().partition_columns == ["date"]
    assert table.to_pyarrow_table().num_rows == 2
    assert table.version() == 1  # created empty, then one commit


def test_counts_that_do_not_add_up_are_never_committed(filled):
    with writers_lock.exclusive(filled.tables):
        staged = filled.stage()
        staged.files[0].accepted += 1
        with pytest.raises(DataError, match=r"2 rows in, but 3 accepted \+ 0 quarantined"):
            commit.commit(staged, filled.tables, now=NOW)
    assert set(filled.versions().values()) == {-1}


def test_balance_holds_for_a_file_of_nothing():
    check_balance([FileCounts(file="f", kind="events", digest="d")])


def test_a_table_that_changed_since_staging_refuses_the_commit(filled):
    with writers_lock.exclusive(filled.tables):
        staged = filled.stage()
        staged.against["events"] = 7
        with pytest.raises(DataError, match="table events is at version -1, but the batch was"):
            commit.commit(staged, filled.tables, now=NOW)


def test_another_pseudonym_key_is_refused_and_changes_nothing(filled):
    filled.ingest()
    before = filled.versions()
    filled.put("events/b.csv", EVENTS.replace("anna", "clara"))
    with pytest.raises(ConfigError, match="every user would become two"):
        filled.ingest(pseudonyms=Pseudonyms(b"x" * 32))
    assert filled.versions() == before
    assert key_id_of(filled.tables) == KEY.key_id


def test_a_damaged_key_file_is_an_error_that_says_how_to_restore_it(filled):
    filled.ingest()
    (filled.tables.root / "pseudonyms.json").write_text("{}")
    with pytest.raises(DataError, match="dvc checkout data"):
        key_id_of(filled.tables)


def test_a_second_writer_waits_and_then_says_who_is_there(filled):
    held, done = threading.Event(), threading.Event()

    def hold():
        with writers_lock.exclusive(filled.tables):
            held.set()
            done.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(30)
    with (
        pytest.raises(DataError, match=r"another writer of .*data holds"),
        writers_lock.exclusive(filled.tables, timeout_s=0.1),
    ):
        pass
    done.set()
    other.join()


def test_undoing_keeps_what_others_appended_meanwhile(filled, monkeypatch):
    filled.put("events/b.csv", EVENTS + "x,v1,2025-12-31,stare,1\n")
    monkeypatch.setattr(commit, "_ledger", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        filled.ingest()
    monkeypatch.undo()
    other = filled.rows("quarantine").with_columns(batch_id=pl.lit("other"))
    path = str(filled.tables.path("quarantine"))
    deltalake.write_deltalake(path, other.to_arrow(), mode="append")
    with writers_lock.exclusive(filled.tables):
        assert filled.rows("quarantine")["batch_id"].to_list() == ["other"]
        assert filled.rows("events").is_empty()


def test_undoing_videos_keeps_what_others_wrote_meanwhile(filled, monkeypatch):
    filled.ingest()
    changed = "video_id,title,tags\nv1,Uno,a|b\nv2,Dos,\nv3,Three,c\n"
    filled.put("videos/b.csv", changed)
    monkeypatch.setattr(commit, "_ledger", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        filled.ingest()
    monkeypatch.undo()
    theirs = filled.rows("videos").with_columns(
        title=pl.when(video_id="v2").then(pl.lit("Zwei")).otherwise("title")
    )
    path = str(filled.tables.path("videos"))
    deltalake.write_deltalake(path, theirs.to_arrow(), mode="overwrite")
    with writers_lock.exclusive(filled.tables):
        titles = dict(filled.rows("videos").select("video_id", "title").iter_rows())
        assert titles == {"v1": "One", "v2": "Zwei"}
    filled.ingest()
    assert filled.rows("videos").sort("video_id")["title"].to_list() == ["Uno", "Dos", "Three"]


def test_a_damaged_journal_says_how_to_go_on(filled):
    filled.ingest()
    (filled.tables.workspace / "journal.json").write_text("{")
    with (
        pytest.raises(DataError, match=r"dvc checkout.*delete that file"),
        writers_lock.exclusive(filled.tables),
    ):
        pass
