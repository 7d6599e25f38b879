import fsspec

from kinoloop.ingestion.landing import look
from tests.ingestion.landing_zone import EVENTS, VIDEOS


def test_missing_landing_zone_has_no_files(zone):
    assert look(str(zone.landing), zone.tables).new == []


def test_finds_videos_before_events_in_subfolders_and_skips_hidden_files(filled):
    filled.put("events/feedback/b.jsonl", "{}")
    filled.put("events/.b.jsonl.tmp", "half")
    filled.put("events/_temporary/c.csv", "half")
    found = look(str(filled.landing), filled.tables)
    assert [f.file for f in found.new] == [
        "videos/a.csv",
        "events/a.csv",
        "events/feedback/b.jsonl",
    ]


def test_names_files_that_it_can_not_read(filled, caplog):
    filled.put("events/readme.txt", "hello")
    assert look(str(filled.landing), filled.tables).ignored == ["events/readme.txt"]
    assert "neither Parquet, CSV nor JSONL" in caplog.text


def test_same_content_under_two_names_is_one_file(filled):
    filled.put("events/copy.csv", EVENTS)
    found = look(str(filled.landing), filled.tables)
    assert found.repeated == ["events/copy.csv"]


def test_file_that_was_ingested_is_known_under_any_name(filled):
    filled.ingest()
    (filled.landing / "videos/a.csv").rename(filled.landing / "videos/moved.csv")
    found = look(str(filled.landing), filled.tables)
    assert found.new == []
    assert found.known == ["videos/moved.csv", "events/a.csv"]


def test_landing_zone_may_be_an_fsspec_url(zone):
    files = fsspec.filesystem("memory")
    with files.open("/bucket/videos/a.csv", "wb") as file:
        file.write(VIDEOS.encode())
    (found,) = look("memory://bucket", zone.tables).new
    assert found.file == "videos/a.csv"
