import itertools
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinoloop.data.ids import IdMap
from kinoloop.ingestion.event_rules import EVENT_RULES
from kinoloop.ingestion.rule import EPOCH, IngestConfig
from kinoloop.schema import EVENT_KINDS
from serving.event_check import EventCheck, Videos
from serving.outbox import Outbox
from serving.sqlite_state import SqliteState
from tests.ingestion.landing_zone import KEY, Zone

GOOD = {"user_id": "u", "video_id": "v1", "event": "view"}
VIDEOS = {"v1": 10.0, "v2": None, "v 3": 60.0, "ünï/çødé?x=1#f": 3.0, "L" * 2048: 60.0}


def check(*events, config=None, clock_skew_s=60.0, videos=VIDEOS, pseudonym=None):
    checker = EventCheck(
        config or IngestConfig(),
        pseudonym=pseudonym or (lambda user: f"p-{user}"),
        clock_skew_s=clock_skew_s,
    )
    if videos is None:
        return checker.sort_out(events, None)
    durations = np.array([np.nan if d is None else d for d in videos.values()])
    return checker.sort_out(events, Videos(IdMap(videos), durations))


def test_a_good_event_keeps_the_pseudonym_and_hands_on_all_that_was_said():
    said = {"text": "wow", "surface": "tv", "device": "remote", "event_id": "e-7", "duration_s": 12,
            "request_id": "r", "position": 2}  # fmt: skip
    events, parcels, positions, rejections, *_ = check(
        {**GOOD, "watch_s": 3, "timestamp": 1_790_000_000, **said}
    )
    assert (positions, rejections) == ([0], [])
    (event,), (parcel,) = events, parcels
    assert (event.user, event.video_id, event.event, event.watch_s) == ("p-u", "v1", "view", 3.0)
    assert event.timestamp == 1_790_000_000_000_000
    assert len(event.event_id) == 32
    assert parcel[:6] == ("u", "e-7", "wow", "tv", "remote", 12.0)
    assert parcel[6:] == ("r", 2, None, None, None, None)


def test_an_event_of_a_video_that_nobody_knows_yet_is_taken_and_named():
    checked = check(GOOD, {**GOOD, "video_id": "gone"}, {"user_id": "u", "event": "search"})
    assert (len(checked.events), checked.held, checked.rejections) == (3, [1], [])


def test_no_interest_in_a_label_that_no_video_has_is_refused_where_labels_are_known():
    def checked(*labels, known=("dog", "shows:dog", "music")):
        about = Videos(IdMap(VIDEOS), np.full(len(VIDEOS), np.nan), None, lambda: known)
        said = [{"user_id": "u", "event": "not_interested", "label": label} for label in labels]
        undo = {"user_id": "u", "event": "undo", "undoes": "not_interested", "label": "gone"}
        checker = EventCheck(IngestConfig(), pseudonym=str, clock_skew_s=60.0)
        return checker.sort_out([*said, undo], about)

    told = checked(" Dog", "shows:dog", "dgo", "Music")
    assert told.positions == [0, 1, 3, 4]
    (refused,) = told.rejections
    assert refused[:3] == (2, "label", "event_label_unknown")
    assert "GET /videos/{video_id}" in refused.expected
    assert checked("dgo", known=()).rejections == []


def test_whoever_somebody_is_said_to_be_gets_a_pseudonym():
    checked = check({"user_id": "tv", "event": "identify", "person_id": "anna"})
    assert (checked.parcels[0].person_id, checked.persons) == ("anna", {"anna": "p-anna"})


def test_spaces_around_ids_make_no_other_user_or_video():
    padded = {"user_id": " u\t", "video_id": " v 3 ", "event": "view", "timestamp": 1_790_000_000}
    (one, other), *_ = check(padded, {**padded, "user_id": "u", "video_id": "v 3"})
    assert one == other


@pytest.mark.parametrize("user", [None, "", "  ", "\u200b"])
def test_an_impression_without_a_user_is_refused_though_ingestion_takes_the_services_own(user):
    shown = {"video_id": "v1", "event": "impression", "request_id": "r-1"}
    (rejection,) = check({**shown, "user_id": user}).rejections
    assert (rejection.field, rejection.reason) == ("user_id", "event_user_missing")


