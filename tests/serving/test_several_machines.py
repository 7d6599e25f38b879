"""Two services on different ports share one Redis, behind a client that asks them in turns."""

import itertools
import json
import time
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from kinoloop.testing.redis_server import redis_server
from kinoloop.testing.service import running
from serving.takedowns import LOOK_S
from tests.serving.conftest import Service

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

OPERATOR = "ab" * 32
PASSWORD = "not-to-be-logged"
SETTINGS = "[serving]\nworkers = 1\nspare_workers = 0\nexport_s = 0.3\n"


class Machines(NamedTuple):
    """Services that share a live state and a landing zone."""

    services: list[Service]
    landing: object
    redis: object
    folder: object

    def in_turns(self):
        return itertools.cycle(self.services)


@pytest.fixture(scope="module")
def machines(bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("machines")
    (folder / "kinoloop.toml").write_text(SETTINGS)
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(folder / "redis", password=PASSWORD))
        given = {
            "KINOLOOP_SETTINGS_FILE": str(folder / "kinoloop.toml"),
            "KINOLOOP_STATE_URL": redis.url,
            "KINOLOOP_LANDING": str(folder / "landing"),
            "KINOLOOP_OPERATOR_KEY": OPERATOR,
        }
        places = [folder / name for name in ("one", "other")]
        urls = [stack.enter_context(running(at, bundle=bundle, **given)) for at in places]
        services = [Service(url, at) for url, at in zip(urls, places, strict=True)]
        yield Machines(services, folder / "landing", redis, folder)


def exported(machines) -> list[str]:
    files = (machines.landing / "events" / "feedback").glob("*.jsonl")
    return [json.loads(row)["event_id"] for f in files for row in f.read_text().splitlines()]


def until(true):
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_each_request_knows_what_was_told_to_the_other_machine_before_it(machines):
    turns = machines.in_turns()
    watched = []
    for number in range(8):
        body = {"user_id": "round-robin", "top_k": 10}
        slate = next(turns).ask("/recommend", body).body["slate"]
        shown = [place["video_id"] for place in slate]
        assert not set(shown) & set(watched)
        event = {"user_id": "round-robin", "video_id": shown[0], "event": "like"}
        told = next(turns).ask("/feedback", {"events": [{**event, "event_id": f"like-{number}"}]})
        assert told.body["accepted"] == 1
        watched.append(shown[0])
        next(turns)  # so that each machine is told, and asked, as often
    assert slate[0]["reason"].startswith("Because you watched")


def test_every_event_reaches_the_landing_zone_once_whoever_took_and_exported_it(machines):
    sent = []
    for number, service in zip(range(40), machines.in_turns(), strict=False):
        name = f"once-{number // 2}"  # each is told to both: it is one event
        event = {"user_id": f"u{number % 3}", "video_id": "v003", "event": "like"}
        event |= {"user_id": "anna", "event_id": name}
        assert service.ask("/feedback", {"events": [event]}).status == 200
        sent.append(name)
    until(lambda: set(sent) <= set(exported(machines)))
    found = [name for name in exported(machines) if name.startswith("once-")]
    assert sorted(found) == sorted(set(sent))


def test_a_slate_can_be_paged_through_whoever_is_asked_for_the_next_page(machines):
    turns, body, shown = machines.in_turns(), {"user_id": "pages", "top_k": 5}, []
    for _ in range(5):
        answer = next(turns).ask("/recommend", body)
        assert answer.status == 200, answer
        shown += [place["video_id"] for place in answer.body["slate"]]
        body["cursor"] = answer.body["cursor"]
    assert len(shown) == len(set(shown)) == 25
    next(turns)
    body["cursor"] = "0" * 11 + ".00000000-0-" + "0" * 16
    assert next(turns).ask("/recommend", body).body["error"] == "unknown_request"


def test_a_takedown_at_one_machine_holds_at_the_other(machines):
    one, other = machines.services
    key = {"Authorization": f"Bearer {OPERATOR}"}
    assert one.ask("/videos/v004", method="DELETE", headers=key).status == 200
    time.sleep(LOOK_S)
    assert other.ask("/videos/v004").status == 404


def test_a_redis_that_is_away_is_said_and_its_return_is_noticed(machines, bundle):
    port = int(machines.redis.url.rpartition(":")[2].split("/")[0])
    machines.redis.process.kill()
    machines.redis.process.wait()
    event = {"user_id": "anna", "video_id": "v005", "event": "like", "event_id": "while-away"}
    for service in machines.services:
        asked = (("/recommend", {"user_id": "anna"}), ("/feedback", {"events": [event]}))
        for path, body in asked:
            answer = service.ask(path, body)
            assert (answer.status, answer.body["error"]) == (503, "StateError"), path
            assert "away; ask again" in answer.body["detail"]
            assert answer.headers["retry-after"] == "5"
        assert service.ask("/similar", {"video_id": "v003"}).status == 200  # it needs nobody's past
        assert service.ask("/livez").status == 200
        assert "away" in service.ask("/about").body["unknown_because"]
        assert "kinoloop_state_away 1.0" in service.ask("/metrics").body
    with redis_server(machines.folder / "redis", password=PASSWORD, port=port):
        for service in machines.services:
            until(lambda at=service: at.ask("/feedback", {"events": [event]}).status == 200)
        slate = machines.services[0].ask("/recommend", {"user_id": "round-robin"}).body["slate"]
        assert slate[0]["reason"].startswith("Because you watched")  # nothing was lost
        until(lambda: "while-away" in exported(machines))
        for service in machines.services:
            log = (service.folder / "service.log").read_text()
            assert "the live state at redis://…@127.0.0.1" in log
            assert PASSWORD not in log + service.ask("/metrics").body
