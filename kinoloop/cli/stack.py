"""`kinoloop up`: Prefect server and worker, MLflow and the service, together on loopback.

The one place that knows how each server is started. `kinoloop demo` uses the same definitions.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from kinoloop.cli import interrupts
from kinoloop.cli.access import (
    NO_TOKEN,
    client_variables,
    mlflow_server_variables,
    prefect_server_variables,
    token_file,
)
from kinoloop.cli.backends import (
    LOGS,
    POOL,
    leave_note,
    mlflow_url,
    prefect_url,
    server_variables,
    worker_name,
)
from kinoloop.cli.own_service import check_binding, service, service_url, trusted
from kinoloop.cli.servers import Server, Servers, check_port
from kinoloop.cli.settings_check import check_service
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError
from kinoloop.redaction import without_credentials
from serving.origin import is_loopback


def run_all() -> None:
    """Start the servers, deploy every flow of prefect.yaml and hold until Ctrl-C."""
    environment = Environment()
    console = Console()
    check_service(environment)
    who = check_binding(environment)
    with Servers(environment.state_dir / LOGS) as servers:
        start_backends(servers, environment, console)
        console.print("Deploying the flows and their schedules …")
        deploy(environment)
        from kinoloop.cli.janitor import (
            Janitor,
        )  # imports Prefect, which reads the variables set above

        janitor = Janitor()
        for line in janitor.clear_up():
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
        servers.start(prefect_worker(environment))
        servers.start(service(environment))
        seconds = servers.wait("service", progress=_progress(servers, "service", console))
        from kinoloop.cli.readiness import unready, why_not_ready

        ask = partial(unready, verify=trusted(environment))
        why = why_not_ready(f"{service_url(environment)}/readyz", ask=ask)
        report(console, "Service", seconds, but=why)
        servers.wait("worker")
        console.print(addresses(environment), soft_wrap=True)
        console.print(f"The service is {who}.", markup=False, highlight=False, soft_wrap=True)
        if exposed := unguarded(environment):
            console.print(f"[yellow]{exposed}[/yellow]", highlight=False, soft_wrap=True)
        console.print("Ctrl-C stops everything.")
        janitor.start()
        _watch_landing(environment)
        hold(servers, console)


def _watch_landing(environment: Environment) -> None:
    """Ingest new files of videos as they come, where `[ingest] watch_s` says so."""
    from kinoloop.cli.landing_watch import LandingWatch
    from kinoloop.ingestion.rule import IngestConfig
    from kinoloop.settings import read_section

    every_s = read_section("ingest", IngestConfig, environment.settings_file).watch_s
    if every_s:
        LandingWatch(environment, every_s).start()


def start_backends(
    servers: Servers,
    environment: Environment,
    console: Console,
    *,
    meanwhile: Callable[[], None] | None = None,
    wait_for_mlflow: bool = True,
) -> None:
    """Start Prefect server and MLflow side by side, and join them.

    Args:
        servers: Holds them.
        environment: Names ports and folders.
        console: Where to print.
        meanwhile: Called while they start.
        wait_for_mlflow: Return only when MLflow answers, too; ingestion does not need it.

    Raises:
        ConfigError: A port is taken.
        ServerError: One of them did not get ready.
    """
    if left := servers.clear():
        console.print(f"  ended {left} processes that a killed `kinoloop up` had left running")
    wanted = {"Prefect server": prefect_server(environment)}
    if not has_own_mlflow(environment):
        wanted["MLflow"] = mlflow_server(environment)
    for server in wanted.values():
        check_port(server)
    for server in wanted.values():
        servers.start(server)
    if meanwhile is not None:
        meanwhile()
    for title, server in wanted.items():
        name = server.name
        if name == "mlflow" and not wait_for_mlflow:
            continue
        with console.status(f"Starting {title} … (log: {servers.log_file(name)})"):
            report(console, title, servers.wait(name, progress=_progress(servers, name, console)))
    leave_note(environment)
    # flows that run in this process join, too
    os.environ.update(server_variables(environment) | client_variables(environment))


def has_own_mlflow(environment: Environment) -> bool:
    """Whether the user named an MLflow server, so that ours is not needed."""
    return (environment.mlflow_uri or "").startswith(("http://", "https://"))


def hold(servers: Servers, console: Console) -> None:
    """Stay until the user interrupts or a server ends by itself (which raises)."""
    try:
        servers.watch()
    except KeyboardInterrupt:
        interrupts.mean_it()
        console.print("Stopping …")


def _progress(servers: Servers, name: str, console: Console) -> Callable[[float], None]:
    """Print that a server is on its way, with the newest line of its log."""

    def show(seconds: float) -> None:
        line = f"  {name} is still starting after {seconds:.0f} s. {servers.last_line(name)}"
        console.print(line.rstrip(), style="dim", markup=False, highlight=False)

    return show


def report(console: Console, title: str, seconds: float, *, but: str = "") -> None:
    """One line for a step that is done, or that is done `but` waits for something."""
    mark = "[yellow]•[/yellow]" if but else "[green]✓[/green]"
    console.print(f"  {mark} {title} [dim]{seconds:.1f} s[/dim]", highlight=False)
    if but:
        console.print(f"    it waits: {but}", markup=False, highlight=False, soft_wrap=True)


def addresses(environment: Environment) -> str:
    """Where everything is, one line each."""
    page = service_url(environment)
    return (
        f"\n  Page      {page}/\n  API docs  {page}/docs\n"
        f"  MLflow    {without_credentials(environment.mlflow_uri or mlflow_url(environment))}\n"
        f"  Prefect   {prefect_url(environment).removesuffix('/api')}   "
        f"sign in with the line in {token_file(environment)}\n"
    )


def unguarded(environment: Environment) -> str:
    """Say what is open to other machines and asks nobody who they are; "" where nothing is."""
    host = environment.mlflow_host
    if has_own_mlflow(environment) or host == "localhost" or is_loopback(host):
        return ""
    return (
        f"MLflow listens at {host} and asks nobody who they are: let a proxy in front check, or "
        "unset KINOLOOP_MLFLOW_HOST"
    )


def prefect_server(environment: Environment) -> Server:
    """Prefect's API, scheduler and UI."""
    return Server(
        name="prefect",
        command=_python(
            "uvicorn", "--factory", "kinoloop.cli.prefect_app:prefect_app",
            "--log-level", "warning",
            "--host", environment.prefect_host, "--port", str(environment.prefect_port),
        ),
        variables={
            **server_variables(environment),
            **client_variables(environment),
            **prefect_server_variables(environment),
            # an upload goes through three runs in a row, each of which may have to wait its turn
            "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
            # the place of a run outlives a restart of the server, and ends when nobody renews it
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE":
                "prefect.server.concurrency.lease_storage.filesystem",
        },
        health=f"{prefect_url(environment)}/health",
        host=environment.prefect_host,
        port=environment.prefect_port,
        port_setting="KINOLOOP_PREFECT_PORT",
    )  # fmt: skip


