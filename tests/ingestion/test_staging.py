import json
import re

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinoloop.ingestion.rule import IngestConfig
from kinoloop.privacy.pseudonyms import Pseudonyms
from tests.ingestion.landing_zone import EVENTS, KEY, NOW, VIDEOS, Zone

HEADER = "user_id,video_id,timestamp,event,watch_s\n"


def test_good_rows_are_committed_and_bad_rows_quarantined_with_reasons(filled):
    filled.put("events/b.csv", HEADER + "anna,v1,2025-12-30,stare,-1\n,v1,2025-12-30,view,-1\n")
    staged = filled.ingest()
    assert staged.total("rows") == 6
    assert (staged.total("accepted"), staged.total("quarantined")) == (4, 2)
    assert filled.reasons() == [
        ["event_kind_unknown", "event_watch_out_of_range"],
        ["event_user_missing", "event_watch_out_of_range"],
    ]


def test_user_ids_are_pseudonyms_everywhere(filled):
    filled.put("events/b.csv", HEADER + "anna,v1,2025-12-30,stare,1\nclara\n")
    filled.ingest()
    events, quarantine = filled.rows("events"), filled.rows("quarantine")
    assert set(events["user_id"]) == {KEY.of("anna"), KEY.of("bert")}
    assert json.loads(quarantine["row"][0])["user_id"] == KEY.of("anna")
    told = {"line": 3, "why": "another number of cells than the header"}
    assert json.loads(quarantine["row"][1]) == told
    for path in filled.tables.root.rglob("*"):
        if path.is_file():
            assert not any(name in path.read_bytes() for name in (b"anna", b"bert", b"clara"))


def test_columns_of_events_that_nobody_knows_are_named_and_not_kept(filled):
    filled.put("events/b.csv", "user_id,video_id,timestamp,event,mail\na,v1,2025-12-30,bad,x@y\n")
    staged = filled.ingest()
    assert staged.files[-1].ignored_columns == ["mail"]
    assert "x@y" not in filled.rows("quarantine")["row"][0]


def test_ids_that_differ_only_by_spaces_are_one_user_and_decimal_ones_are_warned_of(filled):
    rows = ["anna ,v1,2025-12-30,view,1", "anna, v2 ,2025-12-29,view,1", "1.0,v1,2025-12-30,view,1"]
    filled.put("events/b.csv", HEADER + "\n".join(rows) + "\n")
    staged = filled.ingest()
    assert (staged.total("accepted"), staged.findings()) == (7, {"event_id_decimal": 1})
    assert set(filled.rows("events")["user_id"]) == {KEY.of(i) for i in ("anna", "bert", "1.0")}


def test_no_interest_in_a_label_that_no_video_has_is_kept_and_warned_of(filled):
    head = "user_id,video_id,timestamp,event,label\n"
    row = "{},,2025-12-30T10:00:00Z,not_interested,{}\n"
    filled.put("events/b.csv", head + row.format("a", "anything"))
    assert filled.ingest().findings() == {}  # nothing is known of what videos are about
    filled.put("videos/b.csv", "video_id,title,category,tags\nv9,Nine,Music,rain|night\n")
    filled.ingest()
    said = ["music", "night", "Nihgt"]
    filled.put("events/c.csv", head + "".join(row.format(n, s) for n, s in enumerate(said)))
    staged = filled.ingest()
    assert (staged.total("accepted"), staged.findings()) == (3, {"event_label_unknown": 1})


def test_zero_durations_are_stored_as_unknown(zone):
    zone.put("videos/a.csv", "video_id,title,duration_s\nv1,One,0\nv2,Two,-3\nv3,Three,nan\n")
    staged = zone.ingest()
    assert staged.findings() == {"video_duration_not_positive": 3}
    assert zone.rows("videos")["duration_s"].to_list() == [None] * 3


def test_addresses_with_credentials_are_stored_as_unknown_and_shown_nowhere(zone):
    zone.put(
        "videos/a.csv",
        "video_id,title,media,subtitles\n"
        "v1,One,https://me:hunter2@host/a.mp4,b.srt\n"
        "v2,Two,https://host/a.mp4?v=2,https://host/a.srt?X-Amz-Signature=hunter2\n"
        ",Three,https://host/a.mp4?token=hunter2,\n",
    )
    staged = zone.ingest()
    assert staged.findings()["video_media_with_credentials"] == 2
    assert staged.findings()["video_subtitles_with_credentials"] == 1
    videos = zone.rows("videos").sort("video_id")
    assert videos["media"].to_list() == [None, "https://host/a.mp4?v=2"]
    assert videos["subtitles"].to_list() == ["b.srt", None]
    assert len(zone.rows("quarantine")) == 1
    for name in ("videos", "quarantine"):
        assert "hunter2" not in str(zone.rows(name).to_dicts())


