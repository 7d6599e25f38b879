"""The service over real HTTP, two workers."""

import gc
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import bentoml
import pytest

from kinoloop.testing.toy import toy_catalogue


def _slate(answer):
    assert answer.status == 200, answer
    return [place["video_id"] for place in answer.body["slate"]]


def test_recommends_with_versions_and_reasons(service):
    answer = service.ask("/recommend", {"user_id": "u000", "top_k": 5})
    assert len(_slate(answer)) == 5
    versions = {"model_version", "catalogue_version", "dataset_version"}
    assert set(answer.body) == {"request_id", *versions, "slate", "cursor"}
    assert answer.body["dataset_version"] == "data-0"
    assert answer.body["model_version"].startswith("bundle-")
    assert set(answer.body["slate"][0]) == {"video_id", "score", "title", "reason"}
    scores = [place["score"] for place in answer.body["slate"]]
    assert scores == sorted(scores, reverse=True)


def test_knows_the_history_of_a_user_by_pseudonym(service):
    known = service.ask("/recommend", {"user_id": "u000", "top_k": 3}).body["slate"]
    stranger = service.ask("/recommend", {"user_id": "nobody", "top_k": 3}).body["slate"]
    assert known[0]["reason"].startswith("Because you watched")
    assert stranger[0]["reason"] == "Popular right now"


def test_history_of_the_request_replaces_what_is_on_record(service):
    body = {"user_id": "u000", "top_k": 3, "history": ["v001", "v003", "gone"]}
    slate = service.ask("/recommend", body).body["slate"]
    assert all("football" in place["title"] for place in slate)
    assert not {"v001", "v003"} & {place["video_id"] for place in slate}
    empty = service.ask("/recommend", {**body, "history": []}).body["slate"]
    assert empty[0]["reason"] == "Popular right now"


def test_excludes_and_includes_what_is_asked(service):
    body = {"user_id": "x", "history": ["v001"], "top_k": 40}
    assert "v001" not in _slate(service.ask("/recommend", body))
    assert "v001" in _slate(service.ask("/recommend", {**body, "include_seen": True}))
    assert "v002" not in _slate(service.ask("/recommend", {**body, "exclude": ["v002", "gone"]}))


def test_similar_and_search_answer_slates(service):
    similar = service.ask("/similar", {"video_id": "v001", "top_k": 3})
    assert all(int(video_id[1:]) % 2 for video_id in _slate(similar))
    found = service.ask("/search", {"query": "football goal", "top_k": 3})
    assert all("football" in place["title"] for place in found.body["slate"])


def test_lineage_resolves_every_answer_at_once_at_any_worker(service):
    for _ in range(8):  # two workers answer in turns
        answer = service.ask("/recommend", {"user_id": "secret-user", "top_k": 4})
        found = service.ask(f"/lineage/{answer.body['request_id']}")
        assert found.status == 200
        assert found.body["videos"] == _slate(answer)
        assert found.body["model_version"] == answer.body["model_version"]
        assert found.body["dataset_version"] == "data-0"
        assert found.body["endpoint"] == "recommend"
        assert "secret-user" not in json.dumps(found.body)
    assert service.ask("/lineage/nothing").body["error"] == "unknown_request"


def test_feedback_counts_in_the_very_next_request_at_any_worker(service):
    for round_ in range(6):
        user = f"new-{round_}"
        before = service.ask("/recommend", {"user_id": user, "top_k": 3}).body["slate"]
        assert before[0]["reason"] == "Popular right now"
        event = {"user_id": user, "video_id": "v003", "event": "like"}
        receipt = service.ask("/feedback", {"events": [event]})
        assert receipt.body == {"accepted": 1, "held": 0, "rejected": 0, "reasons": []}
        after = service.ask("/recommend", {"user_id": user, "top_k": 3}).body["slate"]
        assert "football" in after[0]["title"]
        assert after[0]["reason"].startswith("Because you watched")
        assert "v003" not in {place["video_id"] for place in after}


def test_spaces_around_a_user_id_make_no_other_user(service):
    event = {"user_id": " padded ", "video_id": "v003", "event": "like"}
    assert service.ask("/feedback", {"events": [event]}).body["accepted"] == 1
    slates = [
        service.ask("/recommend", {"user_id": user, "top_k": 3}).body["slate"]
        for user in ("padded", "padded\n", "  padded")
    ]
    assert slates[0][0]["reason"].startswith("Because you watched")
    assert slates[0] == slates[1] == slates[2]
    assert service.ask("/recommend", {"user_id": " \t"}).status == 422


