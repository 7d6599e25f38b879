"""What was shown reaches the landing zone: each place once, within bounds, off the request path."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import polars as pl
import pytest

from kinoloop.ingestion.rule import IngestConfig
from serving import metrics
from serving.impressions import FOLDER, Answer, Impressions
from tests.ingestion.landing_zone import KEY, Zone


def answer(n: int, places: int = 2) -> Answer:
    videos = [f"v{place + 1}" for place in range(places)]
    return Answer(
        f"r{n}", KEY.of("anna"), 1_767_000_000_000_000 + n, "home", "tv", '{"net": "wifi"}', "7",
        "c1", "best_first", None, videos, [0.5] * places, [1.0] * places, ["Popular"] * places,
    )  # fmt: skip


def impressions(root: Path, **bounds) -> Impressions:
    limits = {"max_answers": 100, "max_bytes": 10**6, "max_rows": 10**6, **bounds}
    return Impressions(root / "spool", str(root / "landing"), **limits)


def landed(root: Path) -> pl.DataFrame:
    return pl.concat(map(pl.read_parquet, sorted((root / "landing" / FOLDER).glob("*"))))


def counted(outcome: str) -> float:
    return metrics.IMPRESSIONS.labels(outcome)._value.get()


def test_every_place_becomes_a_row_that_ingest_takes_and_knows(tmp_path):
    shown = impressions(tmp_path)
    for n in range(3):
        shown.record(answer(n))
    shown.flush()
    assert shown.export() == 6
    assert list((tmp_path / "spool").glob("*.jsonl")) == []
    zone = Zone(tmp_path)
    zone.put("videos/a.csv", "video_id,title\nv1,One\nv2,Two\n")
    staged = zone.ingest()
    assert (staged.total("accepted"), staged.findings()) == (8, {})
    rows = zone.rows("events").sort("event_id")
    assert rows["event_id"].to_list() == [f"r{n}:{place}" for n in range(3) for place in range(2)]
    assert set(rows["user_id"]) == {KEY.of("anna")}
    first = rows.row(0, named=True)
    said = (
        "event", "video_id", "request_id", "position", "score", "propensity", "policy", "arm",
        "surface", "device", "model_version", "catalogue_version", "reason", "context", "rules",
    )  # fmt: skip
    assert [first[name] for name in said] == [
        "impression", "v1", "r0", 0, 0.5, 1.0, "best_first", None, "home", "tv", "7", "c1",
        "Popular", '{"net": "wifi"}', "",
    ]  # fmt: skip


def test_what_moved_a_place_is_told_and_older_lines_of_a_spool_have_nothing_moved(tmp_path):
    shown = impressions(tmp_path)
    shown.record(answer(0)._replace(rules=["", "limit,explore"]))
    shown.record(answer(1))
    shown.flush()
    (spool,) = (tmp_path / "spool").glob("*.open")
    older = [json.loads(line)[:-1] for line in spool.read_text().splitlines()]
    shown.export()
    assert landed(tmp_path)["rules"].to_list() == ["", "limit,explore", "", ""]
    more = impressions(tmp_path / "older")
    (more.folder / "0-a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in older))
    assert more.export() == 4
    assert landed(tmp_path / "older")["rules"].to_list() == [""] * 4


def test_an_answer_to_nobody_is_recorded_too(tmp_path):
    shown = impressions(tmp_path)
    shown.record(answer(0)._replace(pseudonym=None, surface="search"))
    shown.flush()
    shown.export()
    zone = Zone(tmp_path)
    zone.put("videos/a.csv", "video_id,title\nv1,One\nv2,Two\n")
    assert zone.ingest(IngestConfig()).total("accepted") == 4
    assert zone.rows("events")["user_id"].to_list() == [None, None]


def test_what_the_queue_cannot_hold_is_counted_and_reported(tmp_path, caplog):
    shown, before = impressions(tmp_path, max_answers=1), counted("queue_full")
    for n in range(3):
        shown.record(answer(n))
    assert counted("queue_full") - before == 4
    assert "were not recorded (queue_full)" in caplog.text
    shown.flush()
    assert shown.export() == 2


def test_a_full_spool_and_a_full_disk_are_counted_and_cost_no_answer(tmp_path, monkeypatch, caplog):
    shown, before = impressions(tmp_path, max_bytes=1), counted("spool_full")
    for n in range(2):
        shown.record(answer(n))
        shown.flush()
    assert counted("spool_full") - before == 2

    def full(*_):
        raise OSError(28, "No space left on device")

    disk, lost = impressions(tmp_path / "other"), counted("disk")
    monkeypatch.setattr("serving.impressions.os.write", full)
    disk.record(answer(0))
    disk.flush()
    assert counted("disk") - lost == 2
    assert "No space left on device" in caplog.text


def test_a_landing_zone_that_takes_nothing_keeps_the_spool(tmp_path, monkeypatch):
    shown = impressions(tmp_path)
    shown.record(answer(0))
    shown.flush()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("serving.impressions.write", full)
        with pytest.raises(OSError, match="No space"):
            shown.export()
    assert shown.export() == 2
    assert len(landed(tmp_path)) == 2


def test_what_a_killed_worker_left_is_exported_by_another_and_a_living_ones_file_is_not(tmp_path):
    script = f"""
    import os, signal
    from pathlib import Path
    from tests.serving.test_impressions import answer, impressions
    shown = impressions(Path({str(tmp_path)!r}))
    shown.record(answer(0)); shown.flush()
    os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    living, other = impressions(tmp_path), impressions(tmp_path)
    living.record(answer(1))
    living.flush()
    assert other.export() == 2
    assert landed(tmp_path)["request_id"].unique().to_list() == ["r0"]
    assert living.export() == 2


def test_an_export_that_is_killed_before_it_tidies_up_doubles_nothing(tmp_path, monkeypatch):
    shown = impressions(tmp_path)
    shown.record(answer(0))
    shown.flush()

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            shown.export()
    shown.record(answer(1))
    shown.flush()
    shown.export()
    zone = Zone(tmp_path)
    zone.put("videos/a.csv", "video_id,title\nv1,One\nv2,Two\n")
    staged = zone.ingest()
    assert (zone.rows("events").height, staged.total("duplicates")) == (4, 2)


def test_files_of_impressions_are_of_bounded_size(tmp_path):
    shown = impressions(tmp_path, max_rows=3)
    for n in range(4):
        shown.record(answer(n))
        shown.flush()
        shown._segment.close()
        shown._segment = None
    assert shown.export() == 8
    files = sorted((tmp_path / "landing" / FOLDER).glob("*"))
    assert [pl.read_parquet(file).height for file in files] == [4, 4]
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