def test_a_search_needs_no_video_and_everything_else_does():
    search = {"user_id": "u", "event": "search", "text": "soup"}
    events, parcels, _, rejections, *_ = check(search, {"user_id": "u", "event": "view"})
    assert [(e.event, e.video_id) for e in events] == [("search", "")]
    assert parcels[0].text == "soup"
    assert [(r.position, r.reason) for r in rejections] == [(1, "event_video_missing")]


@pytest.mark.parametrize("extra", ["liked", "video", "batch_id", "x" * 500])
def test_a_field_that_the_landing_zone_does_not_keep_is_refused_by_name(extra):
    (rejection,) = check({**GOOD, extra: 1}).rejections
    assert (rejection.field, rejection.reason) == (extra[:120], "unknown_field")
    assert "surface" in rejection.expected


def test_the_id_of_an_event_depends_on_all_of_it_and_on_nothing_else():
    at = {"timestamp": "2026-11-01T00:00:00Z"}
    others = [{"event": "like"}, {"text": "x"}, {"surface": "x"}, {"device": "x"}, {"watch_s": 1},
              {"value": 1}, {"user_id": "w"}, {"timestamp": "2026-11-01T00:00:01Z"}]  # fmt: skip
    made = check({**GOOD, **at}, {**at, **GOOD}, *({**GOOD, **at, **o} for o in others)).events
    ids = [event.event_id for event in made]
    assert ids[0] == ids[1]
    assert len(set(ids)) == len(ids) - 1


def test_a_name_that_the_client_gives_counts_for_one_day():
    named = {**GOOD, "event_id": "e", "timestamp": "2026-11-01T00:00:00Z"}
    again = {**named, "watch_s": 5, "timestamp": "2026-11-01T23:59:59Z"}
    tomorrow = {**named, "timestamp": "2026-11-02T00:00:00Z"}
    first, second, third = (event.event_id for event in check(named, again, tomorrow).events)
    assert first == second != third


@pytest.mark.parametrize(
    "timestamp",
    ["2026-11-01T12:00:00Z", "2026-11-01T13:00:00+01:00", "2026-11-01T12:00:00", 1793534400.0,
     "2026-11-01 09:00:00-03", "2026-11-01 12:00:00 UTC", 1793534400000],
)  # fmt: skip
def test_timestamps_are_utc_whatever_their_form(timestamp):
    assert check({**GOOD, "timestamp": timestamp}).events[0].timestamp == 1_793_534_400_000_000


def test_an_event_without_a_time_happened_now():
    for event in check(GOOD, {**GOOD, "timestamp": None}).events:
        assert abs(event.timestamp / 1e6 - time.time()) < 300


def test_a_clock_may_run_ahead_as_far_as_both_settings_allow():
    ahead = {**GOOD, "timestamp": time.time() + 600}
    assert check(ahead, clock_skew_s=3000.0).events
    assert check(ahead, clock_skew_s=5.0).rejections[0].reason == "event_in_future"
    strict = IngestConfig(future_tolerance_s=5.0)
    assert check(ahead, clock_skew_s=3000.0, config=strict).rejections


