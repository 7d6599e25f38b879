import stat

import pytest

from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.privacy.pseudonyms import Pseudonyms, load_pseudonyms

KEY = bytes(range(32))


def test_same_key_and_user_give_the_same_pseudonym_of_128_bits():
    assert Pseudonyms(KEY).of("ana") == Pseudonyms(KEY).of("ana")
    assert len(bytes.fromhex(Pseudonyms(KEY).of("ana"))) == 16


def test_another_key_gives_another_pseudonym_and_another_key_id():
    other = Pseudonyms(bytes(32))
    assert other.of("ana") != Pseudonyms(KEY).of("ana")
    assert other.key_id != Pseudonyms(KEY).key_id


def test_many_agree_with_one():
    pseudonyms = Pseudonyms(KEY)
    assert pseudonyms.of_all(["ana", "ben"]) == [pseudonyms.of("ana"), pseudonyms.of("ben")]


def test_key_of_wrong_length_is_refused():
    with pytest.raises(ConfigError, match="has 3 bytes, expected 32"):
        Pseudonyms(b"abc")


def test_key_is_made_once_and_only_the_owner_can_read_it(monkeypatch, tmp_path):
    monkeypatch.delenv("KINOLOOP_PSEUDONYM_KEY", raising=False)
    environment = Environment(state_dir=tmp_path)
    first = load_pseudonyms(environment)
    assert load_pseudonyms(environment).key_id == first.key_id
    assert stat.S_IMODE((tmp_path / "pseudonym.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["pseudonym.key"]


def test_key_from_the_variable_wins_and_never_shows(monkeypatch, tmp_path):
    monkeypatch.setenv("KINOLOOP_PSEUDONYM_KEY", KEY.hex())
    environment = Environment(state_dir=tmp_path)
    assert load_pseudonyms(environment).key_id == Pseudonyms(KEY).key_id
    assert KEY.hex() not in repr(environment)
    assert not list(tmp_path.iterdir())


def test_key_that_is_not_hex_is_refused_with_the_mend(monkeypatch, tmp_path):
    monkeypatch.setenv("KINOLOOP_PSEUDONYM_KEY", "secret")
    with pytest.raises(ConfigError, match="openssl rand -hex 32"):
        load_pseudonyms(Environment(state_dir=tmp_path))
