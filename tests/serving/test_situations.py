"""Situation, filters and exploration of a request, over real HTTP, and all again by replay."""

import json
import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.errors import DataError
from kinoloop.models.base import build
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.release.bundle import write_bundle
from kinoloop.schema import DAY_US
from kinoloop.testing.service import KEY, SIGNER, running
from kinoloop.testing.shown import toy_exposures
from kinoloop.testing.toy import START_US, toy_catalogue
from tests.serving.conftest import Service, operator_key

CONFIG = RankerConfig(
    groups=("content", "situation"), epochs=6, hidden=16, batch_size=128, learning_rate=0.01,
    candidates=20, label={"watch": "view"},
)  # fmt: skip
SETTINGS = (
    "[serving]\nworkers = 1\nspare_workers = 0\nimpressions_s = 1\nexport_s = 0.5\n"
    "[policy]\nexplore = 1.0\nexplore_among = 3\nexplore_users = 0.5\n"
)


@pytest.fixture(scope="module")
def situated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("situated")
    catalogue = toy_catalogue()
    extra = [json.dumps({"age": 6 * (i % 3), "studio": "Nord"}) for i in range(40)]
    catalogue = replace(catalogue, videos=catalogue.videos.with_columns(extra=pl.Series(extra)))
    exposures, histories = toy_exposures(catalogue)
    where = np.random.default_rng(5).integers(0, 2, len(exposures)).astype(np.int32)
    facts = ({"device": "tv"}, {"device": "phone"})
    labels = exposures.happened("view") & (where == 0)
    data = RankerData(
        replace(exposures, situations=where, facts=facts), histories,
        START_US + 18 * DAY_US, START_US + 24 * DAY_US, labels,
    )  # fmt: skip
    write_bundle(
        folder / "bundle",
        recommender=build({"kind": "popularity"}).fit(histories, catalogue),
        catalogue=catalogue,
        histories=histories,
        ranker=fit_ranker(CONFIG, data, catalogue).ranker,
    )
    SIGNER.sign(folder / "bundle")
    settings = folder / "kinoloop.toml"
    settings.write_text(SETTINGS)
    with running(
        folder / "state", bundle=folder / "bundle", KINOLOOP_SETTINGS_FILE=str(settings)
    ) as url:
        yield Service(url, folder)


@pytest.fixture
def replayed(situated, monkeypatch):
    for name, value in {
        "STATE_DIR": str(situated.folder / "state"),
        "LANDING": str(situated.folder / "state" / "landing"),
        "PSEUDONYM_KEY": KEY,
        "TRUSTED_KEYS": SIGNER.public,
        "BUNDLE": str(situated.folder / "bundle"),
        "SETTINGS_FILE": str(situated.folder / "kinoloop.toml"),
    }.items():
        monkeypatch.setenv(f"KINOLOOP_{name}", value)

    def replay(request_id):
        """Run the verb, once the worker has written what the answer was made from."""
        deadline = time.monotonic() + 60
        while True:
            done = CliRunner().invoke(app, ["lineage", request_id])
            waits = "not on record" in done.output or isinstance(done.exception, DataError)
            if not waits or time.monotonic() > deadline:
                return done
            time.sleep(0.2)

    return replay


def user_of(situated, arm: str) -> str:
    """Somebody whose answers leave a place to chance, or nothing."""
    return next(
        name for name in map(str, range(99)) if _explores(situated, name) == (arm == "explore")
    )


def _explores(situated, name: str) -> bool:
    body = {"user_id": name, "top_k": 3}
    slates = {
        tuple(p["video_id"] for p in situated.ask("/recommend", body).body["slate"])
        for _ in range(6)
    }
    return len(slates) > 1


def test_the_device_of_a_request_changes_scores_and_what_is_unknown_changes_nothing(situated):
    history = ["v000", "v004", "v006"]
    asked = {"user_id": user_of(situated, "best_first"), "top_k": 10, "history": history}
    scores = {
        device: [
            p["score"]
            for p in situated.ask("/recommend", {**asked, "device": device}).body["slate"]
        ]
        for device in ("tv", "phone", "fridge", None)
    }
    assert scores["tv"] != scores["phone"]
    assert scores["fridge"] == scores[None] != scores["tv"]