def prefect_worker(environment: Environment) -> Server:
    """Describe the worker that runs what is scheduled, each run in its own process."""
    return Server(
        name="worker",
        command=_python(
            "prefect", "worker", "start", "--pool", POOL, "--type", "process",
            "--name", worker_name(),
        ),
        variables={
            **server_variables(environment),
            **client_variables(environment),
            "PREFECT_WORKER_QUERY_SECONDS": "3",  # how long what is due lies there at most
        },
    )  # fmt: skip


def mlflow_server(environment: Environment) -> Server:
    """MLflow over the SQLite file that the registry uses without a server, too.

    Artifacts stay plain files beside it: what was logged through the server can be read without it.
    """
    store = environment.state_dir.resolve()
    return Server(
        name="mlflow",
        command=_python(
            "mlflow", "server",
            "--host", environment.mlflow_host, "--port", str(environment.mlflow_port),
            "--workers", "1",
            "--no-serve-artifacts",
            "--default-artifact-root", (store / "mlartifacts").as_uri(),
        ),
        variables={
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_BACKEND_STORE_URI": environment.tracking_uri,  # `ps` shows arguments to all
            **mlflow_server_variables(environment),
            **NO_TOKEN,
        },
        health=f"{mlflow_url(environment)}/health",
        host=environment.mlflow_host,
        port=environment.mlflow_port,
        port_setting="KINOLOOP_MLFLOW_PORT",
    )  # fmt: skip


def deploy(environment: Environment) -> None:
    """Make the work pool and deploy every flow of prefect.yaml, of this folder or as installed.

    Raises:
        ConfigError: Prefect refused; the message ends with what it said.
    """
    for arguments in (
        ("work-pool", "create", POOL, "--type", "process", "--overwrite"),
        ("--no-prompt", "deploy", "--all", "--prefect-file", str(_deployments())),
    ):
        _prefect(*arguments, environment=environment)


def _deployments() -> Path:
    here = Path("prefect.yaml")
    return here if here.exists() else Path(str(files("flows") / "prefect.yaml"))


def _prefect(*arguments: str, environment: Environment) -> None:
    done = subprocess.run(  # noqa: S603 (our own arguments)
        _python("prefect", *arguments),
        env={**os.environ, **server_variables(environment), **client_variables(environment)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise ConfigError(f"`prefect {' '.join(arguments)}` failed: {said}")


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]
