import re
import stat

import pytest

from kinoloop.environment import Environment
from kinoloop.errors import BundleError, ConfigError
from kinoloop.release.info import verify, write_info
from kinoloop.release.release import Release
from kinoloop.release.signature import TRUSTED_FILE, Signer, load_signer, load_trust, signed_by
from tests.release import tiny
from tests.release.test_parts import reseal


@pytest.fixture
def signed(bundle):
    tiny.SIGNER.sign(bundle)
    return bundle


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("SIGNING_KEY", "TRUSTED_KEYS"):
        monkeypatch.delenv(f"KINOLOOP_{name}", raising=False)


def test_what_a_trusted_key_signed_opens(signed):
    assert tiny.TRUST.verify(signed) == tiny.SIGNER.public == signed_by(signed)
    Release.open(signed, tiny.TRUST).check()


def test_signing_twice_gives_the_same_signature_and_leaves_the_digest(signed):
    before = (signed / "bundle.sig").read_bytes(), verify(signed).digest
    tiny.SIGNER.sign(signed)
    assert ((signed / "bundle.sig").read_bytes(), verify(signed).digest) == before


def test_a_bundle_without_a_signature_is_refused_with_the_next_step(bundle):
    with pytest.raises(BundleError, match=r"not signed: .*kinoloop retrain --force"):
        Release.open(bundle, tiny.TRUST)


def test_a_bundle_of_a_stranger_is_refused_and_its_key_named(bundle):
    stranger = Signer(bytes([9]) * 32)
    stranger.sign(bundle)
    with pytest.raises(BundleError, match=rf"{stranger.public}, which is not trusted here"):
        Release.open(bundle, tiny.TRUST)


def test_a_resealed_bundle_keeps_its_digests_and_loses_its_signature(signed):
    (signed / "golden.json").write_text("[]")
    reseal(signed)
    verify(signed)  # digests alone agree
    with pytest.raises(BundleError, match="its signature does not fit"):
        Release.open(signed, tiny.TRUST)


def test_a_manifest_from_another_bundle_does_not_fit_the_signature(signed):
    write_info(signed, verify(signed).model_copy(update={"name": "another"}))
    with pytest.raises(BundleError, match="its signature does not fit"):
        verify(signed, tiny.TRUST)


@pytest.mark.parametrize("content", [b"", b"\xff" * 300, b"ed25519 00 00\n", b"x" * 10_000])
def test_a_file_that_is_no_signature_is_named(signed, content):
    (signed / "bundle.sig").write_bytes(content)
    with pytest.raises(BundleError, match=r"bundle\.sig is damaged"):
        verify(signed, tiny.TRUST)


def test_the_key_is_made_once_and_only_the_owner_can_read_it(tmp_path):
    environment = Environment(state_dir=tmp_path)
    first = load_signer(environment).public
    assert load_signer(environment).public == first
    assert stat.S_IMODE((tmp_path / "signing.key").stat().st_mode) == 0o600
    assert load_trust(environment).keys == {first}


def test_a_service_that_only_serves_makes_no_key_and_trusts_the_named_ones(tmp_path):
    named = Environment(state_dir=tmp_path, trusted_keys=f"{'ab' * 32}, {'CD' * 32}")
    assert load_trust(named).keys == {"ab" * 32, "cd" * 32}
    assert load_trust(Environment(state_dir=tmp_path)).keys == set()
    assert list(tmp_path.iterdir()) == []


def test_a_bento_trusts_the_key_inside_unless_another_is_named(tmp_path):
    (tmp_path / TRUSTED_FILE).write_text("ef" * 32 + "\n")
    state = tmp_path / "state"
    assert load_trust(Environment(state_dir=state), beside=tmp_path).keys == {"ef" * 32}
    told = Environment(state_dir=state, trusted_keys="ab" * 32)
    assert load_trust(told, beside=tmp_path).keys == {"ab" * 32}


def test_a_key_that_is_none_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match=r"KINOLOOP_TRUSTED_KEYS: 'abc' is not a public key"):
        load_trust(Environment(state_dir=tmp_path, trusted_keys="abc"))
    (tmp_path / "signing.key").write_text("abcd")
    with pytest.raises(ConfigError, match=re.escape("the signing key in")):
        load_signer(Environment(state_dir=tmp_path))


def test_the_private_key_shows_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("KINOLOOP_SIGNING_KEY", "5a" * 32)
    environment = Environment(state_dir=tmp_path)
    assert "5a" * 32 not in repr(environment)
    assert load_signer(environment).public != "5a" * 32
    assert not list(tmp_path.iterdir())