def test_two_rows_of_one_video_in_a_file_keep_the_first(zone):
    zone.put("videos/a.csv", "video_id,title\nv1,One\nv1,Two\nv1,One\n")
    staged = zone.ingest(IngestConfig(chunk_rows=1))
    assert staged.findings() == {"video_id_conflict": 1}
    assert (staged.total("accepted"), staged.total("duplicates")) == (1, 1)
    assert zone.rows("videos")["title"].to_list() == ["One"]


def test_an_unreadable_first_row_of_a_video_does_not_stand_in_the_way(zone):
    zone.put("videos/a.csv", "video_id,title,duration_s\nv1,One,x\nv1,One,3\nv2,Two,2\n")
    assert zone.ingest().findings() == {"video_duration_s_unreadable": 1}
    assert sorted(zone.rows("videos")["video_id"]) == ["v1", "v2"]


def test_of_two_files_the_later_name_wins(zone):
    zone.put("videos/2025-01-01.csv", "video_id,title\nv1,Old\n")
    zone.put("videos/2025-01-02.csv", "video_id,title\nv1,New\n")
    staged = zone.ingest()
    assert [file.duplicates for file in staged.files] == [1, 0]
    assert zone.rows("videos")["title"].to_list() == ["New"]


def test_a_later_batch_replaces_videos_that_changed_and_only_those(filled):
    filled.ingest()
    filled.put("videos/b.csv", "video_id,title,duration_s\nv1,One,10\nv2,Zwei,20\nv3,Three,30\n")
    staged = filled.ingest()
    assert (staged.total("accepted"), staged.total("duplicates")) == (2, 1)
    titles = filled.rows("videos").sort("video_id")["title"].to_list()
    assert titles == ["One", "Zwei", "Three"]


def test_equal_events_count_once_in_a_batch_and_against_the_table(filled):
    filled.put("events/b.csv", EVENTS + "anna,v1,2025-12-30T10:00:00Z,view,9\n")
    assert filled.ingest().total("duplicates") == 3
    filled.put("events/c.csv", EVENTS + "anna,v1,2025-12-30T10:00:01Z,view,9\n")
    staged = filled.ingest()
    assert (staged.total("accepted"), staged.total("duplicates")) == (1, 2)
    assert filled.rows("events")["event_id"].n_unique() == filled.rows("events").height == 3


def test_given_event_ids_name_events(filled):
    head = HEADER.replace("\n", ",event_id\n")
    filled.put("events/b.csv", head + "a,v1,2025-12-30,view,1,e1\na,v1,2025-12-30,view,2,e1\n")
    assert filled.ingest().total("duplicates") == 1
    assert "e1" in filled.rows("events")["event_id"].to_list()


def test_hashed_event_ids_never_change(filled):
    filled.ingest()
    assert filled.rows("events").sort("date")["event_id"].to_list() == [
        "9db1ebef7a888bb0b89fc1a038933e28",
        "239a3bd9315ad0e8e49e9664e554d089",
    ]


