"""Rules of slates over real HTTP: settings, explain, blocks, caps, and answers made again."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.data.ids import IdMap
from kinoloop.data.logged import load_logged
from kinoloop.errors import DataError
from kinoloop.evaluation.off_policy import estimate
from kinoloop.evaluation.replay import without_chance
from kinoloop.privacy.pseudonyms import Pseudonyms
from kinoloop.testing.service import KEY, SIGNER, running
from kinoloop.testing.toy import toy_catalogue
from tests.ingestion import landing_zone
from tests.ingestion.landing_zone import Zone
from tests.serving.conftest import Service, make_bundle

SETTINGS = """
[serving]
workers = 1
spare_workers = 0
impressions_s = 1
export_s = 1

[policy]
explore = 0.5
explore_among = 5
limits = [{ column = "creator_id", most = 2 }]
pins = [{ video_id = "v020", place = 3, surface = "pinned" }]

[policy.mmr]
weight = 0.2

[policy.age_rating]
column = "fsk"

[policy.frequency]
times = 3
"""
CREATORS = [f"c{n // 5}" for n in range(40)]
RATED = {n: 6 * (n % 4) for n in range(40)}


@pytest.fixture(scope="module")
def ruled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ruled")
    catalogue = toy_catalogue()
    extra = pl.Series([json.dumps({"fsk": RATED[n]}) for n in range(40)])
    videos = catalogue.videos.with_columns(extra=extra, creator_id=pl.Series(CREATORS))
    make_bundle(folder / "bundle", kind="popularity", catalogue=replace(catalogue, videos=videos))
    (folder / "kinoloop.toml").write_text(SETTINGS)
    variables = {"KINOLOOP_SETTINGS_FILE": str(folder / "kinoloop.toml")}
    with running(folder / "state", bundle=folder / "bundle", **variables) as url:
        yield Service(url, folder)


def numbers(answer) -> list[int]:
    assert answer.status == 200, answer.body
    return [int(place["video_id"][1:]) for place in answer.body["slate"]]


def ask(ruled, user="somebody", **body):
    body = {"user_id": user, "context": {"age": 18}, **body}
    return ruled.ask("/recommend", body)


def test_limits_hold_in_every_slate_also_where_a_place_is_drawn(ruled):
    for _ in range(12):
        found = numbers(ask(ruled, f"limited {_}", top_k=12))
        assert len(found) == len(set(found)) == 12
        creators = [CREATORS[video] for video in found]
        assert max(map(creators.count, creators)) == 2


def test_limits_hold_over_all_pages_of_a_slate(ruled):
    for number in range(4):
        seen, cursor = [], None
        for _ in range(2):
            page = ask(ruled, f"paging {number}", top_k=8, cursor=cursor)
            seen += numbers(page)
            cursor = page.body["cursor"]
        creators = [CREATORS[video] for video in seen]
        assert len(seen) == len(set(seen)) == 16
        assert max(map(creators.count, creators)) == 2  # all of the eight, twice


def test_impressions_say_which_rules_moved_a_place_and_which_answers_were_narrowed(ruled):
    whole = ask(ruled, "told", top_k=12, surface="pinned")
    narrow = ask(ruled, "told", top_k=3, exclude=["v000"])
    folder, deadline, rows = ruled.folder / "state" / "landing", time.monotonic() + 60, None
    while rows is None or not {whole.body["request_id"], narrow.body["request_id"]} <= set(
        rows["request_id"]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.3)
        files = [*folder.glob("events/impressions/*.parquet")]
        rows = pl.concat(map(pl.read_parquet, files)) if files else None
    of = {
        name: rows.filter(pl.col("request_id") == answer.body["request_id"]).sort("position")
        for name, answer in {"whole": whole, "narrow": narrow}.items()
    }
    moved = of["whole"]["rules"].to_list()
    assert moved[2] == "pin"
    assert "limit" in ",".join(moved)
    assert set(of["whole"]["policy"]) == {"explore:0.5:5"}
    assert set(of["narrow"]["policy"]) == {"explore:0.5:5:narrowed"}
    for row in of["whole"].iter_rows(named=True):
        assert ("explore" in row["rules"]) == (row["propensity"] < 0.5)


def test_what_was_left_to_chance_comes_back_with_what_followed_it(ruled, monkeypatch):
    """From answers and feedback over landing files and ingest to the input of the estimates."""
    monkeypatch.setattr(landing_zone, "NOW", datetime.now(UTC) + timedelta(minutes=5))
    answers = [ask(ruled, f"learnt {n}", top_k=4, surface="learning").body for n in range(30)]
    liked = [
        {"user_id": f"learnt {n}", "video_id": answer["slate"][n % 4]["video_id"],
         "event": "like", "request_id": answer["request_id"]}
        for n, answer in enumerate(answers)
    ]  # fmt: skip
    assert ruled.ask("/feedback", {"events": liked}).body["accepted"] == 30
    zone, ids = Zone(ruled.folder / "state"), IdMap([f"v{n:03d}" for n in range(40)])
    zone.put("videos/all.csv", "video_id,title\n" + "".join(f"{v},{v}\n" for v in ids.ids))
    deadline, found = time.monotonic() + 120, None
    while found is None or found.exposures.happened("like").sum() < 30:
        assert time.monotonic() < deadline
        time.sleep(0.5)
        zone.ingest(pseudonyms=Pseudonyms(bytes.fromhex(KEY)))  # who did it is who was shown it
        log = load_logged(zone.tables, ids)
        here = [situation.get("surface") == "learning" for situation in log.situations]
        found = log.select(np.array(here, dtype=bool)) if any(here) else None
    assert len(found) == 30
    videos = ids.externals(found.exposures.videos)
    shown = [place["video_id"] for answer in answers for place in answer["slate"]]
    assert videos == shown
    assert np.flatnonzero(found.exposures.happened("like")).tolist() == [
        4 * n + n % 4 for n in range(30)
    ]
    # one of four places, in half of the answers, of five videos
    assert set(found.propensities.round(6)) == {1 - 0.5 / 4, 0.5 / (4 * 5)}
    assert np.array_equal(found.drawn, found.propensities < 0.5)
    judged = estimate(without_chance(found, found.exposures.happened("like").astype(float)))
    assert judged.logged.value == 1
    assert judged.support.matched == 120 - found.drawn.sum()


def test_a_batch_explains_each_slate(ruled):
    body = {"users": ["many-1", 7.5, "many-2"], "top_k": 3, "explain": True}
    answers = ruled.ask("/recommend/batch", body).body["answers"]
    for answer in (answers[0], answers[2]):
        told = [one["video_id"] for one in answer["explained"]["places"]]
        assert told == [place["video_id"] for place in answer["slate"]]
    del body["explain"]
    assert "explained" not in ruled.ask("/recommend/batch", body).body["answers"][0]


def test_a_pin_stands_on_its_surface_also_where_a_place_is_drawn(ruled):
    slates = [numbers(ask(ruled, f"pinned {n}", top_k=5, surface="pinned")) for n in range(12)]
    assert {slate[2] for slate in slates} == {20}
    assert any(slate[2] != 20 for slate in [numbers(ask(ruled, top_k=5, surface="home"))])


@pytest.mark.parametrize(
    ("path", "question"),
    [
        ("/recommend", {"user_id": "young"}),
        ("/similar", {"video_id": "v000"}),
        ("/search", {"query": "football part"}),
    ],
)
def test_an_age_rating_holds_for_every_answer(ruled, path, question):
    def ratings(**context):
        found = numbers(ruled.ask(path, {**question, "top_k": 40, "context": context}))
        return {RATED[video] for video in found}

    assert ratings(age=18) > ratings(age=12) > ratings(age=11) >= ratings(age="?") == ratings()


def test_explain_tells_of_places_and_of_what_left(ruled):
    said = [
        {"user_id": "curious", "event": "view", "video_id": "v001", "watch_s": 30},
        {"user_id": "curious", "event": "not_interested", "creator_id": "c1"},
    ]
    assert ruled.ask("/feedback", {"events": said}).body["accepted"] == 2
    asked = {"top_k": 20, "exclude": ["v002"], "filters": {"creator_id": {"not": "c2"}}}
    asked |= {"context": {"age": 12}, "explain": True}
    answer = ask(ruled, "curious", **asked)
    told = answer.body["explained"]
    assert [one["video_id"] for one in told["places"]] == [
        place["video_id"] for place in answer.body["slate"]
    ]
    for one in told["places"]:
        at = one["was"]
        for move in one["moved"]:
            assert move["from"] == at != move["to"]
            at = move["to"]
        assert at == one["place"]
    left = {int(one["video_id"][1:]): one["rule"] for one in told["left"]}
    assert {left.get(1), left.get(2)} <= {"seen", "excluded", None}
    for video, rule in left.items():
        if rule == "blocked":
            assert CREATORS[video] == "c1"
        elif rule == "age_rating":
            assert RATED[video] == 18
        elif rule == "filter:creator_id":
            assert CREATORS[video] == "c2"
        else:
            assert rule in {"seen", "excluded", "limit", "mmr", "explore"}
    assert {"blocked", "age_rating", "filter:creator_id"} <= set(left.values())
    assert "explained" not in ask(ruled, "curious").body
    assert ruled.ask("/recommend", {"user_id": "u", "explain": "yes"}).status == 422


def test_who_is_not_interested_is_spared_whatever_a_request_says_of_history(ruled):
    said = [
        {"user_id": "picky", "event": "not_interested", "video_id": "v003"},
        {"user_id": "picky", "event": "not_interested", "creator_id": "c0"},
    ]
    assert ruled.ask("/feedback", {"events": said}).body["accepted"] == 2
    for body in ({}, {"include_seen": True}, {"history": ["v010"]}):
        assert "c0" not in {CREATORS[v] for v in numbers(ask(ruled, "picky", top_k=40, **body))}
    undo = {"user_id": "picky", "event": "undo", "creator_id": "c0", "undoes": "not_interested"}
    ruled.ask("/feedback", {"events": [undo]})
    found = numbers(ask(ruled, "picky", top_k=40, include_seen=True))
    assert {0, 1, 2, 4} <= set(found)
    assert 3 not in found


def test_a_frequency_cap_is_for_one_person_and_explained(ruled):
    shown, deadline = set(), time.monotonic() + 120
    only = {"filters": {"creator_id": "c7"}, "top_k": 5}
    while time.monotonic() < deadline:
        found = numbers(ask(ruled, "faithful", **only))
        if not found:
            break
        shown |= set(found)
        time.sleep(0.3)
    assert shown == {35, 36, 37, 38, 39}
    assert numbers(ask(ruled, "faithful", **only)) == []
    assert len(numbers(ask(ruled, "another", **only))) == 5
    told = ask(ruled, "faithful", top_k=40, explain=True).body["explained"]["left"]
    capped = {one["video_id"] for one in told if one["rule"] == "frequency_cap"}
    assert {f"v{video:03d}" for video in shown} <= capped


def test_an_answer_under_rules_is_computed_again_bit_by_bit(ruled, monkeypatch):
    for name, value in {
        "STATE_DIR": str(ruled.folder / "state"),
        "LANDING": str(ruled.folder / "state" / "landing"),
        "PSEUDONYM_KEY": KEY,
        "TRUSTED_KEYS": SIGNER.public,
        "BUNDLE": str(ruled.folder / "bundle"),
    }.items():
        monkeypatch.setenv(f"KINOLOOP_{name}", value)
    monkeypatch.delenv("KINOLOOP_SETTINGS_FILE", raising=False)  # the rules are on record
    cursor = None
    for surface in ("pinned", "home"):
        body = ask(ruled, "traced", top_k=7, surface=surface, cursor=cursor).body
        cursor = body["cursor"]
        deadline = time.monotonic() + 60
        while True:
            done = CliRunner().invoke(app, ["lineage", body["request_id"]])
            waits = "not on record" in done.output or isinstance(done.exception, DataError)
            if not waits or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert "computed again: 7 places and scores are equal" in done.output, done.output
