from datetime import UTC, datetime

import polars as pl
import pytest

from kinoloop.errors import ConfigError, DataError
from kinoloop.ingestion.importers.table_map import Map, columns_of, read_map, with_kinds
from kinoloop.ingestion.importers.tables import import_tables
from tests.ingestion.importers.reading import imported

MAP = """
[videos]
files = "manifest.csv"
columns.video_id = "file"
columns.title = "subject"
columns.media = "{root}/media/{file}"
columns.subtitles = "{root}/media/{side}"
values.language = "en"
[events]
files = "plays/*.jsonl"
columns.user_id = "member"
columns.video_id = "clip"
columns.timestamp = "at"
values.event = "view"
times.timestamp = "ms"
"""


@pytest.fixture
def source(tmp_path):
    (tmp_path / "manifest.csv").write_text(
        "file,subject,side,fps\na.mp4,Sea,a.vtt,25\nb.mp4,Sky,,30\n"
    )
    (tmp_path / "plays").mkdir()
    (tmp_path / "plays" / "1.jsonl").write_text(
        '{"member": 7, "clip": "a.mp4", "at": 881250949000}\n'
    )
    (tmp_path / "map.toml").write_text(MAP)
    return tmp_path


def mapped(source):
    def run(folder, landing):
        import_tables(folder, landing, mapping=read_map(folder / "map.toml"))

    return imported("tables", source, run)


def test_a_map_names_columns_patterns_constants_and_units(source):
    videos, events = mapped(source)
    assert videos.row(0, named=True) == {
        "video_id": "a.mp4",
        "title": "Sea",
        "media": f"{source}/media/a.mp4",
        "subtitles": f"{source}/media/a.vtt",
        "language": "en",
        "side": "a.vtt",
        "fps": "25",
    }
    assert videos["subtitles"][1] is None
    assert events.row(0, named=True) == {
        "user_id": "7",
        "video_id": "a.mp4",
        "timestamp": datetime(1997, 12, 4, 15, 55, 49, tzinfo=UTC),
        "event": "view",
    }


def test_landing_names_need_no_map(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.csv").write_text("video_id,title\nv1,One\n")
    frame = pl.DataFrame(
        {"user_id": [1], "video_id": ["v1"], "timestamp": [None], "event": ["view"]}
    )
    frame.write_parquet(tmp_path / "events.parquet")
    videos, events = imported("tables", tmp_path)
    assert videos.rows() == [("v1", "One")]
    assert events.equals(frame)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ('"file"', '"path"', DataError, "has no column 'path', which the map names"),
        ('"manifest.csv"', '"m.csv"', DataError, "no file below .* matches 'm.csv'"),
        ('times.timestamp = "ms"', 'times.when = "ms"', DataError, "'when', which the map gives"),
        ('columns.title = "subject"', "", DataError, "has no column 'title'; it has file, subject"),
        ('times.timestamp = "ms"', 'times.timestamp = "h"', ConfigError, "events.times.timestamp"),
        ("[videos]", "[videos", ConfigError, "is not valid TOML"),
    ],
)
def test_a_wrong_map_is_an_error_that_says_where(source, old, new, error, message):
    (source / "map.toml").write_text(MAP.replace(old, new))
    with pytest.raises(error, match=message):
        mapped(source)


def test_a_missing_map_is_an_error(source):
    (source / "map.toml").unlink()
    with pytest.raises(ConfigError, match="there is no map file"):
        mapped(source)


def test_a_folder_without_tables_is_an_error(tmp_path):
    with pytest.raises(DataError, match="has neither videos nor events"):
        imported("tables", tmp_path)


def test_a_broken_line_is_an_error_that_names_it(source):
    (source / "plays" / "1.jsonl").write_text("{\n")
    with pytest.raises(DataError, match="line 1 is not a row"):
        mapped(source)


def clocks(source, rows, unit):
    events = "user_id,video_id,ts,event\n" + "".join(f"u,v1,{t},view\n" for t in rows)
    (source / "events.csv").write_text(events)
    named = f'events.columns.timestamp = "ts"\nevents.times.timestamp = "{unit}"\n'
    (source / "map.toml").write_text(named)
    return mapped(source)[1]["timestamp"]


def test_epochs_with_a_fraction_keep_it_as_text_and_as_floats(tmp_path):
    whole = datetime(2020, 3, 5, 3, 23, 49, tzinfo=UTC)
    expected = [whole.replace(microsecond=552_000), whole, whole, whole]
    (tmp_path / "videos.csv").write_text("video_id,title\nv1,One\n")
    rows = ["1583378629.552", "1583378629", "1583378629.0", "1.583378629E9"]
    assert clocks(tmp_path, rows, "s").to_list() == expected
    frame = pl.read_csv(tmp_path / "events.csv").with_columns(pl.col("ts").cast(pl.Float64))
    frame.write_parquet(tmp_path / "events.parquet")
    (tmp_path / "events.csv").unlink()
    assert mapped(tmp_path)[1]["timestamp"].to_list() == expected


