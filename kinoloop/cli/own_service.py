"""The service of this installation: how it is started, where it is, and how commands ask it."""

import ssl
import sys

import httpx

from kinoloop.cli.access import NO_TOKEN
from kinoloop.cli.backends import server_variables
from kinoloop.cli.servers import Server
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.privacy.tokens import OWN, are_asked_for, own_token
from kinoloop.settings import read_section
from serving.config import ServingConfig
from serving.origin import is_loopback
from serving.startup import who_may_ask

SERVICE = "serving.service:Kinoloop"
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME: an expired certificate is for clients to refuse, not for probes."""


def service(environment: Environment, *, ready: bool = False) -> Server:
    """Describe the BentoML service; it waits for a champion by itself.

    Args:
        environment: Names address and folders.
        ready: Count it as started only when it has a champion to answer with.
    """
    config = _config(environment)
    tls = ["--ssl-certfile", config.tls_certificate, "--ssl-keyfile", config.tls_key]
    return Server(
        name="service",
        command=[
            sys.executable, "-m", "bentoml", "serve", SERVICE,
            "--host", environment.host, "--port", str(environment.service_port),
            *(tls if config.tls_certificate else []),
        ],
        variables=server_variables(environment) | NO_TOKEN,
        health=f"{service_url(environment)}/{'readyz' if ready else 'livez'}",
        verify=trusted(environment),
        host=environment.host,
        port=environment.service_port,
        port_setting="KINOLOOP_SERVICE_PORT",
    )  # fmt: skip


def service_url(environment: Environment) -> str:
    """Address of the service."""
    scheme = "https" if _config(environment).tls_certificate else "http"
    return f"{scheme}://{environment.host}:{environment.service_port}"


def trusted(environment: Environment) -> ssl.SSLContext | bool:
    """How commands check the service's certificate: it must be the very one of the settings.

    So it may be signed by anybody, for any name: they ask by address.

    Raises:
        ConfigError: The file is missing, or no certificate.
    """
    path = _config(environment).tls_certificate
    if not path:
        return True
    try:
        context = ssl.create_default_context(cafile=path)
    except OSError as err:  # ssl.SSLError is one
        raise ConfigError(f"[serving] tls_certificate: {path} cannot be read: {err}") from err
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    return context


def caller(environment: Environment, *, patience_s: float) -> httpx.Client:
    """Return a client of the service that carries a token, where there is one to carry.

    That of `KINOLOOP_TOKEN`, for a service elsewhere; else the one that is for the commands of this
    installation, in a file that only its owner can read.

    Args:
        environment: Names address, token and state folder.
        patience_s: With one answer.
    """
    token = "" if environment.token is None else environment.token.get_secret_value()
    asked = _config(environment).tokens == "required" or are_asked_for(environment)
    if not token and (asked or (environment.state_dir / OWN).exists()):
        token = own_token(environment)  # whoever is first makes it, this or the service
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(
        base_url=service_url(environment),
        headers=headers,
        verify=trusted(environment),
        timeout=patience_s,
    )


def check_binding(environment: Environment) -> str:
    """Say who may ask the service, one line.

    Raises:
        ConfigError: Others than this machine could reach it and nothing would check who asks; the
            tokens are damaged; or certificate and key are no pair.
    """
    config = _config(environment)
    host = environment.host
    here = host == "localhost" or is_loopback(host)
    if config.tokens == "auto" and not here and not are_asked_for(environment):
        raise ConfigError(
            f"KINOLOOP_HOST={host} would open the service to other machines, and there are no "
            "tokens; run `kinoloop token create NAME --scope recommend`, or set [serving] tokens = "
            '"off" in kinoloop.toml where a proxy in front checks who asks'
        )
    if config.tls_certificate:
        _check_pair(config.tls_certificate, config.tls_key)
    return who_may_ask(environment, config)


def _check_pair(certificate: str, key: str) -> None:
    try:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate, key, password="")  # it must not ask for one
    except OSError as err:  # ssl.SSLError is one
        raise ConfigError(
            f"[serving] tls_certificate = {certificate!r} and tls_key = {key!r} cannot be used: "
            f"{err}; both must be PEM, the key without a password and that of the certificate"
        ) from err


def _config(environment: Environment) -> ServingConfig:
    return read_section("serving", ServingConfig, environment.settings_file)
