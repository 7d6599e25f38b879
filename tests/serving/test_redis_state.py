"""What is particular to the live state in Redis; what it promises is in test_state.py."""

import asyncio
import signal
import threading
import time

import pytest
from redis import Redis
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError, StateError
from kinoloop.policy.config import PolicyConfig
from kinoloop.privacy.pseudonyms import Pseudonyms
from kinoloop.testing.redis_server import SAFE, redis_server
from kinoloop.testing.service import KEY
from serving import redis_client, redis_store
from serving.config import ServingConfig
from serving.lineage import Pages
from serving.live_event import LiveEvent, Parcel
from serving.outbox import Outbox
from serving.records import Records
from serving.redis_state import PAGE_S
from serving.repeats import REPEATS
from serving.state import open_state
from serving.unread import Unread
from tests.serving.stored import content
from tests.serving.test_outbox import events, landed
from tests.serving.test_outbox import of as parcels
from tests.serving.test_state import all_of, event, of

PAGES = Pages(["v1", "v2"], 3)


def opened(url, folder, key=KEY, *, hurried=False):
    environment = Environment(state_url=url, state_dir=folder, pseudonym_key=key)
    return open_state(environment, hurried=hurried)


@pytest.fixture
def state(redis_url, tmp_path):
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    state = opened(redis_url, tmp_path)
    yield state
    state.shut()


def until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def away(state) -> bool:
    try:
        state.pending()
    except StateError:
        return True
    return False


def test_what_was_acknowledged_survives_a_killed_server_which_is_found_again(tmp_path, caplog):
    with redis_server(tmp_path / "redis", password="hunter2") as server:
        url, port = server.url, int(server.url.rpartition(":")[2].split("/")[0])
        state = opened(url, tmp_path)
        assert state.record([event(1), event(2)], of("raw-user", "raw-user")) == 2
        server.process.kill()
        server.process.wait()
        with pytest.raises(StateError, match="the live state of the service is away; ask again"):
            state.record([event(3)], of("raw-user"))
        with pytest.raises(StateError, match="away"):
            state.ids_of("p1")
    with redis_server(tmp_path / "redis", password="hunter2", port=port):
        until(lambda: not away(state))
        assert [e.timestamp for e in all_of(state, "p1")] == [1, 2]
        assert [row["user_id"] for row in state.batch(state.claim(9))] == ["raw-user"] * 2
        state.shut()
    assert "redis://…@127.0.0.1" in caplog.text
    assert "hunter2" not in caplog.text
    assert "raw-user" not in caplog.text


def test_a_server_that_hangs_is_waited_for_once_and_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(redis_client, "QUICK_S", 0.5)
    with redis_server(tmp_path / "redis") as server:
        state = opened(server.url, tmp_path)
        state.record([event(1)], of("u"))
        server.process.send_signal(signal.SIGSTOP)
        with pytest.raises(StateError, match="away"):
            state.about("p1")
        with monkeypatch.context() as patch:
            asked = []
            patch.setattr(state._client._quick, "pipeline", lambda **how: asked.append(how))
            with pytest.raises(StateError, match="away"):
                state.about("p1")
            assert not asked
        server.process.send_signal(signal.SIGCONT)
        until(lambda: not away(state))
        assert state.about("p1").videos_of("p1") == {"v1": 1}
        state.shut()


def test_a_server_that_answers_slowly_keeps_an_event_loop_waiting_once(
    redis_url, tmp_path, monkeypatch, caplog
):
    service, command = opened(redis_url, tmp_path, hurried=True), opened(redis_url, tmp_path)

    async def on_a_loop(state):
        state.about("p1")  # its answer came, and counts
        return away(state)

    with monkeypatch.context() as patch:
        patch.setattr(redis_client, "SLOW_S", -1.0)  # so that every answer is too slow
        assert not asyncio.run(on_a_loop(command))  # nobody else waits for its loop
        service.about("p1")
        assert not away(service)  # a thread may wait
        assert asyncio.run(on_a_loop(service))
        time.sleep(3 * redis_client.RETRY_S)
        assert away(service)  # it answers, but as slowly as before
        assert "the event loop waited" in caplog.text
    until(lambda: not away(service))
    assert not asyncio.run(on_a_loop(service))
    for state in (service, command):
        state.shut()


