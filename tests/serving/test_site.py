from types import SimpleNamespace

import polars as pl
import pytest
from fastapi.openapi.utils import get_openapi
from fastapi.testclient import TestClient

from kinoloop.errors import StateError
from kinoloop.models.base import build
from kinoloop.release.bundle import write_bundle
from kinoloop.schema import LABELS
from kinoloop.testing.service import SIGNER, TRUST
from kinoloop.testing.toy import toy_catalogue, toy_histories
from serving.in_service import load
from serving.problems import Waiting
from serving.site import build_site

CALM = {"facet": "emotion", "label": "calm", "score": 0.75, "evidence": "words 0.75"}


class Served:
    """A worker that has one release in service."""

    waiting = Waiting("starting")
    takedowns = SimpleNamespace(look=lambda: None)

    def __init__(self, in_service):
        self.in_service = in_service

    def upload_seconds(self):
        return [12.0, 90.5]

    def lineage_of(self, request_id):
        return None


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    catalogue, n = toy_catalogue(), len(toy_catalogue())
    videos = catalogue.videos.with_columns(
        pl.Series("labels", [[CALM]] + [None] * (n - 1), dtype=LABELS["labels"]),
        pl.Series("free_tags", [["soup"]] + [None] * (n - 1), dtype=pl.List(pl.String)),
        pl.Series("summary", ["A calm soup."] + [None] * (n - 1)),
        pl.Series("group_id", ["v000"] + [None] * (n - 1), dtype=pl.String),
    )
    catalogue = type(catalogue)(catalogue.ids, catalogue.published_at, videos, catalogue.modalities)
    bundle, histories = tmp_path_factory.mktemp("site") / "bundle", toy_histories(catalogue)
    write_bundle(
        bundle,
        recommender=build({"kind": "popularity"}).fit(histories, catalogue),
        catalogue=catalogue,
        histories=histories,
    )
    SIGNER.sign(bundle)
    site = build_site()
    site.state.served = Served(load(bundle, TRUST, model_version="1"))
    return TestClient(site)


def test_details_tell_what_a_video_was_found_to_be(client):
    details = client.get("/videos/v000").json()
    assert details["labels"] == [CALM]
    assert details["free_tags"] == ["soup"]
    assert details["summary"] == "A calm soup."
    assert details["group_id"] == "v000"


def test_details_of_a_video_that_was_not_labelled_say_nothing(client):
    details = client.get("/videos/v001").json()
    assert [details[name] for name in ("labels", "summary", "group_id")] == [None] * 3


def test_about_says_how_long_the_newest_uploads_took(client):
    assert client.get("/about").json()["uploads_s"] == [12.0, 90.5]


def test_while_the_live_state_is_away_the_rest_is_told_and_what_is_unknown(client, monkeypatch):
    def away(served):
        raise StateError("the live state of the service is away")

    monkeypatch.setattr(Served, "upload_seconds", away)
    about, told = client.get("/about"), client.get("/admin/overview")
    assert (about.status_code, told.status_code) == (200, 200)
    assert about.json()["release"] == told.json()["serving"]["release"]
    for part in (about.json(), told.json()["uploads"]):
        assert part["unknown_because"] == "the live state of the service is away"
    assert (about.json()["uploads_s"], told.json()["uploads"]["newest_s"]) == ([], [])


def test_without_a_release_the_overview_says_what_is_waited_for(client, tmp_path, monkeypatch):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    site = build_site()
    site.state.served = Served(None)
    told = TestClient(site).get("/admin/overview").json()
    assert told["serving"]["release"] is None
    assert told["serving"]["waiting"] == Served.waiting.what
    for part in ("exposure", "recall"):
        assert told[part]["unknown_because"] == "there is no release in service"


def test_the_overview_tells_operators_what_serves_and_says_what_it_does_not_know(client):
    told = client.get("/admin/overview").json()
    release = told["serving"]["release"]
    assert (release["model_version"], release["kind"]) == ("1", "popularity")
    assert told["uploads"]["p50_s"] == pytest.approx(51.25)
    assert sum(bar["uploads"] for bar in told["uploads"]["bars"]) == 2
    assert "nothing was decided yet" in told["decisions"]["unknown_because"]
    assert "there are no impressions" in told["exposure"]["unknown_because"]
    assert "every video is scored" in told["recall"]["unknown_because"]


@pytest.mark.parametrize(
    "path",
    ["/", "/admin", "/docs", "/page/app.js", "/about", "/metrics", "/videos/v000", "/videos/none",
     "/thumbnails/v000", "/problems/no_token", "/lineage/none"],
)  # fmt: skip
def test_head_is_answered_as_get_without_a_body(client, path):
    read, asked = client.get(path), client.head(path)
    assert (asked.status_code, asked.content) == (read.status_code, b"")
    named = ("content-type", "content-length", "content-security-policy", "x-content-type-options")
    varies = {"content-length"} if path == "/metrics" else set()  # it counts on
    for name in set(named) - varies:
        assert asked.headers.get(name) == read.headers.get(name)


def test_head_stands_in_no_description(client):
    document = get_openapi(title="", version="", routes=client.app.routes)
    assert {method for path in document["paths"].values() for method in path} == {
        "get", "put", "post", "patch", "delete"
    }  # fmt: skip