def test_feedback_says_what_is_wrong_with_each_event(service):
    good = {"user_id": "u", "video_id": "v001", "event": "view", "watch_s": 12.5}
    wrong = [
        {**good, "event": "clap"},
        {**good, "position": -1},
        {**good, "watch_s": -1},
        {**good, "timestamp": "2999-01-01T00:00:00Z"},
        {**good, "timestamp": "yesterday"},
        {"video_id": "v001", "event": "view"},
        "not an object",
        {**good, "watch_s": 9e8},
        {**good, "liked": True},
    ]
    body = service.ask("/feedback", {"events": [good, *wrong]}).body
    assert (body["accepted"], body["rejected"]) == (1, 9)
    assert [(r["position"], r["field"], r["reason"]) for r in body["reasons"]] == [
        (1, "event", "event_kind_unknown"),
        (2, "position", "event_position_negative"),
        (3, "watch_s", "event_watch_out_of_range"),
        (4, "timestamp", "event_in_future"),
        (5, "timestamp", "event_timestamp_unreadable"),
        (6, "user_id", "event_user_missing"),
        (7, "event", "not_an_object"),
        (8, "watch_s", "event_watch_out_of_range"),
        (9, "liked", "unknown_field"),
    ]


def test_feedback_on_a_video_that_comes_later_is_kept(service):
    later = {"user_id": "u", "video_id": "v999", "event": "view", "request_id": "r", "position": 0}
    body = service.ask("/feedback", {"events": [later, {**later, "video_id": "v001"}]}).body
    assert (body["accepted"], body["held"], body["rejected"]) == (2, 1, 0)


def test_impressions_and_searches_leave_a_history_as_it_is(service):
    user = {"user_id": "window-shopper"}
    seen = ["v001", "v003", "v005"]
    watched = [{**user, "video_id": v, "event": "view", "watch_s": 30} for v in seen]
    assert service.ask("/feedback", {"events": watched}).body["accepted"] == 3
    before = service.ask("/recommend", {**user, "top_k": 40}).body["slate"]
    shown = [
        {
            **user,
            "video_id": f"v{n % 40:03d}",
            "event": "impression",
            "timestamp": f"2026-01-{1 + n // 40:02d}",
        }
        for n in range(240)
    ]
    searches = [{**user, "event": "search", "text": f"soup {n}", "device": "tv"} for n in range(10)]
    for first in range(0, 250, 50):
        events = [*shown, *searches][first : first + 50]
        assert service.ask("/feedback", {"events": events}).body["accepted"] == 50
    after = service.ask("/recommend", {**user, "top_k": 40}).body["slate"]
    assert after == before
    assert not set(seen) & {place["video_id"] for place in after}


def test_feedback_reaches_the_landing_zone_once(service):
    events = [{"user_id": "traveller", "video_id": f"v{i:03d}", "event": "view"} for i in range(9)]
    assert service.ask("/feedback", {"events": events}).body["accepted"] == 9
    folder = service.folder / "state" / "landing" / "events" / "feedback"
    rows = []
    for _ in range(100):
        files = sorted(folder.glob("*.jsonl"))
        lines = [line for file in files for line in file.read_text().splitlines()]
        rows = [row for row in map(json.loads, lines) if row["user_id"] == "traveller"]
        if len(rows) >= 9:
            break
        time.sleep(0.1)
    assert sorted(row["video_id"] for row in rows) == [f"v{i:03d}" for i in range(9)]
    assert len({row["event_id"] for row in rows}) == 9
    state = (service.folder / "state" / "serving" / "live.db").read_bytes()
    assert b"traveller" not in state or _gone_after_checkpoint(service)


def _gone_after_checkpoint(service) -> bool:
    """The main file may hold pages from before the deletion until a checkpoint; the rows do not."""
    import sqlite3

    with sqlite3.connect(service.folder / "state" / "serving" / "live.db") as connection:
        found = connection.execute("SELECT count(*) FROM outbox WHERE user_id = 'traveller'")
        return found.fetchone()[0] == 0


@pytest.mark.parametrize(
    ("path", "body", "status", "error", "says"),
    [
        ("/recommend", {"top_k": 3}, 422, "invalid_request", "user_id is missing"),
        ("/recommend", {"user_id": "u", "top_k": 0}, 422, "invalid_request", "top_k is wrong"),
        ("/recommend", {"user_id": "u", "top_k": 501}, 422, "invalid_request", "top_k is wrong"),
        ("/recommend", {"user_id": "u", "top_k": "ten"}, 422, "invalid_request", "top_k is wrong"),
        ("/recommend", {"user_id": "u", "topk": 3}, 422, "invalid_request", "no field topk"),
        ("/recommend", {"user_id": 7.5}, 422, "invalid_request", "user_id is wrong"),
        ("/recommend", [1], 422, "invalid_request", "the body is wrong"),
        ("/similar", {"video_id": "v999"}, 404, "unknown_video", "no video"),
        ("/search", {"query": ""}, 422, "invalid_request", "query is wrong"),
        ("/feedback", {"events": []}, 422, "invalid_request", "events is wrong"),
        ("/feedback", {"events": [{}] * 51}, 422, "too_many_events", "too many events"),
        ("/recommend", {"user_id": "u" * 70_000}, 413, "body_too_large", "too large"),
    ],
)
def test_wrong_requests_are_told_apart_with_the_next_step(service, path, body, status, error, says):
    answer = service.ask(path, body)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.body["status"], answer.body["error"]) == (status, error)
    assert says in answer.body["what"]
    assert answer.body["expected"]
    assert answer.body["next_step"]
    assert says in answer.body["detail"]
    assert answer.body["next_step"] in answer.body["detail"]
    kind = service.ask(answer.body["type"]).body
    assert kind == {name: answer.body[name] for name in ("type", "status", "title")}