def test_what_is_linked_and_asked_on_the_command_line_is_in_redis_too(
    state, redis_url, run, monkeypatch, tmp_path
):
    monkeypatch.setenv("KINOLOOP_STATE_URL", redis_url)
    monkeypatch.setenv("KINOLOOP_LANDING", str(tmp_path / "landing"))
    result = CliRunner().invoke(app, ["link", "tv", "anna"])
    assert result.exit_code == 0, result.output
    tv, anna = (Pseudonyms(bytes.fromhex(KEY)).of(name) for name in ("tv", "anna"))
    assert state.ids_of(tv) == [anna, tv]
    assert len(landed(tmp_path)) == 1
    state.record([event(1, user=tv, video_id="v001")], of("tv"))
    result = run("--user", "anna", "--top-k", "40")
    assert result.exit_code == 0, result.output
    assert "v002" in result.output
    assert "v001" not in result.output
    folder = tmp_path / "state" / "serving"
    assert not (folder / "live.db").exists()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_server_that_does_not_answer_or_an_address_that_is_none_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(redis_client, "PATIENCE_S", 0.0)
    with pytest.raises(StateError, match=r"at redis://…@127.0.0.1:1/0 does not answer") as told:
        opened("redis://:hunter2@127.0.0.1:1/0", tmp_path)
    assert "hunter2" not in str(told.value)
    for url in ("redis://:hunter2@127.0.0.1:port/0", "postgres://me:hunter2@db/x", "sqlite://x.db"):
        with pytest.raises(ConfigError, match=r"KINOLOOP_STATE_URL is .*; expected") as told:
            opened(url, tmp_path)
        assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "redis:/:hunter2@h",
            "redis://:hunter2",
            "redis://:hunter2@h[",
            "redis://:hunter2@\u2100",
        ),
        *("redis://h/0?password=hunter2&nothing=1", "redis://:hunter2@h/0?socket_timeout=soon"),
        *("hunter2", "redis://:hunter2@h..h/0", "rediss://:\"<'hunter2@h:port", "//hunter2@h"),
        *("sqlite://:hunter2@h/x.db", "http://h/0?password=hunter2", "redis://h/0?db=hunter2"),
    ],
)
def test_an_address_that_is_none_is_said_and_its_password_never(tmp_path, capsys, caplog, url):
    with pytest.raises(ConfigError, match=r"KINOLOOP_STATE_URL is '.*'; expected") as told:
        opened(url, tmp_path)
    assert told.value.__cause__ is None
    assert "hunter2" not in str(told.value) + caplog.text + "".join(capsys.readouterr())


def test_two_keys_or_two_formats_do_not_meet_in_one_database(state, redis_url, tmp_path):
    with pytest.raises(ConfigError, match="the same KINOLOOP_PSEUDONYM_KEY"):
        opened(redis_url, tmp_path, key="ab" * 32)
    with Redis.from_url(redis_url) as redis:
        redis.hset("kinoloop:made", "format", "0")
    with pytest.raises(ConfigError, match="has format 0, expected 1"):
        opened(redis_url, tmp_path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (SAFE, None),
        (("--save", ""), "in memory only"),
        (("--appendonly", "yes", "--appendfsync", "everysec"), "about a second is lost"),
        ((*SAFE, "--maxmemory-policy", "allkeys-lru"), "throws keys away"),
        ((*SAFE, "--rename-command", "CONFIG", ""), "for its operator to say"),
    ],
)
def test_the_start_says_what_the_server_does_not_promise(tmp_path, caplog, settings, said):
    with redis_server(tmp_path / "redis", *settings) as server:
        opened(server.url, tmp_path).shut()
    told = [line.getMessage() for line in caplog.records if line.name == "serving.redis_store"]
    assert (len(told) == 1 and said in told[0]) if said else not told


