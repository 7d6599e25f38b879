from datetime import UTC, datetime, timedelta

import pytest

from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.privacy.tokens import (
    add_token,
    are_asked_for,
    given_tokens,
    new_token,
    own_token,
    parse_tokens,
    read_tokens,
    remove_token,
    tokens_file,
)

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)


def test_what_is_kept_of_a_token_is_its_hash_and_reads_back_as_it_was(tmp_path):
    path = tmp_path / "state" / "tokens"
    secret, token = new_token("web", ["feedback", "recommend"], now=NOW)
    _, other = new_token("ops", ["admin"], now=NOW, expires=NOW + timedelta(days=30))
    add_token(path, token)
    add_token(path, other)
    assert read_tokens(path) == [token, other]
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(secret) >= len("kl_") + 43  # 256 bits
    assert not token.expired(NOW + timedelta(days=9999))
    assert not other.expired(NOW + timedelta(days=29))
    assert other.expired(NOW + timedelta(days=30))


def test_a_revoked_token_is_gone_and_the_last_one_leaves_the_file_so_that_nobody_gets_in(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path))
    path = tokens_file(Environment())
    assert not are_asked_for(Environment())
    add_token(path, new_token("web", ["recommend"], now=NOW)[1])
    with pytest.raises(ConfigError, match="a token named 'web' already"):
        add_token(path, new_token("web", ["admin"], now=NOW)[1])
    with pytest.raises(ConfigError, match="no token named 'wep'; there are: web"):
        remove_token(path, "wep")
    remove_token(path, "web")
    assert read_tokens(path) == []
    assert are_asked_for(Environment())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("web", "w b"), "has 6 words, expected 5"),
        (("web", "w/b"), "is no name"),
        (("recommend", "recommend,root"), "got scope root"),
        (("never", "tomorrow"), "no time such as"),
    ],
)
def test_a_line_that_is_no_token_is_refused_and_named(change, says):
    line = new_token("web", ["recommend"], now=NOW)[1].line.replace(*change)
    with pytest.raises(ConfigError, match=f"line 2 of here.*{says}"):
        parse_tokens(f"# one\n{line}\n", "here")


def test_a_digest_must_be_one_and_names_are_there_once():
    token = new_token("web", ["recommend"], now=NOW)[1]
    with pytest.raises(ConfigError, match="must be a SHA-256"):
        parse_tokens(token._replace(digest="ab").line, "here")
    with pytest.raises(ConfigError, match="several tokens named web"):
        parse_tokens(f"{token.line}\n{token.line}", "here")


def test_a_file_that_others_can_read_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "tokens"
    add_token(path, new_token("web", ["recommend"], now=NOW)[1])
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=r"mode 0640\): chmod 600"):
        read_tokens(path)
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path / "state"))
    assert own_token(Environment()) == own_token(Environment())
    (tmp_path / "state" / "service.token").chmod(0o644)
    with pytest.raises(ConfigError, match="others can read"):
        own_token(Environment())


def test_tokens_come_from_a_variable_too(monkeypatch):
    lines = [new_token(name, ["metrics"], now=NOW)[1].line for name in ("a", "b")]
    monkeypatch.setenv("KINOLOOP_TOKENS", "; ".join(lines))
    assert [token.name for token in given_tokens(Environment())] == ["a", "b"]
    assert are_asked_for(Environment())
