from datetime import timedelta

import polars as pl
import pytest

from kinoloop.errors import ConfigError
from kinoloop.ingestion.rule import IngestConfig
from kinoloop.ingestion.rules import RULES, rules_of
from tests.ingestion.landing_zone import NOW, VIDEOS

GOOD = {
    "user_id": "anna",
    "video_id": "v1",
    "timestamp": "2025-12-30T10:00:00Z",
    "event": "view",
    "watch_s": "9",
    "value": None,
    "duration_s": None,
    "logged_date": None,
    "logged_hour": None,
    "utc_offset_h": None,
}


def findings(zone, config=None, **changes):
    """Names of the rules that one event breaks, and whether it was accepted."""
    zone.put("videos/a.csv", VIDEOS)
    row = {**GOOD, **changes}
    zone.put("events/a.parquet", pl.DataFrame([row], schema=dict.fromkeys(row, pl.String)))
    staged = zone.ingest(config or IngestConfig(max_unreadable_share=1.0))
    (events,) = [file for file in staged.files if file.kind == "events"]
    return set(events.findings), events.accepted == 1


def test_a_good_event_breaks_no_rule(zone):
    assert findings(zone) == (set(), True)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"user_id": ""}, "event_user_missing"),
        ({"user_id": "u" * 2049}, "event_user_too_long"),
        ({"user_id": "a\nb"}, "event_user_unprintable"),
        ({"user_id": "\u00ad\u200d"}, "event_user_unprintable"),
        ({"user_id": "\u200b\u2060\ufeff"}, "event_user_missing"),
        ({"video_id": None}, "event_video_missing"),
        ({"timestamp": None}, "event_timestamp_missing"),
        ({"event": None}, "event_kind_missing"),
        ({"event": "stare"}, "event_kind_unknown"),
        ({"event": "undo", "video_id": None}, "event_undo_of_nothing"),
        ({"event": "undo", "undoes": "stare"}, "event_undo_of_nothing"),
        ({"event": "not_interested", "video_id": None}, "event_video_missing"),
        ({"event": "identify", "video_id": None}, "event_identify_without_person"),
        ({"event": "identify", "person_id": "a\nb"}, "event_user_unprintable"),
        ({"user_id": None, "pseudonym": "anna"}, "event_pseudonym_malformed"),
        ({"position": "-1"}, "event_position_negative"),
        ({"position": "1.5"}, "event_position_unreadable"),
        ({"propensity": "0"}, "event_propensity_out_of_range"),
        ({"propensity": "nan"}, "event_propensity_out_of_range"),
        ({"timestamp": "1969-12-31T23:59:59Z"}, "event_before_epoch"),
        ({"timestamp": (NOW + timedelta(hours=2)).isoformat()}, "event_in_future"),
        ({"timestamp": "yesterday"}, "event_timestamp_unreadable"),
        ({"watch_s": "long"}, "event_watch_s_unreadable"),
        ({"value": "five", "event": "rating"}, "event_value_unreadable"),
        ({"duration_s": "long"}, "event_duration_s_unreadable"),
        ({"watch_s": "-1"}, "event_watch_out_of_range"),
        ({"watch_s": "nan"}, "event_watch_out_of_range"),
        ({"value": "inf"}, "event_value_not_finite"),
        ({"event": "rating"}, "event_rating_without_value"),
    ],
)
def test_a_bad_event_is_quarantined_with_its_reason(zone, changes, rule):
    assert findings(zone, **changes) == ({rule}, False)
    assert zone.reasons() == [[rule]]