@pytest.mark.parametrize(
    ("event", "field", "reason"),
    [
        ("text", "event", "not_an_object"),
        ({**GOOD, "user_id": None}, "user_id", "event_user_missing"),
        ({**GOOD, "user_id": ""}, "user_id", "event_user_missing"),
        ({**GOOD, "user_id": "  "}, "user_id", "event_user_missing"),
        ({**GOOD, "user_id": True}, "user_id", "not_text_or_number"),
        ({**GOOD, "user_id": ["u"]}, "user_id", "not_text_or_number"),
        ({**GOOD, "user_id": "u" * 2049}, "user_id", "event_user_too_long"),
        ({**GOOD, "user_id": "a\nb"}, "user_id", "event_user_unprintable"),
        ({**GOOD, "user_id": "\u200b\u200d"}, "user_id", "event_user_unprintable"),
        ({**GOOD, "surface": "u" * 2049}, "surface", "too_long"),
        ({**GOOD, "user_id": "\ud800"}, "user_id", "not_unicode"),
        ({**GOOD, "video_id": None}, "video_id", "event_video_missing"),
        ({"user_id": "u", "event": "undo"}, "undoes", "event_undo_of_nothing"),
        ({"user_id": "u", "event": "identify"}, "person_id", "event_identify_without_person"),
        ({"user_id": "u", "event": "not_interested"}, "video_id", "event_video_missing"),
        ({**GOOD, "position": 1.5}, "position", "event_position_unreadable"),
        ({**GOOD, "position": -1}, "position", "event_position_negative"),
        ({**GOOD, "pseudonym": "0" * 32}, "pseudonym", "unknown_field"),
        ({**GOOD, "propensity": 0.5}, "propensity", "unknown_field"),
        ({**GOOD, "event": "clap"}, "event", "event_kind_unknown"),
        ({**GOOD, "event": ["view"]}, "event", "not_text_or_number"),
        ({**GOOD, "event": None}, "event", "event_kind_missing"),
        ({**GOOD, "watch_s": -0.5}, "watch_s", "event_watch_out_of_range"),
        ({**GOOD, "watch_s": "long"}, "watch_s", "event_watch_s_unreadable"),
        ({**GOOD, "watch_s": True}, "watch_s", "not_text_or_number"),
        ({**GOOD, "watch_s": float("nan")}, "watch_s", "event_watch_out_of_range"),
        ({**GOOD, "video_id": "v2", "watch_s": 90_000}, "watch_s", "event_watch_out_of_range"),
        ({**GOOD, "watch_s": 9e8}, "watch_s", "event_watch_out_of_range"),
        ({**GOOD, "watch_s": 201}, "watch_s", "event_watch_far_over_duration"),
        ({**GOOD, "watch_s": 30, "duration_s": 1}, "watch_s", "event_watch_far_over_duration"),
        ({**GOOD, "value": float("inf")}, "value", "event_value_not_finite"),
        ({**GOOD, "event": "rating"}, "value", "event_rating_without_value"),
        ({**GOOD, "timestamp": "soon"}, "timestamp", "event_timestamp_unreadable"),
        ({**GOOD, "timestamp": [1]}, "timestamp", "not_text_or_number"),
        ({**GOOD, "timestamp": 1e300}, "timestamp", "event_timestamp_unreadable"),
        ({**GOOD, "timestamp": "2999-01-01"}, "timestamp", "event_in_future"),
        ({**GOOD, "timestamp": "1969-12-31T00:00:00Z"}, "timestamp", "event_before_epoch"),
    ],
)  # fmt: skip
def test_a_wrong_event_says_why_and_does_not_hold_up_the_others(event, field, reason):
    checked = check(GOOD, event, GOOD)
    assert len(checked.events) == len(checked.parcels) == 2
    (rejection,) = checked.rejections
    assert (rejection.position, rejection.field, rejection.reason) == (1, field, reason)
    assert rejection.expected


def test_every_rule_of_events_has_a_word_on_what_is_right():
    expected = EventCheck(IngestConfig(), pseudonym=str, clock_skew_s=1)._expected
    assert {rule.column for rule in EVENT_RULES} <= set(expected)


@pytest.mark.parametrize(
    ("severity", "taken"), [("quarantine", False), ("warn", True), ("off", True)]
)
@pytest.mark.parametrize(
    ("rule", "event"),
    [
        ("event_watch_out_of_range", {**GOOD, "video_id": "v2", "watch_s": 9e8}),
        ("event_watch_far_over_duration", {**GOOD, "watch_s": 500}),
        ("event_view_without_watch", {**GOOD, "watch_s": 0}),
        ("event_video_unknown", {**GOOD, "video_id": "gone"}),
    ],
)
def test_rules_have_the_severity_that_ingest_gives_them(rule, event, severity, taken):
    checked = check(event, config=IngestConfig(rules={rule: severity}))
    assert bool(checked.events) is taken
    assert [r.reason for r in checked.rejections] == ([] if taken else [rule])


