from datetime import UTC, datetime

import deltalake
import polars as pl
import pytest

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.ingestion.rule import IngestConfig
from kinoloop.schema import MEDIA
from tests.ingestion.landing_zone import Zone

# catalogue says, decoding found (outcome, seconds, width, seconds of sound), what counts
CASES = {
    "measured": (None, ("ok", 6.0, 64, 0.0), 6.0),
    "contradicted": (60.0, ("ok", 6.0, 64, 0.0), 6.0),
    "sound only": (None, ("ok", 6.0, 0, 6.0), 6.0),
    "not decoded": (60.0, None, 60.0),
    "unknown": (None, None, None),
    "zero": (0.0, None, None),
    "read in part": (60.0, ("partial", 6.0, 64, 6.0), 60.0),
    "all that is known": (None, ("partial", 6.0, 64, 6.0), 6.0),
    "unreadable": (60.0, ("quarantined", 0.0, 0, 0.0), 60.0),
    "subtitles only": (60.0, ("ok", 3.0, 0, 0.0), 60.0),
    "picture": (None, ("ok", 0.0, 64, 0.0), None),
}


@pytest.fixture
def zone(tmp_path):
    """Each video was watched for half a second."""
    zone = Zone(tmp_path)
    lines = [
        f"{name},{name},{'' if said is None else said}" for name, (said, _, _) in CASES.items()
    ]
    zone.put("videos/v.csv", "\n".join(["video_id,title,duration_s", *lines]))
    views = [f"anna,{name},2025-12-01T10:00:{n:02d}Z,view,0.5" for n, name in enumerate(CASES)]
    zone.put("events/e.csv", "\n".join(["user_id,video_id,timestamp,event,watch_s", *views]))
    zone.ingest()
    rows = [
        {"video_id": name, "outcome": found[0], "duration_s": found[1], "width": found[2],
         "audio_s": found[3], "extracted_at": datetime(2026, 1, 1, tzinfo=UTC)}
        for name, (_, found, _) in CASES.items() if found is not None
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema_overrides={name: MEDIA[name] for name in rows[0]})
    rest = [pl.lit(None, t).alias(c) for c, t in MEDIA.items() if c not in frame.columns]
    whole = frame.with_columns(rest).select(*MEDIA)
    deltalake.write_deltalake(str(zone.tables.path("media")), whole.to_arrow())
    return zone


def test_what_decoding_measures_counts_in_the_catalogue_and_so_in_the_release(zone):
    videos = load_catalogue(zone.tables, {}).videos
    found = dict(zip(videos["video_id"], videos["duration_s"], strict=True))
    assert found == {name: counts for name, (_, _, counts) in CASES.items()}


def test_half_a_second_of_six_is_a_skip_whatever_the_catalogue_says_or_leaves_out(zone):
    catalogue, config = load_catalogue(zone.tables, {}), InterestConfig()
    histories = load_histories(zone.tables, catalogue.ids, config)
    for video, weight in zip(histories.videos, histories.weights, strict=True):
        counts = CASES[catalogue.ids.ids[video]][2]
        assert weight == (config.view if counts is None else config.skip)


def test_the_rules_of_events_hold_watch_times_against_what_was_measured(zone):
    lines = [f"anna,{name},2025-12-02T10:00:{n:02d}Z,view,130" for n, name in enumerate(CASES)]
    zone.put("events/long.csv", "\n".join(["user_id,video_id,timestamp,event,watch_s", *lines]))
    zone.ingest(IngestConfig(max_quarantined_share=1.0))
    far_over = {
        name for name, (_, _, counts) in CASES.items() if counts is not None and counts * 20 < 130
    }
    assert len(zone.rows("quarantine")) == len(far_over)


def test_a_catalogue_that_comes_again_does_not_undo_what_was_measured(zone):
    zone.put("videos/again.csv", "video_id,title,duration_s\nmeasured,Again,6000\n")
    zone.put(
        "events/long.csv",
        "user_id,video_id,timestamp,event,watch_s\nanna,measured,2025-12-02T10:00:00Z,view,130\n",
    )
    zone.ingest()
    assert zone.reasons() == [["event_watch_far_over_duration"]]