def test_malformed_json_is_400(service):
    answer = service.ask("/recommend", raw=b'{"user_id": ')
    assert (answer.status, answer.body["error"]) == (400, "malformed_json")


def test_body_without_a_length_is_bounded_while_it_arrives(service):
    def endless():
        for _ in range(200):
            yield b" " * 1024

    answer = service.ask("/recommend", raw=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status, answer.body["error"]) == (413, "body_too_large")


def test_unknown_path_and_wrong_method_are_json_too(service):
    assert service.ask("/nothing/here").body["error"] == "unknown_path"
    assert service.ask("/recommend").body["error"] == "wrong_method"
    assert service.ask("/lineage/x", {}).body["error"] == "wrong_method"
    assert service.ask("/problems/none").body["error"] == "unknown_path"


def test_page_loads_nothing_from_other_hosts(service):
    page = service.ask("/")
    assert page.status == 200
    assert "text/html" in page.headers["content-type"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.body)
    for part in parts:
        assert not part.startswith(("http:", "https:", "//")), part
    for part in ("/page/app.js", "/page/style.css", "/docs"):
        assert service.ask(part).status == 200
    assert service.ask("/page/secret.py").status == 404


def test_thumbnails_and_details_of_a_video(service):
    picture = service.ask("/thumbnails/v000")
    assert (picture.status, picture.headers["content-type"]) == (200, "image/jpeg")
    assert service.ask("/thumbnails/v001").body["error"] == "no_thumbnail"
    assert service.ask("/thumbnails/v999").body["error"] == "unknown_video"
    details = service.ask("/videos/v001").body
    assert details["title"] == toy_catalogue().videos["title"][1]
    assert details["duration_s"] == 30.0


def test_openapi_names_every_route(service):
    paths = service.ask("/docs.json").body["paths"]
    assert {"/recommend", "/similar", "/search", "/feedback", "/lineage/{request_id}", "/noop",
            "/videos/{video_id}", "/thumbnails/{video_id}", "/livez", "/readyz", "/healthz",
            "/metrics"} <= set(paths)  # fmt: skip


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the client leaves its folder to the gc
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_bentoml_client_calls_every_endpoint(service):
    with bentoml.SyncHTTPClient(service.url) as client:
        slate = client.recommend(user_id="u000", top_k=2)
        assert len(slate["slate"]) == 2
        assert len(client.similar(video_id="v001", top_k=2)["slate"]) == 2
        assert len(client.search(query="cooking", top_k=2)["slate"]) == 2
        events = [{"user_id": "c", "video_id": "v001", "event": "view"}]
        assert client.feedback(events=events)["accepted"] == 1
    del client
    gc.collect()


def test_metrics_of_both_workers_add_up_and_carry_no_ids(service):
    def counted(route):
        text = service.ask("/metrics").body
        pattern = rf'^kinoloop_requests_total{{route="{re.escape(route)}",status="200"}} (\S+)'
        return sum(float(value) for value in re.findall(pattern, text, re.MULTILINE)), text

    deadline = time.monotonic() + 1200  # on a busy machine the second worker is ready later
    while "kinoloop_ready_workers 2.0" not in service.ask("/metrics").body:
        assert time.monotonic() < deadline, "only one worker got ready"
        time.sleep(0.2)
    before, _ = counted("/similar")
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda _: service.ask("/similar", {"video_id": "v001"}).status, range(60)
        )
        assert set(answers) == {200}
    after, text = counted("/similar")
    while after - before < 60 and time.monotonic() < deadline:  # counted after the answer is sent
        after, text = counted("/similar")
    assert after - before == 60
    assert "traveller" not in text
    assert "v999" not in text
    assert 'route="/thumbnails/{video_id}"' in text


def test_health_is_good(service):
    assert [service.ask(path).status for path in ("/livez", "/readyz", "/healthz")] == [200] * 3


def test_noop_does_nothing(service):
    assert service.ask("/noop", {}).body == {}


def test_log_has_no_user_ids_and_no_traceback(service):
    service.ask("/recommend", {"user_id": "do-not-log-me", "top_k": 0})
    service.ask("/recommend", {"user_id": "do-not-log-me"})
    log = (service.folder / "state" / "service.log").read_text()
    assert "do-not-log-me" not in log
    assert "Traceback" not in log
    assert '"route": "/recommend", "status": 422' in log
