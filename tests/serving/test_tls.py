"""The service over HTTPS, started, watched and asked as `kinoloop up` and the commands do."""

import ssl
import urllib.request
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from kinoloop.cli import own_service
from kinoloop.cli.main import app
from kinoloop.cli.servers import Servers
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.release.signature import signed_by
from kinoloop.testing.service import KEY, free_port


def write_pair(folder, name="videos.example", *, days=1):
    """A key, and a certificate for another name than loopback that nobody has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = datetime.now(UTC) + timedelta(days=days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=30))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / f"{name}.key").write_bytes(secret)
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return folder / f"{name}.crt", folder / f"{name}.key"


def settings_of(certificate, key):
    return (
        f'[serving]\nspare_workers = 0\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n'
        'hosts = ["videos.example"]\n'
    )


@pytest.fixture
def environment(tmp_path, monkeypatch, bundle):
    for name, value in {
        "STATE_DIR": tmp_path / "state",
        "LANDING": tmp_path / "landing",
        "SETTINGS_FILE": tmp_path / "kinoloop.toml",
        "SERVICE_PORT": free_port(),
        "PSEUDONYM_KEY": KEY,
        "TRUSTED_KEYS": signed_by(bundle),
        "BUNDLE": bundle,
    }.items():
        monkeypatch.setenv(f"KINOLOOP_{name}", str(value))
    monkeypatch.setenv("COLUMNS", "160")
    return Environment()


def test_the_service_speaks_https_and_the_commands_ask_it(tmp_path, environment):
    """With a certificate that has expired: clients refuse it, probes must not."""
    (tmp_path / "kinoloop.toml").write_text(settings_of(*write_pair(tmp_path, days=-1)))
    assert "everybody on this machine" in own_service.check_binding(environment)
    url = own_service.service_url(environment)
    assert url.startswith("https://127.0.0.1:")
    with Servers(tmp_path / "logs") as servers:
        servers.start(own_service.service(environment, ready=True))
        servers.wait("service")
        with own_service.caller(environment, patience_s=600) as client:
            assert client.post("/recommend", json={"user_id": "u000"}).status_code == 200
            large = client.post("/recommend", content=b"x" * 2_000_000)
            assert large.status_code in {413, 415}
        result = CliRunner().invoke(app, ["search", "video"])
        assert f"answered by {url}" in result.output
        for context in (ssl.create_default_context(), _trusting(write_pair(tmp_path, "other")[0])):
            with pytest.raises(httpx.ConnectError, match="certificate"):
                httpx.get(url, verify=context)
        with pytest.raises(OSError, match=r"reset|closed|empty|Remote"):
            urllib.request.urlopen(url.replace("https", "http"), timeout=600)


def _trusting(certificate):
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    return context


def test_certificate_and_key_that_are_no_pair_are_refused_before_anything_starts(
    tmp_path, environment
):
    certificate, key = write_pair(tmp_path)
    _, other = write_pair(tmp_path, "other")
    for wrong in ((certificate, other), (certificate, tmp_path / "none"), (key, key)):
        (tmp_path / "kinoloop.toml").write_text(settings_of(*wrong))
        result = CliRunner().invoke(app, ["serve"])
        assert isinstance(result.exception, ConfigError)
        assert "[serving] tls_" in str(result.exception)
    (tmp_path / "kinoloop.toml").write_text(f'[serving]\ntls_key = "{key}"\n')
    with pytest.raises(ConfigError, match="tls_certificate and tls_key go together"):
        own_service.check_binding(environment)
