from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from kinoloop.environment import Environment
from kinoloop.privacy.tokens import add_token, new_token, own_token, remove_token, tokens_file
from serving.config import ServingConfig
from serving.guard import Guard
from serving.known_tokens import LOOK_S, KnownTokens
from serving.problems import Problem
from serving.scopes import scope_of

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
KEY = "0a" * 32


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def environment(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("KINOLOOP_OPERATOR_KEY", KEY)
    return Environment()


@pytest.fixture
def web(environment):
    secret, token = new_token("web", ["recommend"], now=NOW, expires=NOW + timedelta(days=1))
    add_token(tokens_file(environment), token)
    return secret


def guard_of(environment, clock=lambda: 0.0, now=NOW, **settings):
    config = ServingConfig(**settings)
    required = config.tokens == "required"
    known = KnownTokens(environment, required=required, clock=clock)
    return Guard(lambda: known, config, clock=lambda: now)


def asked(path="/recommend", *given, method="POST", server="127.0.0.1"):
    headers = [(b"authorization", one if isinstance(one, bytes) else one.encode()) for one in given]
    return {"method": method, "path": path, "headers": headers, "server": (server, 3000)}


def refusal(guard, *request, **more):
    with pytest.raises(Problem) as refused:
        guard.check(asked(*request, **more))
    problem = refused.value
    return problem.status, problem.body["error"], problem.headers.get("WWW-Authenticate", "")


def test_without_tokens_this_machine_may_ask_and_no_other(environment):
    guard = guard_of(environment)
    for server in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        guard.check(asked(server=server))
    for server in ("10.0.0.5", "0.0.0.0", "2001:db8::1", "::ffff:10.0.0.5", "/run/socket"):
        assert refusal(guard, server=server)[:2] == (403, "tokens_needed")
    guard.check(asked("/livez", method="GET", server="10.0.0.5"))
    guard_of(environment, tokens="off").check(asked(server="10.0.0.5"))
    assert refusal(guard_of(environment, tokens="required"))[:2] == (401, "no_token")


def test_operators_need_a_key_also_where_nobody_else_needs_a_token(environment):
    for guard in (guard_of(environment), guard_of(environment, tokens="off")):
        guard.check(asked("/videos/v1", f"Bearer {KEY}", method="DELETE"))
        for wrong in ((), ("Bearer ",), (f"Bearer {KEY[:-1]}",), (f"Basic {KEY}",),
                      (b"Bearer \xe9",), (f"Bearer {KEY}", f"Bearer {KEY}")):  # fmt: skip
            status, error, challenge = refusal(guard, "/videos/v1", *wrong, method="DELETE")
            assert (status, error) == (401, "not_an_operator")
            assert challenge == 'Bearer realm="kinoloop"'


def test_operators_look_without_a_key_where_this_machine_alone_is_answered(environment):
    here, look = guard_of(environment), ("/admin/overview",)
    here.check(asked(*look, method="GET"))
    assert refusal(here, *look, method="GET", server="10.0.0.5")[:2] == (403, "tokens_needed")
    behind_a_proxy = guard_of(environment, tokens="off")  # which does not know operators from users
    assert refusal(behind_a_proxy, *look, method="GET")[:2] == (401, "not_an_operator")
    behind_a_proxy.check(asked(*look, f"Bearer {KEY}", method="GET"))
    secret, token = new_token("web", ["recommend", "metrics"], now=NOW)
    add_token(tokens_file(environment), token)
    asking = guard_of(environment)
    assert refusal(asking, *look, method="GET")[:2] == (401, "no_token")
    assert refusal(asking, *look, f"Bearer {secret}", method="GET")[:2] == (403, "wrong_scope")
    asking.check(asked(*look, f"Bearer {KEY}", method="GET"))


def test_a_token_opens_its_scope_until_it_expires(environment, web):
    guard = guard_of(environment)
    guard.check(asked("/recommend", f"Bearer {web}"))
    guard.check(asked("/recommend", f"bearer  {web} "))  # the word has no case (RFC 9110, 11.1)
    guard.check(asked("/videos/v1", f"Bearer {web}", method="HEAD"))
    status, error, challenge = refusal(guard, "/feedback", f"Bearer {web}")
    assert (status, error) == (403, "wrong_scope")
    assert challenge.endswith('error="insufficient_scope", scope="feedback"')
    assert refusal(guard, "/recommend")[1:] == ("no_token", 'Bearer realm="kinoloop"')
    for wrong in (web[:-1], web + "A", "", web.lower()):
        status, error, challenge = refusal(guard, "/recommend", f"Bearer {wrong}")
        assert (status, error) == (401, "bad_token")
        assert challenge.endswith('error="invalid_token"')
    late = guard_of(environment, now=NOW + timedelta(days=1))
    assert refusal(late, "/recommend", f"Bearer {web}")[:2] == (401, "bad_token")


def test_no_answer_repeats_what_was_sent_as_a_token(environment, web):
    guard = guard_of(environment)
    for path, secret in (("/feedback", web), ("/recommend", f"{web}x"), ("/nothing", web)):
        with pytest.raises(Problem) as refused:
            guard.check(asked(path, f"Bearer {secret}"))
        assert web not in str(refused.value.body) + str(refused.value.headers)


def test_what_is_not_in_the_table_is_closed_to_all_but_admin(environment, web):
    guard = guard_of(environment)
    assert scope_of("GET", "/a-new-route") is None
    assert refusal(guard, "/a-new-route", method="GET")[:2] == (401, "no_token")
    held = f"Bearer {web}"
    assert refusal(guard, "/a-new-route", held, method="GET")[:2] == (404, "unknown_path")
    assert refusal(guard, "/videos/v1", held, method="PUT")[:2] == (405, "wrong_method")
    assert refusal(guard, "/", method="POST")[:2] == (405, "wrong_method")
    guard.check(asked("/a-new-route", f"Bearer {KEY}", method="GET"))


def test_the_commands_here_carry_a_token_of_their_own(environment, web):
    guard = guard_of(environment)
    own = f"Bearer {own_token(environment)}"
    guard.check(asked("/recommend", own))
    guard.check(asked("/feedback", own))
    assert refusal(guard, "/videos/v1", own, method="DELETE")[:2] == (403, "wrong_scope")


def test_what_is_made_and_revoked_counts_at_the_next_look(environment):
    clock = Clock()
    guard = guard_of(environment, clock)
    guard.check(asked())  # open
    clock.now += LOOK_S
    secret, token = new_token("web", ["recommend"], now=NOW)
    add_token(tokens_file(environment), token)
    guard.check(asked("/recommend", f"Bearer {secret}"))
    assert refusal(guard)[1] == "no_token"
    remove_token(tokens_file(environment), "web")
    clock.now += LOOK_S
    assert refusal(guard, "/recommend", f"Bearer {secret}")[1] == "bad_token"


@pytest.mark.parametrize("damage", ["gone", "damaged", "open to others"])
def test_a_file_that_cannot_be_trusted_any_more_opens_nothing(environment, web, damage, caplog):
    clock = Clock()
    guard = guard_of(environment, clock)
    guard.check(asked("/recommend", f"Bearer {web}"))
    path = tokens_file(environment)
    if damage == "gone":
        path.unlink()
    elif damage == "damaged":
        path.write_text("web recommend\n")
    else:
        path.chmod(0o644)
    clock.now += LOOK_S
    for one in (guard, guard_of(environment, tokens="required")):  # and a worker that starts now
        assert refusal(one, "/recommend", f"Bearer {web}")[1] == "bad_token"
        assert refusal(one)[1] == "no_token"
    assert (damage == "gone") == ("opens anything until it is mended" not in caplog.text)


def test_a_token_that_asks_too_often_is_told_when_to_come_back(environment, web):
    guard = guard_of(environment, token_rate=0.01, token_burst=2)
    for _ in range(2):
        guard.check(asked("/recommend", f"Bearer {web}"))
    with pytest.raises(Problem, match="this token asks too often") as refused:
        guard.check(asked("/recommend", f"Bearer {web}"))
    assert refused.value.status == 429
    assert 0 < int(refused.value.headers["Retry-After"]) <= 100
    guard.check(asked("/recommend", f"Bearer {own_token(environment)}"))


def test_a_user_is_bounded_by_whatever_names_only_that_user(environment):
    guard = guard_of(environment, user_rate=0.01, user_burst=1)
    event = {"user_id": "u", "event": "view"}
    guard.check_user(SimpleNamespace(user_id="u"))
    for body in (SimpleNamespace(user_id="u"), SimpleNamespace(events=[event, event])):
        with pytest.raises(Problem, match="this user asks too often"):
            guard.check_user(body)
    for spelled in (" u", "u\t", "\u200bu\u3000"):  # blanks around an id are none of it
        with pytest.raises(Problem, match="this user asks too often"):
            guard.check_user(SimpleNamespace(events=[{**event, "user_id": spelled}]))
    with pytest.raises(Problem, match="this user asks too often"):
        guard.check_user(SimpleNamespace(events=[event, {**event, "user_id": "u "}]))
    other = {"user_id": ["no", {"id": "at all"}]}
    for body in (SimpleNamespace(user_id=None), SimpleNamespace(events=[event, other]),
                 SimpleNamespace(events=[other]), SimpleNamespace(events=["x"])):  # fmt: skip
        guard.check_user(body)