def _fits(take, number) -> bool:
    try:
        return take(number) == 500
    except StateError as err:
        return "the live state refuses" not in str(err)


def test_a_full_server_takes_all_of_a_request_or_nothing(tmp_path):
    with redis_server(tmp_path / "redis", *SAFE, "--maxmemory", "3mb") as server:
        state = opened(server.url, tmp_path)

        def take(number):
            return state.record([event(number * 500 + n) for n in range(500)], of(*["u"] * 500))

        taken = 500 * next(n for n in range(200) if not _fits(take, n))
        assert 0 < taken == state.pending() == len(state.videos_of("p1"))
        state.shut()


def test_two_machines_that_export_at_once_write_each_event_once(
    state, redis_url, tmp_path, monkeypatch
):
    monkeypatch.setattr(redis_store, "CLAIM_S", 0.05)  # it runs out while a batch is written
    state.record(events(0, 200), parcels(["anna"] * 200))
    machines = [opened(redis_url, tmp_path) for _ in range(3)]
    boxes = [Outbox(one, str(tmp_path / "landing"), max_rows=7) for one in machines]

    def work(box):
        while box.pending():
            box.export()

    threads = [threading.Thread(target=work, args=(box,)) for box in boxes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = [row["event_id"] for file in landed(tmp_path).values() for row in file]
    assert sorted(rows) == sorted(f"e{n}" for n in range(200))
    for one in machines:
        one.shut()


def test_an_erased_user_leaves_no_bytes_behind_while_the_server_runs(state):
    state.record([event(1, user="erase-me"), event(2, user="p2")], of("raw-user", "other"))
    state.remember_shown([("erase-me", "v3", 5)], within_s=9.0)
    assert b"erase-me" in content(state)
    assert b"raw-user" not in content(state)
    assert state.forget_user("erase-me") == 1
    until(lambda: b"erase-me" not in content(state))
    assert len(all_of(state, "p2")) == 1


@pytest.mark.parametrize("how_it_ends", ["goes on", "shut"])
def test_users_erased_while_the_log_is_rewritten_leave_no_bytes_behind(tmp_path, how_it_ends):
    users = [f"erase-{n}" for n in range(3)]
    with redis_server(tmp_path / "redis") as server, Redis.from_url(server.url) as redis:
        state = opened(server.url, tmp_path)
        given = [event(n, user=user) for n, user in enumerate([*users, "stays"])]
        state.record(given, of(*["raw"] * len(given)))
        redis.config_set("rdb-key-save-delay", 2_000)  # µs per key, so that a rewrite takes a while
        redis.mset({f"other-{n}": n for n in range(500)})
        for user in users:
            assert state.forget_user(user) == 1
        redis.config_set("rdb-key-save-delay", 0)
        if how_it_ends == "shut":
            state.shut()
        reading = opened(server.url, tmp_path)
        until(lambda: not any(user.encode() in content(reading) for user in users))
        assert len(all_of(reading, "stays")) == 1
        reading.shut()
        state.shut()


def test_a_page_is_kept_for_a_while_and_under_nobodys_name(state, redis_url):
    state.keep_page("r1", PAGES)
    assert (state.page("r1"), state.page("r2")) == (PAGES, None)
    with Redis.from_url(redis_url) as redis:
        (key,) = redis.keys("kinoloop:page:*")
        assert 0 < redis.ttl(key) <= PAGE_S
        redis.set(key, '["v1"]')  # as it was kept before pages were counted
    assert state.page("r1") == Pages(["v1"], 1)


def test_an_answer_is_given_where_the_server_takes_no_page_and_the_log_says_so_once(
    state, redis_url, tmp_path, caplog
):
    environment = Environment(landing=str(tmp_path / "landing"), pseudonym_key=KEY)
    records = Records(
        tmp_path / "own", environment, state, config=ServingConfig(), policy=PolicyConfig()
    )
    page = records.lineage.record("recommend", ["v1", "v2"], {})
    with Redis.from_url(redis_url) as redis:
        redis.config_set("maxmemory", 1)
        try:
            for _ in range(20):
                records.keep_page(page, PAGES)
        finally:
            redis.config_set("maxmemory", 0)
    assert state.page(page) is None
    assert records.shown_before(page) == Pages(["v1", "v2"], 1)
    (told,) = caplog.records
    assert "used memory > 'maxmemory'" in told.getMessage()
    assert told.exc_info is None
    records.keep_page(page, PAGES)
    assert state.page(page) == PAGES


def test_events_count_as_recorded_once_they_are_though_what_is_too_much_stays(state, redis_url):
    most = REPEATS + 3

    def search(n):
        event = LiveEvent(f"s{n}", "p1", "", "search", None, None, n)
        text = Unread(event.event_id, "p1", "", "search", n, "space", "steam trains")
        return state.record([event], of("u"), texts=[text])

    with Redis.from_url(redis_url) as redis:
        redis.execute_command("ACL", "SETUSER", "default", "-hdel")
        try:
            assert [search(n) for n in range(most)] == [1] * most
        finally:
            redis.execute_command("ACL", "SETUSER", "default", "+hdel")
    assert state.pending() == len(state.unread_of(["p1"], "space")) == most
    search(most)
    assert len(state.unread_of(["p1"], "space")) == REPEATS


def test_all_that_a_request_asks_about_a_person_comes_in_one_round_trip(state, redis_url):
    mine = [event(n) for n in range(4)] + [event(8, event="like", video_id="v1")]
    theirs = [event(9, user="tv"), event(10, user="tv", event="not_interested", video_id="v7")]
    link = LiveEvent("i", "tv", "", "identify", None, None, 11)
    text = Unread("s", "p1", "", "search", 12, "space", "steam trains")
    search = LiveEvent("s", "p1", "", "search", None, None, 12)
    given = [*mine, *theirs, link, search]
    state.record(
        given,
        [Parcel("u", person_id="raw" if one is link else None) for one in given],
        {"raw": "p1"},
        [text],
    )
    state.remember_shown([("tv", "v3", 5)] * 3, within_s=9.0)
    state.count_hourly([("p1", "v3", 7, 2)])

    def asked(people):
        ids = people.ids_of("tv")
        return (
            ids,
            [sorted(people.events_of(one, at_most=9)) for one in ids],
            people.events_of("p1", at_most=4),
            people.videos_of("p1"),
            sorted(people.events_with("p1", ["v1"])),
            people.said_by(ids),
            people.unread_of(ids, "space"),
            people.newest_written(ids, "space"),
            people.shown_often("tv", times=3, since=5),
            people.reached("p1", times=2, since_hour=7),
        )

    about = state.about("p1")
    with Redis.from_url(redis_url) as redis:
        redis.flushall()  # nothing more is asked of the server about somebody without other ids
    assert about.ids_of("p1")[0] == "p1"
    assert len(about.events_of("p1", at_most=9)) == 5
    state.record(
        given,
        [Parcel("u", person_id="raw" if one is link else None) for one in given],
        {"raw": "p1"},
        [text],
    )
    state.remember_shown([("tv", "v3", 5)] * 3, within_s=9.0)
    state.count_hourly([("p1", "v3", 7, 2)])
    assert asked(state.about("tv")) == asked(state)
    assert asked(state)[0] == ["p1", "tv"]
    assert asked(state)[-2:] == (["v3"], ["v3"])