def test_a_unit_that_the_size_of_the_numbers_contradicts_is_an_error_with_the_first(tmp_path):
    message = r"events\.csv: column 'ts': '1583378629\.552' is an epoch in s, not in ms"
    with pytest.raises(DataError, match=message):
        clocks(tmp_path, ["1583378629.552", "1583378629"], "ms")


LOG = [
    {"uid": "u1", "clip": "a", "at": "2026-01-02T00:00:00Z", "what": "play"},
    {"uid": "u1", "clip": "a", "at": "2026-01-02T00:01:00Z", "what": "heart"},
    {"uid": "u2", "clip": "b", "at": "2026-01-02T00:02:00Z", "what": "play"},
    {"uid": "u2", "clip": "b", "at": "2026-01-02T00:03:00Z", "what": "ping"},
    {"uid": "u2", "clip": "b", "at": "2026-01-02T00:04:00Z", "what": None},
]
COLUMNS = "user=uid,video=clip,time=at,event=what,videos.title=name"


def by_flags(folder, kinds, columns=COLUMNS):
    left_out = {}

    def run(source, landing):
        mapping = with_kinds(Map(), kinds)
        left_out.update(
            import_tables(source, landing, mapping=mapping, columns=columns_of(columns))
        )

    return *imported("tables", folder, run), left_out


def write_log(folder, ending):
    videos = pl.DataFrame({"clip": ["a", "b"], "name": ["One", "Two"]})
    events = pl.DataFrame(LOG)
    for name, frame in {"videos": videos, "events": events}.items():
        path = folder / f"{name}.{ending}"
        {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[
            ending
        ](path)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_flags_name_columns_and_kinds_of_event_and_count_what_is_left_out(tmp_path, ending):
    write_log(tmp_path, ending)
    videos, events, left_out = by_flags(tmp_path, "play=view,heart=like,ping=")
    assert videos.rows() == [("a", "One"), ("b", "Two")]
    assert sorted(events.columns) == ["event", "timestamp", "user_id", "video_id"]
    assert events["event"].to_list() == ["view", "like", "view", None]
    assert events["user_id"].to_list() == ["u1", "u1", "u2", "u2"]
    assert left_out == {"ping": 1}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_unknown_kinds_of_event_are_refused_by_name_before_anything_is_written(tmp_path, ending):
    write_log(tmp_path, ending)
    message = (
        r"3 of 4 events have a kind that is not known: 'play', 'ping'\. Column 'what' has "
        r"'play' \(2\), 'heart' \(1\), 'ping' \(1\); .*--map-events play=view.*Nothing was imported"
    )
    with pytest.raises(DataError, match=message):
        by_flags(tmp_path, "heart=like")
    assert not list(tmp_path.with_name(f"{tmp_path.name}-landing").rglob("*.parquet"))


def test_a_map_file_names_kinds_of_event(tmp_path):
    write_log(tmp_path, "csv")
    (tmp_path / "map.toml").write_text(
        'videos.columns = { video_id = "clip", title = "name" }\n[events]\n'
        'columns = { user_id = "uid", video_id = "clip", timestamp = "at", event = "what" }\n'
        'kinds = { play = "view", heart = "like", ping = "skip" }\n'
    )
    assert mapped(tmp_path)[1]["event"].to_list() == ["view", "like", "view", "skip", None]


@pytest.mark.parametrize(
    ("kinds", "columns", "error", "message"),
    [
        ("play", COLUMNS, ConfigError, "--map-events has 'play', expected pairs such as play=view"),
        ("play=watch", COLUMNS, ConfigError, "play cannot be 'watch'; the kinds are impression"),
        ("", "users=uid", ConfigError, "--map-columns has users=uid; expected LANDING_COLUMN"),
        ("", "videos.user=uid", ConfigError, "--map-columns has videos.user=uid"),
        ("", "user=who", DataError, "no file of events has a column 'who' for user_id; there are"),
    ],
)
def test_wrong_flags_are_refused_with_what_there_is(tmp_path, kinds, columns, error, message):
    write_log(tmp_path, "csv")
    with pytest.raises(error, match=message):
        by_flags(tmp_path, kinds, columns)


def test_a_pattern_cannot_name_kinds_of_event(source):
    (source / "map.toml").write_text(
        MAP.replace('values.event = "view"', 'columns.event = "{member}-{clip}"')
    )
    with pytest.raises(ConfigError, match="name one column"):
        mapped(source)
