import pytest

from kinoloop.errors import BatchError
from kinoloop.ingestion.landing import look
from kinoloop.ingestion.rule import IngestConfig
from kinoloop.ingestion.set_aside import hold_back, remember, source_of

CONFIG = IngestConfig()


@pytest.fixture
def place(tmp_path):
    return tmp_path / "set-aside.json"


@pytest.fixture
def bad(filled):
    """One broken file beside two good ones, which are ingested."""
    return filled.put("events/b.csv", "user_id\na\n")


def looked(zone):
    return look(str(zone.landing), zone.tables)


def judged(zone, place, config=CONFIG):
    """Ingest, and return what is reported."""
    return remember([], zone.ingest(config).set_aside, place, config)


def test_a_broken_file_is_reported_once_and_not_read_again(filled, bad, place):
    assert [one.file for one in judged(filled, place)] == ["events/b.csv"]
    arrivals = looked(filled)
    (held,) = hold_back(arrivals, place, CONFIG)
    assert (held.file, held.check, arrivals.new) == ("events/b.csv", "column_exists", [])
    assert remember([held], [], place, CONFIG) == []


def test_a_file_is_judged_again_when_it_or_the_settings_change(filled, bad, place):
    judged(filled, place)
    other = looked(filled)
    assert hold_back(other, place, IngestConfig(max_watch_s=1.0)) == []
    assert len(other.new) == 1
    bad.write_text("user_id,video_id,timestamp,event\na,v1,2025-12-30,view\n")
    assert hold_back(looked(filled), place, CONFIG) == []
    assert filled.ingest().total("accepted") == 1


def test_a_file_that_only_waits_is_looked_at_again_and_not_reported_again(filled, place):
    rows = "".join(f"u{i},v9,2025-12-30,view\n" for i in range(100))
    filled.put("events/b.csv", "user_id,video_id,timestamp,event\n" + rows)
    assert len(judged(filled, place)) == 1
    assert hold_back(looked(filled), place, CONFIG) == []
    assert judged(filled, place) == []
    filled.put("videos/b.csv", "video_id,title\nv9,Nine\n")
    assert filled.ingest().total("accepted") == 101


def test_a_record_that_can_not_be_read_is_no_record(filled, bad, place):
    place.write_bytes(b"\xff{")
    assert len(judged(filled, place)) == 1


def test_the_error_of_a_batch_with_nothing_left_counts_the_others(zone, place):
    zone.put("events/a.csv", "user_id\na\n")
    (aside,) = zone.ingest().set_aside
    with pytest.raises(
        BatchError, match=r"events/a.csv, column 'video_id' .*2 more files were set"
    ):
        raise aside.as_error(2)


def test_sources_are_folders_or_patterns():
    sources = ("events/shop", "*/club/*")
    assert source_of("events/shop/2025/a.csv", sources) == "events/shop"
    assert source_of("videos/club/a.csv", sources) == "*/club/*"
    assert source_of("events/shopping/a.csv", sources) is None
