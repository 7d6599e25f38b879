from random import Random

import pytest
from typer.testing import CliRunner

from kinoloop.cli.main import app, main
from kinoloop.errors import ConfigError, DataError
from tests.ingestion.landing_zone import EVENTS, VIDEOS, Zone

run = CliRunner()


@pytest.fixture
def landing(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOLOOP_LANDING", str(tmp_path / "landing"))
    return tmp_path / "landing"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "videos.csv").write_text("video_id,title\nv1,One\n")
    return folder


def test_import_writes_into_the_landing_zone_of_the_environment(landing, source):
    done = run.invoke(app, ["import", "tables", str(source)])
    assert done.exit_code == 0
    assert "1 videos and 0 events" in done.stdout
    assert "next: kinoloop ingest, then kinoloop extract and kinoloop retrain" in done.stdout
    assert len(list((landing / "videos").glob("*.parquet"))) == 1


def test_import_names_columns_and_events_by_flags_and_says_what_it_leaves_out(landing, source):
    (source / "events.csv").write_text(
        "uid,video_id,timestamp,event\nu1,v1,2026-01-02,play\nu1,v1,2026-01-03,ping\n"
    )
    flags = ["--map-columns", "user=uid", "--map-events", "play=view,ping="]
    done = run.invoke(app, ["import", "tables", str(source), *flags])
    assert done.exit_code == 0
    assert "1 events 'ping' left out, as asked" in done.stdout
    assert "1 videos and 1 events" in done.stdout


def test_import_takes_another_landing_zone_and_a_map(landing, source, tmp_path):
    (source / "videos.csv").write_text("clip,title\nv1,One\n")
    (source / "map.toml").write_text('videos.columns.video_id = "clip"\n')
    arguments = ["--landing", str(tmp_path / "other"), "--map", str(source / "map.toml")]
    assert run.invoke(app, ["import", "tables", str(source), *arguments]).exit_code == 0
    assert (tmp_path / "other" / "videos").is_dir()
    assert not landing.exists()


@pytest.mark.parametrize(
    ("time", "ids", "told"),
    [
        (
            lambda at: 0,
            lambda user, at: 7 * at % 8,
            "100% of the users carry one",
        ),
        (lambda at: at, lambda user, at: at, "100% of the users ascend or descend by id"),
        (lambda at: at, lambda user, at: Random(user).sample(range(8), 8)[at], ""),
    ],
    ids=["one time", "by id", "watched"],
)
def test_import_warns_where_the_order_of_events_means_nothing(landing, source, time, ids, told):
    rows = [
        f"u{user},v{ids(user, at):02d},2026-01-02T10:00:{time(at):02d}Z,view"
        for user in range(8)
        for at in range(8)
    ]
    (source / "events.csv").write_text("\n".join(["user_id,video_id,timestamp,event", *rows]))
    done = run.invoke(app, ["import", "tables", str(source)])
    assert done.exit_code == 0
    assert "1 videos and 64 events" in done.stdout
    assert told in done.stderr
    assert bool(told) == ("of the users" in done.stderr)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["netflix", "."], ConfigError, "no importer is called 'netflix'"),
        (["movielens", "nowhere"], DataError, "nowhere is not a folder"),
        (
            ["movielens", ".", "--map", "m.toml"],
            ConfigError,
            "--map belongs to the importer tables",
        ),
        (
            ["movielens", ".", "--map-events", "play=view"],
            ConfigError,
            "--map-events belongs to the importer tables",
        ),
    ],
)
def test_wrong_arguments_are_errors_that_say_what_is_right(landing, arguments, error, message):
    done = run.invoke(app, ["import", *arguments])
    assert isinstance(done.exception, error)
    assert message in str(done.exception)


def test_ingest_prints_counts_findings_and_where_the_report_is(
    prefect_server, landing, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    zone = Zone(tmp_path)
    zone.put("videos/a.csv", VIDEOS)
    zone.put("events/a.csv", EVENTS + "anna,v1,2025-12-30,stare,1\n")
    done = run.invoke(app, ["ingest"])
    assert "2 files" in done.stdout
    assert done.stdout.endswith("then kinoloop publish (and kinoloop retrain)\n")
    assert "1  event_kind_unknown" in done.stdout
    assert "data_docs/index.html" in done.stdout.replace("\n", "")
    assert "Nothing new" in run.invoke(app, ["ingest"]).stdout

    zone.put("events/b.csv", "")
    monkeypatch.setattr("sys.argv", ["kinoloop", "ingest"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "events/b.csv failed not_empty" in capsys.readouterr().err

    zone.put("events/c.csv", EVENTS.replace("T1", "T2"))
    zone.put("events/d.jsonl", '[{"user_id": "anna"}]')
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert "set aside: events/d.jsonl was set aside: json_lines" in told.err
    assert "still aside: events/b.csv" in told.out
    assert "1 files  2" in told.out
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.count("still aside:") == 2