def test_small_chunks_give_the_same_tables_as_large_ones(tmp_path):
    rows = [
        f"u{i % 7},v{1 + i % 2},2025-12-{1 + i % 9:02d}T00:00:{i % 3:02d}Z,view,{i % 5}\n"
        for i in range(300)
    ]
    found = []
    for name, config in (("a", IngestConfig()), ("b", IngestConfig(chunk_rows=7))):
        zone = Zone(tmp_path / name)
        zone.put("videos/a.csv", VIDEOS)
        zone.put("events/a.csv", HEADER + "".join(rows[:200]))
        zone.put("events/b.csv", HEADER + "".join(rows[100:]))
        staged = zone.ingest(config)
        found.append((staged.total("duplicates"), zone.rows("events").sort("event_id")))
    assert found[0][0] == found[1][0] == 100
    assert found[0][1].equals(found[1][1])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "events/b.csv",
            "user_id,video_id,event\na,v1,view\n",
            "column 'timestamp', was set aside: column_exists",
        ),
        ("events/b.csv", HEADER, "events/b.csv was set aside: not_empty"),
        ("events/b.csv", HEADER + "a,v1,2025-12-30,view,much\n", "'watch_s', was .* column_type"),
        ("videos/b.csv", "video_id\nv1\n", "videos/b.csv, column 'title', was .* column_exists"),
        ("videos/b.csv", "video_id,title,title\nv1,a,b\n", "'title', was .* column_unique"),
        ("events/b.jsonl", '[{"user_id": "a"},\n{"user_id": "b"}]\n', "json_lines.* JSON array"),
        ("events/b.csv", "clara,v1,2025-12-30,view\n", "is its header missing"),
        ("events/b.csv", "user_id;video_id;timestamp;event\n", "not separated by commas"),
        ("events/b.parquet", "no parquet", "readable"),
        (
            "events/b.parquet",
            pl.DataFrame(
                {"user_id": ["a"], "video_id": ["v1"], "timestamp": [1], "event": ["view"]}
            ),
            r"'timestamp', was .*column_type\. .* first: '1' is a number whose unit",
        ),
        (
            "events/b.csv",
            HEADER + "".join(f"u{i},v9,2025-12-30,view,1\n" for i in range(100)),
            r"column 'video_id', was set aside: event_video_unknown \(100 times\)",
        ),
    ],
)
def test_a_file_that_breaks_its_contract_is_set_aside_and_the_others_commit(
    filled, name, content, message
):
    filled.put(name, content)
    staged = filled.ingest()
    (aside,) = staged.set_aside
    assert re.search(message, aside.message)
    assert "clara" not in aside.message
    assert (aside.file, staged.total("accepted"), staged.total("quarantined")) == (name, 4, 0)
    assert filled.rows("events").height == filled.rows("videos").height == 2
    assert filled.rows("batches")["file"].sort().to_list() == ["events/a.csv", "videos/a.csv"]


def test_a_batch_of_which_nothing_is_left_changes_nothing(zone):
    zone.put("videos/a.csv", "video_id\nv1\n")
    zone.put("events/a.csv", "user_id\na\n")
    staged = zone.ingest()
    assert [one.file for one in staged.set_aside] == ["videos/a.csv", "events/a.csv"]
    assert staged.files == []
    assert set(zone.versions().values()) == {-1}
    assert not (zone.tables.workspace / "staging" / "batch").exists()


def test_events_whose_videos_are_set_aside_wait_for_them_and_others_do_not(filled):
    bad = "video_id,title,duration_s\nv3,Three,long\n"
    filled.put("videos/b.csv", bad)
    filled.put("events/b.csv", HEADER + "a,v3,2025-12-30,view,1\na,v1,2025-12-30,view,1\n")
    filled.put("events/c.csv", HEADER + "a,v9,2025-12-30,view,1\na,v2,2025-12-30,view,1\n")
    staged = filled.ingest()
    assert {one.file: one.check for one in staged.set_aside} == {
        "videos/b.csv": "column_type",
        "events/b.csv": "waits_for_videos",
    }
    assert (staged.total("accepted"), staged.total("held"), filled.reasons()) == (6, 1, [])
    filled.put("videos/b.csv", bad.replace("long", "30"))
    assert filled.ingest().total("accepted") == 3


def test_a_source_that_is_named_commits_whole_or_not_at_all(filled):
    filled.put("events/shop/a.csv", HEADER + "a,v1,2025-12-30,view,1\n")
    filled.put("events/shop/b.csv", "user_id\na\n")
    staged = filled.ingest(IngestConfig(whole=("events/shop",)))
    assert {one.file: one.check for one in staged.set_aside} == {
        "events/shop/a.csv": "whole_source",
        "events/shop/b.csv": "column_exists",
    }
    assert staged.total("accepted") == 4


def test_a_pattern_makes_the_whole_landing_zone_one_source(filled):
    filled.put("events/b.csv", HEADER + "a,v1,2025-12-30,view,much\n")
    staged = filled.ingest(IngestConfig(whole=("*",)))
    assert (staged.files, len(staged.set_aside)) == ([], 3)
    assert set(filled.versions().values()) == {-1}