@pytest.mark.parametrize(
    ("path", "question"),
    [
        ("/recommend", {"user_id": "f"}),
        ("/similar", {"video_id": "v002"}),
        ("/search", {"query": "football part"}),
    ],
)
def test_filters_leave_only_what_has_the_value_and_a_strange_column_is_named(
    situated, path, question
):
    about = situated.ask("/about")
    assert about.status == 200, about.body
    facts = about.body["release"]
    assert facts["filters"] == [
        *("age", "category", "duration_s", "published_at", "studio", "tags"),
    ]
    body = {**question, "top_k": 40, "filters": {"age": [6, "12"], "studio": "Nord"}}
    found = {int(p["video_id"][1:]) for p in situated.ask(path, body).body["slate"]}
    assert found
    assert {n % 3 for n in found} <= {1, 2}
    assert situated.ask(path, {**body, "filters": {"age": 99}}).body["slate"] == []
    body["filters"] = {"age": {"max": 6, "not": 6, "missing": True}, "studio": {"any": "Nord"}}
    found = {int(p["video_id"][1:]) for p in situated.ask(path, body).body["slate"]}
    assert found
    assert {n % 3 for n in found} == {0}
    refused = situated.ask(path, {**body, "filters": {"age": {"min": "soon"}}})
    assert (refused.status, refused.body["error"]) == (422, "invalid_request")
    assert "soon" in str(refused.body["got"])
    refused = situated.ask(path, {**body, "filters": {"age": 6, "mood": "x"}})
    assert (refused.status, refused.body["error"]) == (404, "unknown_filter")
    assert refused.body["got"] == "mood"
    assert refused.body["expected"] == "one of " + ", ".join(facts["filters"])
    for wrong in (
        {"age": {"at least": 3}},
        {"age": None},
        {"age": [[6]]},
        {"age": {"min": [3]}},
        {str(n): 1 for n in range(11)},
    ):
        refused = situated.ask(path, {**body, "filters": wrong})
        assert (refused.status, refused.body["error"]) == (422, "invalid_request")


def test_every_answer_is_computed_again_bit_by_bit(situated, replayed):
    where = {"device": "tv", "surface": "home", "context": {"network": "wifi"}}
    filters = {"filters": {"age": {"max": 6}, "published_at": {"min": "2020-01-01"}}}
    asked = [
        ("/recommend", {"user_id": user_of(situated, "explore"), "top_k": 4, **where, **filters}),
        ("/recommend", {"user_id": user_of(situated, "best_first"), "top_k": 4, **where}),
        ("/similar", {"video_id": "v001", "top_k": 4, **filters}),
        ("/search", {"query": "football part", "top_k": 4, **filters}),
    ]
    before = [situated.ask(path, body).body for path, body in asked]
    token = operator_key(situated.folder)
    operator = {"Authorization": f"Bearer {token}"}
    taken_down = before[1]["slate"][0]["video_id"]
    situated.ask(f"/videos/{taken_down}", method="DELETE", headers=operator)
    after = [situated.ask(path, body).body for path, body in asked]
    assert taken_down not in {place["video_id"] for body in after for place in body["slate"]}
    for body in [*before, *after]:  # each with what operators had said by then
        done = replayed(body["request_id"])
        assert done.exit_code == 0, done.output
        assert f"computed again: {len(body['slate'])} places and scores are equal" in done.output
    situated.ask(f"/videos/{taken_down}", {"hidden": False}, method="PATCH", headers=operator)


def test_impressions_say_policy_arm_and_how_likely_each_place_was(situated):
    users = {arm: user_of(situated, arm) for arm in ("explore", "best_first")}
    asked = {
        arm: situated.ask("/recommend", {"user_id": user, "top_k": 4}).body["request_id"]
        for arm, user in users.items()
    }
    folder = situated.folder / "state" / "landing" / "events" / "impressions"
    deadline = time.monotonic() + 60
    rows = pl.DataFrame()
    while time.monotonic() < deadline and not set(asked.values()) <= set(_requests(rows)):
        time.sleep(0.5)
        rows = pl.concat([pl.read_parquet(path) for path in folder.glob("*.parquet")] or [rows])
    for arm, request_id in asked.items():
        places = rows.filter(pl.col("request_id") == request_id).sort("position")
        assert places["arm"].to_list() == [arm] * 4
        if arm == "explore":
            assert places["policy"].to_list() == ["explore:1:3"] * 4
            assert sorted(places["propensity"].to_list()) == [1 / 12, 0.75, 0.75, 0.75]
        else:
            assert places["policy"].to_list() == ["best_first"] * 4
            assert places["propensity"].to_list() == [1.0] * 4


def _requests(rows: pl.DataFrame) -> list[str]:
    return rows["request_id"].to_list() if "request_id" in rows.columns else []
