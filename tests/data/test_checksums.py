import json
import os
import random

import deltalake
import polars as pl
import pytest

from kinoloop.data import checksums, writers_lock
from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.checksums import check, drop_torn, find_damage, seal, unsealed
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.errors import DataError
from kinoloop.schema import TABLES
from tests.ingestion.landing_zone import EVENTS

FLIPS = 180


def flip(path, bit):
    """Turn one bit, as rot does: size and times stay."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def damage(tables):
    return [one for name in TABLES for one in find_damage(tables, name)]


@pytest.fixture
def rotting(filled):
    """Two batches in, with quarantine, and a checkpoint of every table that has rows."""
    filled.ingest()
    filled.put("videos/b.csv", "video_id,title\nv1,Uno\nv3,Three\n")
    filled.put("events/b.csv", EVENTS.replace("anna", "clara") + "x,v3,2025-12-31,stare,1\n")
    filled.ingest()
    with writers_lock.exclusive(filled.tables):
        for name in writers_lock.COMMITTED:
            deltalake.DeltaTable(str(filled.tables.path(name))).create_checkpoint()
    return filled


def test_whole_tables_have_no_damage(rotting):
    assert damage(rotting.tables) == []
    assert [unsealed(rotting.tables, name) for name in TABLES] == [0] * len(TABLES)


def test_no_flipped_bit_of_any_file_of_the_tables_is_read_in_silence(rotting):
    rng = random.Random(0)
    files = sorted(
        path
        for name in writers_lock.COMMITTED
        for path in rotting.tables.path(name).rglob("*")
        if path.is_file()
    )
    assert {path.name for path in files} >= {"_checksums.json", "_last_checkpoint"}
    assert any(path.name.endswith(".checkpoint.parquet") for path in files)
    silent = []
    for turn in range(FLIPS):
        path = files[turn % len(files)]
        bit = rng.randrange(path.stat().st_size * 8)
        flip(path, bit)
        if path not in {one.path for one in damage(rotting.tables)}:
            silent.append((path, bit))
        flip(path, bit)
    assert silent == []
    assert damage(rotting.tables) == []


def test_damage_says_how_many_rows_are_lost(rotting):
    path = sorted(rotting.tables.path("events").glob("date=2025-12-31/*.parquet"))[0]
    flip(path, 900)
    (one,) = damage(rotting.tables)
    assert one.path == path
    assert one.what.startswith("its SHA-256 is ")
    assert one.lost == "1 rows of table events cannot be trusted"
    path.unlink()
    (one,) = damage(rotting.tables)
    assert one.what == "it is missing"
    assert "1 rows" in one.lost


def test_a_commit_that_vanished_from_the_log_is_damage(rotting):
    log = rotting.tables.path("batches") / "_delta_log"
    newest = max(log.glob("*.json"))
    newest.unlink()
    assert newest in {one.path for one in damage(rotting.tables)}


def test_training_and_evaluation_refuse_to_read_damaged_tables(rotting):
    ids = load_catalogue(rotting.tables).ids
    path = sorted(rotting.tables.path("events").glob("date=*/*.parquet"))[0]
    flip(path, 700)
    with pytest.raises(DataError, match=r"is damaged: its SHA-256 .*`kinoloop verify`"):
        load_histories(rotting.tables, ids, InterestConfig())


def test_a_file_is_read_once_per_process_for_its_checksum(rotting, monkeypatch):
    check(rotting.tables, TABLES)
    monkeypatch.setattr(checksums, "_measure", lambda path: 1 / 0)
    check(rotting.tables, TABLES)
    with pytest.raises(ZeroDivisionError):
        damage(rotting.tables)


def test_tables_of_an_older_version_get_their_checksums_from_the_next_writer(rotting):
    for name in writers_lock.COMMITTED:
        (rotting.tables.path(name) / "_checksums.json").unlink()
    assert damage(rotting.tables) == []
    assert unsealed(rotting.tables, "events") > 0
    with writers_lock.exclusive(rotting.tables):
        assert unsealed(rotting.tables, "events") == 0
    assert writers_lock.unversioned(rotting.tables).exists()


def test_a_damaged_record_says_how_to_get_another(rotting):
    path = rotting.tables.path("events") / "_checksums.json"
    document = json.loads(path.read_text())
    document["files"].popitem()
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="does not match its own digest"):
        seal(rotting.tables, "events")


def test_files_that_only_older_versions_need_may_go(rotting):
    table = deltalake.DeltaTable(str(rotting.tables.path("videos")))
    with writers_lock.exclusive(rotting.tables):
        gone = table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    assert gone
    assert damage(rotting.tables) == []


def append(rotting):
    """A commit of somebody who died before anything of it was flushed; its log entry and file."""
    folder = rotting.tables.path("videos")
    before = {*folder.rglob("*.*")}
    rows = pl.DataFrame({"video_id": ["v9"]}).to_arrow()
    deltalake.write_deltalake(str(folder), rows, mode="append", schema_mode="merge")
    fresh = {*folder.rglob("*.*")} - before
    return [next(p for p in fresh if p.suffix == suffix) for suffix in (".json", ".parquet")]


@pytest.mark.parametrize("torn", ["entry empty", "entry half", "file empty", "file gone"])
def test_a_commit_that_a_power_cut_tore_is_dropped_by_the_next_writer(rotting, torn):
    before = rotting.rows("videos").sort("video_id")
    entry, file = append(rotting)
    content = {"entry empty": b"", "entry half": entry.read_bytes()[:99], "file empty": b""}
    if torn == "file gone":
        file.unlink()
    else:
        (entry if "entry" in torn else file).write_bytes(content[torn])
    with writers_lock.exclusive(rotting.tables):
        assert rotting.rows("videos").sort("video_id").equals(before)
    assert damage(rotting.tables) == []


def test_a_commit_that_is_whole_is_kept_though_nobody_sealed_it(rotting):
    append(rotting)
    assert drop_torn(rotting.tables, "videos") == []
    with writers_lock.exclusive(rotting.tables):
        assert "v9" in rotting.rows("videos")["video_id"]


def test_a_damaged_commit_that_was_sealed_is_reported_and_never_dropped(rotting):
    entry = max((rotting.tables.path("videos") / "_delta_log").glob("*.json"))
    entry.write_bytes(b"")
    assert drop_torn(rotting.tables, "videos") == []
    assert entry in {one.path for one in damage(rotting.tables)}
