"""What slates remember: pages, fatigue, who is who; and that an answer can be made again."""

import asyncio
import json
import math
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.data.situations import situation_of
from kinoloop.environment import Environment
from kinoloop.errors import DataError
from kinoloop.policy.config import PolicyConfig
from kinoloop.privacy.pseudonyms import load_pseudonyms
from kinoloop.release.release import Release
from kinoloop.testing.service import KEY, SIGNER, TRUST
from serving import lineage
from serving.answers import Asker
from serving.asking import Asking, Wish
from serving.config import ServingConfig
from serving.fatigue import NONE, Fatigue
from serving.in_service import load
from serving.problems import Problem
from serving.reading import Reading
from serving.recommending import Recommending
from serving.records import Records
from serving.slates import Asked, slate_of
from serving.state import open_state
from tests.serving.test_impressions import answer

US = 1_000_000


def videos(body) -> list[str]:
    return [place["video_id"] for place in body["slate"]]


def test_pages_of_a_slate_have_no_repeats_and_come_to_an_end(service):
    shown, cursor = [], None
    for _ in range(50):
        body = {"user_id": "reader", "top_k": 7, "cursor": cursor}
        page = service.ask("/recommend", body).body
        shown += videos(page)
        cursor = page.get("cursor")
        if cursor is None:
            break
    assert len(shown) == len(set(shown)) == 40
    refused = service.ask("/recommend", {"user_id": "reader", "cursor": "nothing"})
    assert (refused.status, refused.body["error"]) == (404, "unknown_request")
    other = service.ask("/search", {"query": "a"}).body["request_id"]
    assert service.ask("/recommend", {"user_id": "reader", "cursor": other}).status == 404


def test_the_last_page_that_a_slate_may_have_has_no_cursor_and_none_follows(
    bundle, tmp_path, monkeypatch
):
    monkeypatch.setattr(lineage, "MAX_PAGES", 3)
    environment = Environment(
        state_dir=tmp_path / "state", landing=str(tmp_path / "landing"), pseudonym_key=KEY
    )
    state, current = open_state(environment), load(bundle, TRUST)
    records = Records(
        tmp_path / "own", environment, state, config=ServingConfig(), policy=PolicyConfig()
    )
    asking = Asking.by_settings(environment, state, fatigue=records.fatigue, reading=Reading(state))
    recommending = Recommending(
        lambda _: current, load_pseudonyms(environment).of,
        asking=asking, records=records, budget_ms=math.inf,
    )  # fmt: skip
    wish = Wish(4, None, [], include_seen=True, situation=situation_of("home", None, None),
                filters={}, explain=False)  # fmt: skip

    def page_after(cursor):
        return asyncio.run(
            recommending.to("reader", wish, Asker(None, None, None, None), cursor=cursor)
        )

    pages = [page_after(None)]
    while "cursor" in pages[-1]:
        pages.append(page_after(pages[-1]["cursor"]))
    shown = [video for page in pages for video in videos(page)]
    assert (len(pages), len(shown)) == (3, len(set(shown)))
    with pytest.raises(Problem, match="no page comes after") as refused:
        page_after(pages[-1]["request_id"])
    assert refused.value.status == 422
    state.shut()


@pytest.mark.parametrize("kind", ["not_interested", "report"])
def test_who_is_not_interested_or_reports_sees_no_more_of_it_in_the_next_slate(service, kind):
    user = {"user_id": f"picky-{kind}", "top_k": 40, "include_seen": True}
    before = videos(service.ask("/recommend", user).body)
    first = before[0]
    event = {"user_id": user["user_id"], "event": kind, "video_id": first}
    assert service.ask("/feedback", {"events": [event]}).body["accepted"] == 1
    assert set(before) - set(videos(service.ask("/recommend", user).body)) == {first}
    undo = {**event, "event": "undo", "undoes": kind}
    assert service.ask("/feedback", {"events": [undo]}).body["accepted"] == 1
    assert videos(service.ask("/recommend", user).body) == before


def test_a_login_brings_the_anonymous_history_along(service):
    watched = {"user_id": "guest-77", "video_id": "v005", "event": "like"}
    service.ask("/feedback", {"events": [watched]})
    alone = service.ask("/recommend", {"user_id": "dora", "top_k": 40}).body
    assert "v005" in videos(alone)
    receipt = service.ask("/identify", {"user_id": "guest-77", "person_id": "dora"})
    assert (receipt.status, receipt.body["accepted"]) == (200, 1)
    for user in ("dora", "guest-77"):
        for _ in range(3):
            body = service.ask("/recommend", {"user_id": user, "top_k": 40}).body
            assert "v005" not in videos(body)
            assert body["slate"][0]["reason"].startswith("Because you watched")


