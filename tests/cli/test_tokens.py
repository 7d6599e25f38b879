import pytest
from typer.testing import CliRunner

from kinoloop.cli import own_service, project_checks
from kinoloop.cli.finding import State
from kinoloop.cli.main import app
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.privacy.tokens import own_token, parse_tokens


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(tmp_path / "kinoloop.toml"))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, ["token", *words])


def test_a_token_is_shown_once_alone_on_standard_output(run, tmp_path):
    made = run("create", "web", "--scope", "recommend", "-s", "feedback", "--expires", "30d")
    assert made.exit_code == 0, made.exception
    secret = made.stdout.strip()
    assert secret.startswith("kl_")
    assert len(secret.split()) == 1
    listed = run("list").output
    assert "web" in listed
    assert "recommend, feedback" in listed
    assert secret not in listed
    assert secret not in (tmp_path / "state" / "tokens").read_text()
    assert run("revoke", "web").exit_code == 0
    assert "There are no tokens" in run("list").output


def test_without_the_last_token_the_service_is_said_to_be_closed(run, tmp_path):
    assert "open to everybody on this machine" in run("list").output
    assert run("create", "web", "-s", "recommend").exit_code == 0
    kept = (tmp_path / "state" / "tokens").read_text()
    for told in (
        run("revoke", "web").output,
        run("list").output,
        own_service.check_binding(Environment()),
    ):
        assert "closed to everybody" in told
        assert "kinoloop token create NAME --scope recommend makes one" in told
        assert "remove that file and start the service again" in told
    finding = next(project_checks.strangers(Environment()))
    assert finding.state is State.WARNING
    assert "closed to everybody" in finding.seen
    (tmp_path / "state" / "tokens").write_text(kept.replace("never", "2020-01-01T00:00:00Z"))
    told = own_service.check_binding(Environment())  # one that is expired opens nothing
    assert "closed to everybody" in told
    assert "remove that file" not in told
    (tmp_path / "state" / "tokens").unlink()
    (tmp_path / "kinoloop.toml").write_text('[serving]\ntokens = "required"\n')
    assert "closed to everybody" in run("list").output


def test_a_token_for_elsewhere_is_kept_nowhere(run, tmp_path, monkeypatch):
    made = run("create", "web", "-s", "metrics", "--print")
    (line,) = [line for line in made.stderr.splitlines() if line.startswith("web metrics ")]
    assert parse_tokens(line, "here")[0].scopes == {"metrics"}
    assert not (tmp_path / "state" / "tokens").exists()
    monkeypatch.setenv("KINOLOOP_TOKENS", line)
    assert "KINOLOOP_TOKENS" in run("list").output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["create", "a b", "-s", "admin"], "is no name"),
        (["create", "web", "-s", "everything"], "expected some of recommend, feedback, admin"),
        (["create", "web", "-s", "admin", "--expires", "soon"], "expected 30d, 12h, 30m, or never"),
        (["create", "web", "-s", "admin", "--expires", "999999d"], "expected 30d"),
        (["revoke", "web"], "has no token named 'web'; there are: none"),
    ],
)
def test_what_is_wrong_is_said(run, words, says):
    result = run(*words)
    assert isinstance(result.exception, ConfigError)
    assert says in str(result.exception)


def test_more_than_this_machine_is_refused_without_tokens(run, tmp_path, monkeypatch):
    assert "everybody on this machine" in own_service.check_binding(Environment())
    monkeypatch.setenv("KINOLOOP_HOST", "0.0.0.0")
    with pytest.raises(ConfigError, match="`kinoloop token create NAME --scope recommend`"):
        own_service.check_binding(Environment())
    for verb in ("serve", "up", "demo"):
        result = CliRunner().invoke(app, [verb])
        assert "would open the service to other machines" in str(result.exception)
    assert run("create", "web", "-s", "recommend").exit_code == 0
    assert "one of 1 tokens" in own_service.check_binding(Environment())
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "another"))
    (tmp_path / "kinoloop.toml").write_text('[serving]\ntokens = "off"\n')
    assert "a proxy must check" in own_service.check_binding(Environment())


def test_commands_carry_the_token_of_the_installation_or_the_one_that_is_named(run, monkeypatch):
    def carried():
        with own_service.caller(Environment(), patience_s=1.0) as client:
            return client.headers.get("authorization")

    assert carried() is None
    assert run("create", "web", "-s", "recommend").exit_code == 0
    first = carried()  # before the service has seen that it has tokens
    assert first == f"Bearer {own_token(Environment())}"
    assert carried() == first
    monkeypatch.setenv("KINOLOOP_TOKEN", "kl_another")
    assert carried() == "Bearer kl_another"
    assert "kl_another" not in repr(Environment())