def test_what_live_state_can_not_do_without_is_asked_for_whatever_the_settings():
    rules = dict.fromkeys(
        ["event_user_missing", "event_kind_unknown", "event_timestamp_unreadable"], "off"
    )
    wrong = [{**GOOD, "user_id": ""}, {**GOOD, "event": "clap"}, {**GOOD, "timestamp": "soon"}]
    assert len(check(*wrong, config=IngestConfig(rules=rules)).rejections) == 3


def test_without_a_release_no_video_is_unknown():
    assert len(check({**GOOD, "video_id": "gone"}, videos=None).events) == 1


# What `/feedback` accepts, ingest accepts.

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.one_of(
    st.none(), st.integers(0, 60), st.floats(0, 60), st.floats(0, 60).map(str), st.floats(), words
)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.timedeltas(timedelta(days=-9000), timedelta(days=200)).map(lambda ago: NOON + ago)
times = st.one_of(
    st.builds(lambda moment, zone: moment.astimezone(zone).isoformat(), moments, zones),
    moments.map(lambda moment: moment.replace(tzinfo=None).isoformat(" ")),
    moments.map(datetime.timestamp),
    moments.map(lambda moment: round(moment.timestamp() * 1000)),
    words,
)
some_events = st.fixed_dictionaries(
    {
        "user_id": st.one_of(words, st.integers(0, 10**9), st.sampled_from([" anna ", "anna"])),
        "video_id": st.sampled_from([*VIDEOS, *VIDEOS, "gone", None]),
        "event": st.sampled_from([*EVENT_KINDS, *EVENT_KINDS, "search", "clap"]),
        "timestamp": times,
    },
    optional={
        "watch_s": numbers,
        "value": numbers,
        "text": st.one_of(st.none(), words, st.text(max_size=50)),
        "surface": words,
        "device": words,
        "event_id": words,
        "duration_s": numbers,
        "logged_hour": numbers,
        "logged_date": words,
        "utc_offset_h": numbers,
        "request_id": words,
        "position": numbers,
        "undoes": st.one_of(words, st.sampled_from(EVENT_KINDS)),
        "creator_id": words,
        "label": words,
        "person_id": words,
    },
)


@pytest.fixture(scope="module")
def zone():
    with tempfile.TemporaryDirectory() as folder:
        zone = Zone(Path(folder))
        rows = [json.dumps({"video_id": v, "title": v, "duration_s": d}) for v, d in VIDEOS.items()]
        zone.put("videos/a.jsonl", "\n".join(rows))
        zone.ingest()
        zone.numbers = itertools.count()
        yield zone


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests=st.lists(some_events, max_size=20), strict=st.booleans())
def test_what_feedback_accepts_ingest_accepts_with_every_value_as_it_was(zone, requests, strict):
    for event in requests:
        if "event_id" in event:  # of two events of one name the first counts, there as here
            event["event_id"] = f"{next(zone.numbers)} {event['event_id']}"
    rules = {"event_view_without_watch": "quarantine", "event_watch_over_duration": "quarantine"}
    config = IngestConfig(rules=rules if strict else {}, volume_min_mean=1e9)
    checked = check(*requests, config=config, pseudonym=KEY.of)
    assert len(checked.events) + len(checked.rejections) == len(requests)
    with tempfile.TemporaryDirectory() as folder:
        state = SqliteState(Path(folder) / "live.db")
        new = state.record(checked.events, checked.parcels, checked.persons)
        Outbox(state, str(zone.landing), max_rows=1000).export()
        state.shut()
    staged = zone.ingest(config)
    if staged is not None:  # None: nothing was accepted, or the very file that came before
        assert (staged.total("rows"), staged.total("quarantined")) == (new, 0)
    rows = {row["event_id"]: row for row in zone.rows("events").iter_rows(named=True)}
    for event, parcel in zip(checked.events, checked.parcels, strict=True):
        row = rows[parcel.given_id or event.event_id]
        assert (row["user_id"], row["video_id"] or "") == (event.user, event.video_id)
        assert row["user_id"] == KEY.of(parcel.user_id)
        assert (row["event"], row["watch_s"], row["value"]) == event[3:6]
        assert (row["timestamp"] - EPOCH) // timedelta(microseconds=1) == event.timestamp
        assert (row["text"], row["device"]) == (parcel.text, parcel.device)
        assert row["surface"] == ("service" if parcel.surface is None else parcel.surface)
