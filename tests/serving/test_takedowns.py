"""What operators say of a video holds at every worker, and until the landing zone says the same."""

import time
from dataclasses import replace
from types import SimpleNamespace

import polars as pl
import pytest
from fastapi.testclient import TestClient

from kinoloop.release.availability import NEVER, Window
from kinoloop.release.release import Release
from kinoloop.testing.service import running
from serving.site import build_site
from serving.takedowns import LOOK_S, AvailabilityPatch, Takedowns
from tests.serving.conftest import SETTINGS, Service

TOKEN = "ab" * 32


@pytest.fixture
def served(bundle):
    return SimpleNamespace(release=Release.open(bundle), catalogue="")


def takedowns(state, current) -> Takedowns:
    return Takedowns(state, lambda: current)


def shown(served):
    return {p.video_id for p in served.release.similar("v002", top_k=60)}


def hide(before):
    return before._replace(hidden=True)


def test_a_takedown_holds_at_once_at_every_worker_and_after_a_restart(served, bundle, new_state):
    here, there = served, SimpleNamespace(release=Release.open(bundle), catalogue="")
    first, other = takedowns(new_state(), here), takedowns(new_state(), there)
    assert "v004" in shown(here) & shown(there)
    first.say("v004", hide)
    assert "v004" not in shown(here)
    other.look()
    assert "v004" not in shown(there)
    fresh = SimpleNamespace(release=Release.open(bundle), catalogue="")
    takedowns(new_state(), fresh).apply(fresh)
    assert "v004" not in shown(fresh)
    assert not fresh.release.shows("v004")


def test_a_patch_changes_what_it_names_and_null_lifts_a_bound():
    window = Window(5, 50, hidden=True)
    parse = AvailabilityPatch.model_validate
    assert parse({"hidden": False}).over(window) == Window(5, 50)
    assert parse({"available_from": None, "available_until": None}).over(window) == Window(
        0, NEVER, hidden=True
    )
    until = parse({"available_until": "1970-01-01T00:00:01Z"}).over(window)
    assert until == Window(5, 1_000_000, hidden=True)


LAST = "9999-12-31T23:59:59.999999Z"


@pytest.fixture
def site(served, state):
    site = build_site()
    site.state.served = SimpleNamespace(in_service=served, takedowns=takedowns(state, served))
    return TestClient(site)


def test_a_bound_is_told_as_it_was_said_up_to_the_last_moment_there_is(site):
    said = {"available_from": "2026-05-01T00:00:00.000001Z", "available_until": LAST}
    for patch in (said, {"hidden": False}):
        told = site.patch("/videos/v004", json=patch)
        assert (told.status_code, {name: told.json()[name] for name in said}) == (200, said)
    assert site.delete("/videos/v004").json()["available_until"] == LAST


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00"])
def test_a_bound_that_is_no_time_in_utc_is_refused(site, moment):
    refused = site.patch("/videos/v004", json={"available_until": moment})
    assert (refused.status_code, refused.json()["got"]) == (422, moment)
    assert "available_until is wrong" in refused.json()["what"]


def test_a_bound_of_the_catalogue_beyond_all_calendars_can_still_be_changed(served, state, site):
    takedowns(state, served).say("v004", lambda _: Window(closes=NEVER - 1))
    assert site.delete("/videos/v004").json()["available_until"] == LAST


def test_a_takedown_goes_when_the_catalogue_says_the_same_and_not_before(served, state):
    kept = takedowns(state, served)
    kept.say("v004", hide)
    kept.say("v006", hide)
    assert kept.agree(served) == 0  # the model's own catalogue is older than the takedown
    videos = served.release.catalogue.videos
    hidden = pl.Series("hidden", videos["video_id"] == "v004")
    release = served.release
    later = Release(
        release.directory,
        info=release.info,
        catalogue=replace(release.catalogue, videos=videos.with_columns(hidden)),
        recommender=release.recommender,
    )
    published = SimpleNamespace(release=later, catalogue="c" * 64)
    assert kept.agree(published) == 1
    assert set(state.availability()) == {"v006"}


@pytest.fixture(scope="module")
def service(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("takedowns")
    (folder / "kinoloop.toml").write_text(SETTINGS)
    settings = {"KINOLOOP_SETTINGS_FILE": str(folder / "kinoloop.toml")}
    with running(folder, bundle=bundle, KINOLOOP_OPERATOR_KEY=TOKEN, **settings) as url:
        yield Service(url, folder)


def test_over_http_a_takedown_is_in_no_answer_and_a_patch_brings_the_video_back(service):
    key = {"Authorization": f"Bearer {TOKEN}"}
    assert service.ask("/videos/v004", method="DELETE").status == 401
    gone = service.ask("/videos/v004", method="DELETE", headers=key)
    assert (gone.status, gone.body["hidden"], gone.body["in_catalogue"]) == (200, True, True)
    time.sleep(LOOK_S)  # the promise
    for _ in range(10):  # whichever worker answers
        assert service.ask("/videos/v004").status == 404
        slate = service.ask("/similar", {"video_id": "v002", "top_k": 60}).body["slate"]
        assert "v004" not in {place["video_id"] for place in slate}
    assert service.ask("/similar", {"video_id": "v004"}).status == 404
    wrong = service.ask("/videos/v004", {"hide": True}, method="PATCH", headers=key)
    assert wrong.status == 422
    back = service.ask("/videos/v004", {"hidden": False}, method="PATCH", headers=key)
    assert back.body["hidden"] is False
    time.sleep(LOOK_S)
    assert service.ask("/videos/v004").status == 200
    early = service.ask("/videos/not-yet-known", method="DELETE", headers=key)
    assert (early.status, early.body["in_catalogue"]) == (200, False)
