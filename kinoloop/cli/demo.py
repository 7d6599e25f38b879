"""`kinoloop demo`: the whole loop on the sample, from raw clips to a page with recommendations.

Each step is what a user would type; what is finished is not done again, so that a second run starts
the servers, finds nothing new, and shows the slates.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from kinoloop.cli import own_service, stack
from kinoloop.cli.backends import LOGS, settled
from kinoloop.cli.servers import Servers, check_port
from kinoloop.cli.settings_check import check_service
from kinoloop.environment import Environment
from kinoloop.errors import DataError, KinoloopError
from kinoloop.redaction import without_credentials

if TYPE_CHECKING:
    from tasks.results import PromoteSummary

SAMPLE = Path("data/sample")
BATCHES = SAMPLE / "batches"
CHATTER = ("Finished in state Completed", "View at ")  # of Prefect, a line for each task


def show_the_loop(*, once: bool) -> None:
    """Run the loop on the sample, serve the winner and show its slates.

    Args:
        once: Whether to stop everything after that.
    """
    _log_progress()
    environment = Environment()
    steps = Steps(Console(highlight=False))
    check_service(environment)
    with Servers(environment.state_dir / LOGS) as servers, settled():
        own_service.check_binding(environment)  # better now than when all the work is done
        check_port(own_service.service(environment))
        with steps.step("Start Prefect and MLflow, pull the sample"):
            stack.start_backends(
                servers,
                environment,
                steps.console,
                meanwhile=lambda: pull(steps.console),
                wait_for_mlflow=False,
            )
        environment = Environment()  # the servers' addresses are in force now
        run_loop(environment, steps, servers)
        with steps.step("Wait for the service to take the champion"):
            wait_for_service(servers, environment, steps.console)
        with steps.step("Ask the service"):
            from kinoloop.cli.showcase import show

            show(environment, BATCHES, steps.console)
        with steps.step("An upload arrives, and finds its way to a slate"):
            from kinoloop.cli.upload_show import show_upload

            show_upload(environment, steps.console)
        steps.total()
        steps.console.print(stack.addresses(environment))
        if not once:
            steps.console.print("Everything stays up until Ctrl-C.")
            stack.hold(servers, steps.console)


def _log_progress() -> None:
    """Let the library and the flows say what they do, without the chatter of a tracker."""
    logging.getLogger("kinoloop").setLevel(logging.INFO)
    logging.getLogger("tasks").setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda record: not record.getMessage().startswith(CHATTER))


def pull(console: Console) -> None:
    """Fetch what `data.dvc` pins, unless the sample is there.

    Raises:
        DataError: DVC failed.
    """
    if BATCHES.is_dir():
        console.print("  the sample is there already")
        return
    from tasks.dvc import dvc

    try:
        dvc(Environment(), "pull", "--quiet", cwd=Path.cwd())
        said = "it said nothing"
    except DataError as err:
        said = str(err)
    if not BATCHES.is_dir():
        raise DataError(
            f"`dvc pull` did not bring {BATCHES}: {said}. "
            "Run from the checkout, or make the sample: kinoloop sample data/sample"
        )


def run_loop(environment: Environment, steps: "Steps", servers: Servers) -> None:
    """Let the two batches of the sample arrive, one after the other, and work on each.

    The service starts as soon as MLflow is there and waits for its champion while the loop runs.
    """
    history, last_week = sorted(path for path in BATCHES.iterdir() if path.is_dir())
    from kinoloop.cli.data import ingest
    from kinoloop.cli.drift import run_loop as loop

    with steps.step("History arrives: 53 days of videos and events"):
        arrived = land(history, environment.landing)
        steps.console.print(f"  {arrived} new files in {without_credentials(environment.landing)}")
        ingest(any_volume=False)
    with steps.step("A new batch arrives: the last week"):
        newer = land(last_week, environment.landing)
        steps.console.print(f"  {newer} new files in {without_credentials(environment.landing)}")
    if "mlflow" in servers:
        with steps.step("Wait for MLflow"):
            servers.wait("mlflow", progress=waiting(steps.console, "MLflow"))
    servers.start(own_service.service(environment, ready=True))
    if not (arrived or newer) and has_champion(environment):
        steps.console.print("\nThe loop has run on all of it; `kinoloop loop` runs it again.")
        return
    with steps.step("The loop: ingest, extract, publish, drift, retrain, promote"):
        done = loop(always_retrain=False)
    if not has_champion(environment):
        raise KinoloopError(no_champion(done.promote))


def no_champion(promoted: "PromoteSummary") -> str:
    """Why the service would wait in vain, and the next step.

    Args:
        promoted: What the flow returned.
    """
    version, refused = promoted.version, promoted.refused_by
    if not refused:
        return "there is no champion to serve and no challenger waits; next: kinoloop retrain"
    reasons = "\n".join(f"  {refusal}" for refusal in refused)
    return (
        f"there is no champion to serve: promote refused version {version} by\n{reasons}\n"
        "then weigh it again: kinoloop promote --force"
    )


def waiting(console: Console, what: str) -> Callable[[float], None]:
    """Say on the console how long something has been waited for."""
    return lambda seconds: console.print(f"  [dim]{what} is not ready yet, {seconds:.0f} s[/dim]")


def wait_for_service(servers: Servers, environment: Environment, console: Console) -> None:
    """Wait until the service answers from the champion.

    Raises:
        KinoloopError: It refuses the champion, and would wait in vain.
        ServerError: It ended, or has shown no sign of life for its patience.
    """
    from kinoloop.cli.readiness import unready

    show_waiting = waiting(console, "the service")
    log = servers.log_file("service")

    def progress(seconds: float) -> None:
        url, verify = own_service.service_url(environment), own_service.trusted(environment)
        why = unready(f"{url}/readyz", verify=verify)
        if why.get("error") == "release_refused":
            raise KinoloopError(f"{why['what']}; {log} says why; next: {why['next_step']}")
        show_waiting(seconds)

    servers.wait("service", progress=progress)


def has_champion(environment: Environment) -> bool:
    """Whether an earlier run came as far as a release that can be in service here."""
    from kinoloop.registry.client import ModelRegistry
    from kinoloop.release.signature import load_trust

    champion = ModelRegistry(environment.tracking_uri).champion()
    return champion is not None and champion.signed_by in load_trust(environment).keys


def land(batch: Path, landing: str) -> int:
    """Copy a batch into the landing zone; returns how many files are new there."""
    from kinoloop.ingestion.landing import open_landing, write

    files, root = open_landing(landing)
    arrived = 0
    for source in sorted(batch.glob("*/*.parquet")):
        target = f"{root}/{source.parent.name}/sample-{batch.name}-{source.name}"
        if files.exists(target):
            continue
        write(files, target, source.read_bytes())
        arrived += 1
    return arrived


class Steps:
    """Numbered steps with their seconds.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()
        self._taken: list[tuple[str, float]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print a title, and the seconds when it is done."""
        self.console.print(f"\n[bold]▸ {title}[/bold]")
        began = time.monotonic()
        yield
        self._taken.append((title, time.monotonic() - began))
        self.console.print(f"  [green]✓[/green] [dim]{self._taken[-1][1]:.1f} s[/dim]")

    def total(self) -> None:
        """Print what each step took."""
        self.console.print("\n[bold]Where the time went[/bold]")
        for title, seconds in self._taken:
            self.console.print(f"  {seconds:6.1f} s  {title}")
        self.console.print(f"  {time.monotonic() - self._began:6.1f} s  in all")
