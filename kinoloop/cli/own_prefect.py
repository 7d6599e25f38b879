"""The Prefect of one command: the servers that are up, else a server for as long as it runs.

Prefect would start one by itself, in our process group: Ctrl-C would stop it before the run that
has to tell it that it is over, and a killed command would leave it behind. Ours is supervised like
those of `kinoloop up`, and starts while the flow is imported.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from kinoloop.cli.backends import LOGS, base_variables, connect
from kinoloop.cli.servers import Server, Servers
from kinoloop.cli.stack import prefect_server
from kinoloop.environment import Environment

NAME = "prefect-of-command"
ONLY_AN_API = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",  # as Prefect calls it: no scheduler, no other services
    "PREFECT__SERVER_FINAL": "1",
}


@contextmanager
def connected() -> Iterator[Environment]:
    """Join the servers that are up, or start one; import the flow inside, call it after.

    Raises:
        ServerError: The server ended, or has shown no sign of life for its patience.
    """
    environment = connect()
    if _is_named(environment):
        yield environment
        return
    console = Console(stderr=True)
    servers, server = Servers(environment.state_dir / LOGS), _server(environment)
    servers.start(server)  # it ends with us: its supervisor notices
    os.environ["PREFECT_API_URL"] = f"http://{server.host}:{server.port}/api"
    with console.status("Starting Prefect's server and loading the flow …"):
        yield environment
        servers.wait(
            NAME,
            progress=lambda seconds: console.print(
                f"Prefect's server is still starting after {seconds:.0f} s; "
                f"its log is {servers.log_file(NAME)}",
                style="dim",
                markup=False,
                highlight=False,
                soft_wrap=True,
            ),
        )


def _is_named(environment: Environment) -> bool:
    """Whether `up` runs, or the user's settings say which Prefect is used and how."""
    return (
        "prefect" in sys.modules
        or "PREFECT_API_URL" in os.environ
        or os.environ["PREFECT_HOME"] != base_variables(environment)["PREFECT_HOME"]
        or any(name in os.environ for name in ("PREFECT_PROFILE", "PREFECT_PROFILES_PATH"))
        or Path("prefect.toml").exists()
    )


def _server(environment: Environment) -> Server:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = prefect_server(
        environment.model_copy(update={"host": "127.0.0.1", "prefect_port": port})
    )
    return replace(server, name=NAME, variables={**server.variables, **ONLY_AN_API})