def test_an_id_that_no_address_can_name_is_quarantined_and_an_odd_one_is_not(zone):
    odd = ["a/b", "..", "two words", "\U0001f468\u200d\U0001f469", "視頻"]
    wrong = ["a\nb", "a\x00b", "a\u2028b", "\u200d", "\u00ad\u2061"]
    ids = [*odd, *wrong]
    frame = pl.DataFrame({"video_id": ids, "title": ids})
    zone.put("videos/a.parquet", frame)
    (videos,) = zone.ingest(IngestConfig(max_unreadable_share=1.0)).files
    assert (videos.accepted, videos.quarantined) == (len(odd), len(wrong))
    assert zone.reasons() == [["video_id_unprintable"]] * len(wrong)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"watch_s": "11"}, "event_watch_over_duration"),
        ({"watch_s": "0"}, "event_view_without_watch"),
        ({"duration_s": "0"}, "event_duration_not_positive"),
        ({"logged_date": "2025-12-29", "utc_offset_h": "8"}, "event_logged_date_disagrees"),
        ({"logged_hour": "10", "utc_offset_h": "8"}, "event_logged_hour_disagrees"),
        ({"logged_hour": "noon"}, "event_logged_hour_unreadable"),
        ({"context": "[" * 1200 + "]" * 1200}, "event_context_unfit"),
        ({"context": '{"network": ["wifi"]}'}, "event_context_unfit"),
    ],
)
def test_an_odd_event_is_accepted_and_warned_of(zone, changes, rule):
    assert findings(zone, **changes) == ({rule}, True)


def test_watch_time_far_over_duration_is_both_warned_of_and_quarantined(zone):
    found, accepted = findings(zone, watch_s="201")
    assert found == {"event_watch_over_duration", "event_watch_far_over_duration"}
    assert not accepted


def test_duration_of_the_log_comes_before_that_of_the_catalogue(zone):
    assert findings(zone, watch_s="11", duration_s="12") == (set(), True)


def test_date_and_hour_agree_in_the_time_zone_of_the_log(zone):
    stated = {"logged_date": "2025-12-30", "logged_hour": "18", "utc_offset_h": "8"}
    assert findings(zone, **stated) == (set(), True)


def test_an_absurd_offset_is_not_compared(zone):
    assert findings(zone, logged_hour="3", utc_offset_h="1e300") == (set(), True)


def test_a_search_may_name_no_video(zone):
    assert findings(zone, event="search", video_id=None, watch_s=None) == (set(), True)


@pytest.mark.parametrize(
    "changes",
    [
        {"event": "impression", "user_id": None, "request_id": "r", "position": "0"},
        {"user_id": None, "pseudonym": "0" * 32},
        {"event": "undo", "video_id": None, "undoes": "e1", "watch_s": None},
        {"event": "undo", "undoes": "like", "watch_s": None},
        {"event": "not_interested", "video_id": None, "creator_id": "c", "watch_s": None},
        {"event": "not_interested", "video_id": None, "label": "topic: war", "watch_s": None},
        {"event": "identify", "video_id": None, "person_id": "anna@home", "watch_s": None},
    ],
)
def test_what_needs_no_video_or_no_user_is_accepted_without_them(zone, changes):
    assert findings(zone, **changes) == (set(), True)


def test_only_unknown_videos_can_hold_a_row(filled):
    with pytest.raises(ConfigError, match="event_kind_unknown cannot hold a row"):
        filled.ingest(IngestConfig(rules={"event_kind_unknown": "hold"}))


def test_settings_change_the_severity_of_a_rule(zone):
    warn = IngestConfig(rules={"event_kind_unknown": "warn"})
    assert findings(zone, warn, event="stare") == ({"event_kind_unknown"}, True)


def test_settings_switch_a_rule_off(zone):
    off = IngestConfig(rules={"event_video_unknown": "off"})
    assert findings(zone, off, video_id="v9") == (set(), True)


def test_settings_that_name_an_unknown_rule_are_refused(filled):
    with pytest.raises(ConfigError, match="no rule is called 'event_kind'; there are event_"):
        filled.ingest(IngestConfig(rules={"event_kind": "warn"}))


def test_names_of_rules_are_unique_and_reasons_are_written():
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(rule.reason for rule in RULES)
    assert {rule.kind for rule in RULES} == {"videos", "events", "volume"}
    assert rules_of("volume", IngestConfig(rules={"volume_low": "off"}))