def test_what_the_service_acknowledged_is_judged_row_by_row(filled):
    rows = [f"u{i},v1,2025-12-30,view,{9e8 if i else 1}\n" for i in range(200)]
    filled.put("events/feedback/b.csv", HEADER + "".join(rows))
    staged = filled.ingest()
    assert staged.set_aside == []
    assert (staged.total("accepted"), staged.total("quarantined")) == (5, 199)


def test_unreadable_columns_that_only_warn_do_not_refuse_the_batch(filled):
    head = HEADER.replace("\n", ",logged_hour\n")
    filled.put("events/b.csv", head + "a,v1,2025-12-30,view,1,noon\n")
    assert filled.ingest().findings() == {"event_logged_hour_unreadable": 1}


def test_a_file_that_grows_or_goes_while_it_is_read_is_set_aside(filled):
    path = filled.landing / "events/a.csv"
    gone = filled.put("events/b.csv", HEADER + "a,v1,2025-12-30,view,1\n")

    def write(kind, frame):
        if kind == "events":
            path.write_text(EVENTS + EVENTS)
            gone.unlink(missing_ok=True)

    staged = filled.ingest(observe=write)
    assert {one.file: one.check for one in staged.set_aside} == {
        "events/a.csv": "unchanged",
        "events/b.csv": "readable",
    }
    assert staged.total("accepted") == 2


def test_events_of_an_earlier_batch_s_videos_are_known(filled):
    filled.ingest()
    filled.put("events/b.csv", HEADER + "a,v2,2025-12-30,view,1\n")
    assert filled.ingest().total("accepted") == 1


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
garbage = st.fixed_dictionaries(
    {
        "user_id": st.one_of(st.none(), st.sampled_from(["a", "b", ""]), text),
        "video_id": st.one_of(st.none(), st.sampled_from(["v1", "v2"]), text),
        "timestamp": st.one_of(
            st.none(), st.sampled_from(["2025-12-30", "0001-01-01", "9999-12-31T23:59:59Z"]), text
        ),
        "event": st.one_of(st.none(), st.sampled_from(["view", "search", "rating"]), text),
        "watch_s": st.one_of(st.none(), st.floats().map(str), text),
        "value": st.one_of(st.none(), st.floats().map(str), text),
        "text": text,
        "event_id": st.one_of(st.none(), st.sampled_from(["e1", "e2"])),
        "duration_s": st.one_of(st.none(), st.floats().map(str)),
        "logged_date": st.one_of(st.none(), st.sampled_from(["2025-12-30"]), text),
        "logged_hour": st.one_of(st.none(), st.floats().map(str)),
        "utc_offset_h": st.one_of(st.none(), st.floats().map(str)),
    }
)
clips = st.fixed_dictionaries(
    {
        "video_id": st.one_of(st.none(), st.sampled_from(["v1", "v2"]), text),
        "title": st.one_of(st.none(), text),
        "duration_s": st.one_of(st.none(), st.floats().map(str), text),
        "tags": st.one_of(st.none(), text, st.just('["a"]')),
        "published_at": st.one_of(st.none(), text, st.just("2025-01-01")),
        "mood": text,
    }
)
LENIENT = IngestConfig(chunk_rows=3, max_unreadable_share=1.0, max_quarantined_share=1.0)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    events=st.lists(garbage, min_size=1, max_size=12),
    videos=st.lists(clips, min_size=1, max_size=6),
    ending=st.sampled_from(["parquet", "csv", "jsonl"]),
)
def test_rows_in_are_accepted_or_quarantined_or_duplicates(
    tmp_path_factory, events, videos, ending
):
    zone = Zone(tmp_path_factory.mktemp("zone"))
    for kind, rows in (("videos", videos), ("events", events)):
        frame = pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.String))
        path = zone.put(f"{kind}/a.{ending}", "")
        {"parquet": frame.write_parquet, "csv": frame.write_csv, "jsonl": frame.write_ndjson}[
            ending
        ](path)
    staged = zone.ingest(LENIENT)
    assert staged.total("rows") == len(events) + len(videos)
    assert zone.rows("events").height + zone.rows("videos").height == staged.total("accepted")
    assert zone.rows("quarantine").height == staged.total("quarantined")
    ledger = zone.rows("batches")
    assert (
        ledger["rows"] == ledger["accepted"] + ledger["quarantined"] + ledger["duplicates"]
    ).all()
    assert zone.ingest(LENIENT) is None


def test_now_is_later_than_the_sample_events():
    assert NOW.year == 2026
    assert Pseudonyms(b"k" * 32).key_id == KEY.key_id