@pytest.fixture
def run(service, bundle, monkeypatch):
    for name, value in {
        "STATE_DIR": str(service.folder / "state"),
        "LANDING": str(service.folder / "state" / "landing"),
        "PSEUDONYM_KEY": KEY,
        "TRUSTED_KEYS": SIGNER.public,
        "BUNDLE": str(bundle),
        "SETTINGS_FILE": str(service.folder / "kinoloop.toml"),
    }.items():
        monkeypatch.setenv(f"KINOLOOP_{name}", value)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_an_answer_leads_to_its_files_and_is_computed_again_bit_by_bit(service, run, tmp_path):
    seen = {"user_id": "traced", "video_id": "v003", "event": "view", "watch_s": 20}
    service.ask("/feedback", {"events": [seen]})
    asked = {"user_id": "traced", "top_k": 9, "exclude": ["v009"]}
    body = service.ask("/recommend", asked).body
    asked_for_many = {"users": ["traced"], "top_k": 9}
    (of_many,) = service.ask("/recommend/batch", asked_for_many).body["answers"]
    found = service.ask(f"/lineage/{body['request_id']}").body
    assert found["videos"] == videos(body)
    assert len(found["model_digest"]) == 64
    assert all(len(digest) == 64 for digest in found["files"].values())
    assert {"model/state.safetensors", "videos.parquet"} <= set(found["files"])
    service.ask("/feedback", {"events": [{**seen, "video_id": "v004"}]})  # changes later ones only
    time.sleep(1.5)  # until the worker has written what its answers were made from
    done = run("lineage", body["request_id"], "--to", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    assert "computed again: 9 places and scores are equal" in done.output
    assert "data not checked out: dataset data-0 is none of DVC's" in done.output
    facts = json.loads((tmp_path / "out" / "lineage.json").read_text())
    assert facts["files"] == found["files"]
    assert Release.open(tmp_path / "out" / "release").info.digest == found["model_digest"]
    of_many = run("lineage", of_many["request_id"])
    assert "computed again: 9 places and scores are equal" in of_many.output
    again = run("lineage", body["request_id"], "--to", str(tmp_path / "out"))
    assert isinstance(again.exception, DataError)
    assert isinstance(run("lineage", "nothing").exception, DataError)


def test_ids_are_linked_by_a_verb_too(service, run):
    service.ask("/feedback", {"events": [{"user_id": "tv-1", "video_id": "v006", "event": "like"}]})
    done = run("link", "tv-1", "emil")
    assert "linked" in done.output, done.output
    assert "v006" not in videos(service.ask("/recommend", {"user_id": "emil", "top_k": 40}).body)
    assert run("link", "tv-1", "a\nb").exit_code == 1


@pytest.fixture
def fatigue(state):
    return Fatigue(state, PolicyConfig(fatigue=2, fatigue_days=1))


def shown(at_s: float, *, pseudonym="p", **changes):
    return answer(0)._replace(pseudonym=pseudonym, timestamp=round(at_s * US), **changes)


def test_what_was_passed_over_often_cools_down_and_comes_back(fatigue, state, bundle):
    ids, now = Release.open(bundle).catalogue.ids, time.time()
    pair = shown(now, videos=["v001", "v002"])
    fatigue.count([pair, shown(now, videos=["v001"])])
    assert ids.externals(fatigue.cooling("p", ids, people=state)) == ["v001"]
    fatigue.count([pair])
    assert set(ids.externals(fatigue.cooling("p", ids, people=state))) == {"v001", "v002"}
    assert not len(fatigue.cooling("somebody else", ids, people=state))
    fatigue.count([shown(now + 2 * 86_400, videos=["v001"])])  # it starts over
    assert ids.externals(fatigue.cooling("p", ids, people=state)) == ["v002"]


def test_what_was_shown_long_ago_does_not_cool_down(fatigue, state, bundle):
    ids, before = Release.open(bundle).catalogue.ids, time.time() - 2 * 86_400
    fatigue.count([shown(before, videos=["v001"])] * 3)
    assert not len(fatigue.cooling("p", ids, people=state))


def test_what_cools_down_only_fills_what_would_stay_empty(bundle):
    release = Release.open(bundle)
    asked = Asked([], NONE, NONE, [], 10, time.time_ns() // 1000)
    plain = [place.video_id for place in slate_of(release, asked)]
    cooling = release.catalogue.ids.indices(plain[:3]).astype(np.int32)
    cooled = slate_of(release, asked._replace(cooling=cooling))
    assert [place.video_id for place in cooled][:7] == plain[3:]
    everything = slate_of(release, asked._replace(cooling=cooling, top_k=40))
    assert {place.video_id for place in everything[-3:]} == set(plain[:3])
    hidden = slate_of(release, asked._replace(cooling=cooling, hidden=cooling, top_k=40))
    assert len(hidden) == 37
