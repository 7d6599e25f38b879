"""Which Prefect and which MLflow a command uses, said through the variables that they read.

While `kinoloop up` or `kinoloop demo` runs, it leaves a note in the state folder and every other
command joins its servers. Without one, a Prefect server runs for the length of a verb
(`own_prefect.py`), and MLflow is a SQLite file. The homes of Prefect and BentoML are inside the
state folder either way, so that what the user keeps in theirs is never read or written; variables
that the user has set win. The token goes to our own Prefect servers only, see `access.py`.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from kinoloop import durable
from kinoloop.cli.access import client_variables, prefect_server_variables
from kinoloop.environment import Environment
from kinoloop.ownership import Owner

logger = logging.getLogger(__name__)

NOTE = "up.json"
LOGS = "logs"
POOL = "kinoloop"
"""Name of the work pool."""
PATIENCE = {  # a busy machine is slow, not broken; what is gone refuses connections at once
    "PREFECT_API_REQUEST_TIMEOUT": "300",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # see janitor.py
    "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
    "PREFECT_SERVER_DATABASE_TIMEOUT": "120",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "600",
}
SAY_S = 15.0
SETTLE_S = 30.0


def worker_name() -> str:
    """Return the name of this machine's worker, the same at every start."""
    return f"kinoloop on {socket.gethostname()}"


def prefect_url(environment: Environment) -> str:
    """Address of the API of our Prefect server."""
    return f"http://{environment.prefect_host}:{environment.prefect_port}/api"


def mlflow_url(environment: Environment) -> str:
    """Address of our MLflow server."""
    return f"http://{environment.mlflow_host}:{environment.mlflow_port}"


def base_variables(environment: Environment) -> dict[str, str]:
    """Return what Prefect and BentoML read in each of our processes, with or without a server."""
    return {
        "BENTOML_HOME": str(environment.state_dir.resolve() / "bentoml"),
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "PREFECT_HOME": str(environment.state_dir.resolve() / "prefect"),
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",  # the default is pickle
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        **PATIENCE,
    }


def server_variables(environment: Environment) -> dict[str, str]:
    """Return what flows, worker and service read when our servers are up."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {
        **base_variables(environment),
        "PREFECT_API_URL": prefect_url(environment),
        "KINOLOOP_MLFLOW_URI": environment.mlflow_uri or mlflow_url(environment),
        "PYTHONPATH": path,  # works from a checkout that is not installed, too
    }


def connect(environment: Environment | None = None) -> Environment:
    """Join the servers that are up, before Prefect is imported.

    Returns:
        The environment with the MLflow address in force.
    """
    environment = environment or Environment()
    environment.private_state()
    up = find_up(environment)
    wanted = base_variables(environment)
    if up is not None:
        wanted = server_variables(environment)
        os.environ.update(up.variable)  # flows that run here end with the servers that they use
    for name, value in wanted.items():
        os.environ.setdefault(name, value)
    if os.environ.get("PREFECT_API_URL", prefect_url(environment)) == prefect_url(environment):
        os.environ.update(client_variables(environment))
        os.environ.update(prefect_server_variables(environment))  # of the server of one flow
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)  # Prefect makes no parents
    return Environment()


def find_up(environment: Environment) -> Owner | None:
    """Find the `kinoloop up` of this state folder that runs and whose Prefect server answers.

    A server that is slow is waited for as long as its `up` runs; one that is gone refuses at once.
    """
    try:
        note = json.loads((environment.state_dir / NOTE).read_text(encoding="utf-8"))
        place = str((environment.state_dir / LOGS).resolve())
        up = Owner(int(note["pid"]), float(note["since"]), place)
        url = str(note["prefect"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    began = said = time.monotonic()
    while up.lives:
        try:
            return up if httpx.get(f"{url}/health", timeout=SAY_S).is_success else None
        except httpx.TimeoutException:
            pass
        except httpx.HTTPError:
            return None
        if time.monotonic() - said >= SAY_S:
            said = time.monotonic()
            logger.warning(
                "waiting for %s: `kinoloop up` (process %d) runs, but its Prefect server has not "
                "answered for %.0f s",
                url,
                up.pid,
                said - began,
            )
    return None


def leave_note(environment: Environment) -> Path:
    """Say in the state folder that this process holds the servers; returns the file."""
    me = Owner.me(environment.state_dir)
    note = environment.state_dir / NOTE
    content = {"pid": me.pid, "since": me.since, "prefect": prefect_url(environment)}
    durable.write_json(note, content)
    return note


@contextmanager
def settled() -> Iterator[None]:
    """Run flows inside; Prefect sends what it has left to say of them while its server is there.

    What it still holds when the interpreter ends would go to a server that is gone: a minute or two
    of attempts, and a complaint. A server that does not answer is waited for so long only.
    """
    try:
        yield
    finally:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (EventsWorker, APILogWorker):
            worker.drain_all(timeout=SETTLE_S)
