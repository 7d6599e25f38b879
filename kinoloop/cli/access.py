"""Who may speak to our Prefect and MLflow servers: whoever knows the token, from their own pages.

A page that somebody opens in a browser can send requests to every port of that machine, and whoever
can talk to a Prefect server can run commands as its worker. So each request needs the token of the
installation (`prefect.token` in the state folder, mode 0600, made at the first start), no other
origin is let in, and a page that gives our address another name (DNS rebinding) is refused.
`guard.py` does what Prefect cannot. The token goes through the environment, never a command line.
"""

import secrets
from pathlib import Path

from kinoloop import durable
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError

TOKEN = "prefect.token"  # noqa: S105 (a file's name)
NO_TOKEN = dict.fromkeys(("PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"), "")
"""For what we start and what has no business with Prefect."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def token_file(environment: Environment) -> Path:
    """Where the token lies; its one line is what Prefect's sign-in page asks for."""
    return environment.state_dir / TOKEN


def load_token(environment: Environment) -> str:
    """Load the token of this installation, `kinoloop:…`; make it where there is none.

    Raises:
        ConfigError: The file is empty or its form is wrong, or others can read it.
    """
    path = token_file(environment)
    if not path.exists():
        # of two processes that race, both read the token of the first
        durable.write_once(path, f"kinoloop:{secrets.token_urlsafe(32)}\n", mode=0o600)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise ConfigError(f"others can read {path} (mode {mode:04o}): chmod 600 {path}")
    token = path.read_text(encoding="ascii").strip()
    if not token.startswith("kinoloop:") or len(token) < len("kinoloop:") + 32:
        raise ConfigError(f"{path} has no token in it; remove it, and the next start creates one")
    return token


def allowed_hosts(environment: Environment) -> list[str]:
    """Names by which the servers are spoken to: loopback, their addresses, those of settings."""
    others = [name.strip().lower() for name in environment.allowed_hosts.split(",")]
    own = (environment.host, environment.prefect_host, environment.mlflow_host)
    return list(dict.fromkeys([*LOOPBACK, *map(str.lower, own), *filter(None, others)]))


def client_variables(environment: Environment) -> dict[str, str]:
    """Return the variables that a client of our Prefect server reads."""
    return {"PREFECT_API_AUTH_STRING": load_token(environment)}


def prefect_server_variables(environment: Environment) -> dict[str, str]:
    """Return what makes a Prefect server refuse strangers, also one that serves a single flow."""
    return {
        "PREFECT_SERVER_API_AUTH_STRING": load_token(environment),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(
            _origins(environment, environment.prefect_port)
        ),
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_UI_API_URL": "/api",  # that of the page, by whatever name it was opened
    }


def mlflow_server_variables(environment: Environment) -> dict[str, str]:
    """Return what makes an MLflow server refuse other names and other pages."""
    patterns = []
    for host in allowed_hosts(environment):
        bare = f"[{host}]" if ":" in host else host
        patterns += [bare, f"{bare.replace('[', '[[]')}:*"]  # a bracket is special in a pattern
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(patterns),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(
            _origins(environment, environment.mlflow_port)
        ),
    }


def _origins(environment: Environment, port: int) -> list[str]:
    hosts = allowed_hosts(environment)
    return [f"http://{f'[{host}]' if ':' in host else host}:{port}" for host in hosts]
