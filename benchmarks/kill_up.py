"""Kill `kinoloop up` at random moments of every flow, and see that the next one works.

    python -m benchmarks.kill_up --kills 20 --seed 0
    python -m benchmarks.kill_up --kills 20 --flows ingest extract retrain promote --lean --check 5

Each round asks for a run of every deployment of which none is under way, waits until a random one
of them runs and then a random time, and kills: `up` alone (SIGKILL), everything at once (as a power
cut does), or with SIGTERM. The next `up` runs again what was interrupted, which the next round may
kill again. After `--check` kills every deployment must complete a run that was asked for after the
last kill, no run may be left under way, no place may stay taken, no process of a killed `up` may
live, and the tables must hold each event of the landing zone once. `--lean` leaves out MLflow's
server and the service, which no flow needs: the same janitor, worker and Prefect server, for less.
"""

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import psutil

from kinoloop.ownership import orphans

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

FLOWS = ("ingest", "extract", "drift", "retrain", "promote", "loop")
UP = "Ctrl-C stops everything"
RIGHT = "wrong: nothing, places taken: 0, 0 orphans, 0 events lost, 0 twice"
SETTINGS = """
[extract]
encoders = [{ kind = "minilm" }]
[retrain]
min_interactions = 50
min_users = 5
validation_days = 4
test_days = 6
candidates = [{ kind = "popularity" }]
[ranker]
enabled = false
[drift]
tests = [{ kind = "mix", column = "event" }]
"""


class Lab:
    """A world of its own, with servers on free ports."""

    def __init__(self, home: Path, *, lean: bool) -> None:
        from kinoloop.testing.drifting import make_world, write_landing

        self.home, self.lean = home, lean
        (home / "kinoloop.toml").write_text(SETTINGS)
        write_landing(make_world(1, users=60, drift_from=28), home / "landing")
        self.events = pl.read_parquet(next((home / "landing" / "events").rglob("*.parquet")))
        probes = [socket.socket() for _ in range(3)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in probes]
        for probe in probes:
            probe.close()
        os.environ |= {
            "KINOLOOP_DATA_DIR": str(home / "data"),
            "KINOLOOP_STATE_DIR": str(home / "state"),
            "KINOLOOP_LANDING": str(home / "landing"),
            "KINOLOOP_SETTINGS_FILE": str(home / "kinoloop.toml"),
            "KINOLOOP_PREFECT_PORT": str(ports[0]),
            "KINOLOOP_MLFLOW_PORT": str(ports[1]),
            "KINOLOOP_SERVICE_PORT": str(ports[2]),
            "OMP_NUM_THREADS": "1",
        }
        if lean:
            os.environ["KINOLOOP_MLFLOW_URI"] = f"sqlite:///{home / 'state' / 'mlflow.db'}"
        self.output = home / "up.txt"

    def up(self) -> subprocess.Popen[bytes]:
        """Start `up` and wait until it says that it is."""
        lean = ["-c", "from benchmarks.kill_up import lean_up; lean_up()"]
        command = lean if self.lean else ["-m", "kinoloop.cli", "up"]
        with self.output.open("wb") as said:
            process = subprocess.Popen([sys.executable, *command], stdout=said, stderr=said)
        while UP not in self.output.read_text():
            if process.poll() is not None:
                raise RuntimeError(f"up ended:\n{self.output.read_text()}")
            time.sleep(0.5)
        return process

    def land(self, round_: int) -> None:
        """Something new, so that the flows have work."""
        fresh = self.events.sample(fraction=1.0, shuffle=True, seed=round_)
        if "event_id" in fresh.columns:
            fresh = fresh.drop("event_id")
        later = pl.col("timestamp") + pl.duration(milliseconds=round_ + 1)
        fresh = fresh.with_columns(later.alias("timestamp"))
        fresh.write_parquet(self.home / "landing" / "events" / f"round-{round_}.parquet")

    def lost(self) -> str:
        """Count what the events table has too few or too many of."""
        landed = sum(
            pl.scan_parquet(file).select(pl.len()).collect().item()
            for file in (self.home / "landing" / "events").rglob("*.parquet")
        )
        events = pl.read_delta(str(self.home / "data" / "events"))
        twice = events.height - events["event_id"].n_unique()
        return f"{landed - events.height} events lost, {twice} twice"


def lean_up() -> None:
    """Do what `up` does, without MLflow's server and the service."""
    from rich.console import Console

    from kinoloop.cli import stack
    from kinoloop.cli.access import client_variables
    from kinoloop.cli.backends import LOGS, leave_note, server_variables
    from kinoloop.cli.servers import Servers
    from kinoloop.environment import Environment

    environment, console = Environment(), Console()
    deployed = environment.state_dir / "deployed"
    with Servers(environment.state_dir / LOGS) as servers:
        console.print(f"ended {servers.clear()} processes")
        servers.start(stack.prefect_server(environment))
        servers.wait("prefect")
        leave_note(environment)
        os.environ.update(server_variables(environment) | client_variables(environment))
        if not deployed.exists():
            stack.deploy(environment)
            deployed.touch()
        from kinoloop.cli.janitor import Janitor

        janitor = Janitor()
        for line in janitor.clear_up():
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        servers.start(stack.prefect_worker(environment))
        console.print(UP)
        janitor.start()
        stack.hold(servers, console)


@contextmanager
def prefect_client() -> Iterator["SyncPrefectClient"]:
    """Open a client of the server that is up."""
    from kinoloop.cli.access import load_token
    from kinoloop.cli.backends import prefect_url
    from kinoloop.environment import Environment

    environment = Environment()
    os.environ["PREFECT_API_URL"] = prefect_url(environment)
    os.environ["PREFECT_API_AUTH_STRING"] = load_token(environment)
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        yield client


def ask(client: "SyncPrefectClient", flows: Sequence[str], tag: str) -> dict[str, str]:
    """Ask for a run of every deployment; ids by flow."""
    asked = {}
    for name in flows:
        deployment = client.read_deployment_by_name(f"{name}/{name}")
        run = client.create_flow_run_from_deployment(deployment.id, tags=[tag])
        asked[name] = str(run.id)
    return asked


def under_way(client: "SyncPrefectClient", flows: Sequence[str]) -> dict[str, str]:
    """State of the unfinished run of each flow that has one, the furthest of several."""
    found: dict[str, str] = {}
    names = {client.read_deployment_by_name(f"{name}/{name}").id: name for name in flows}
    for run in client.read_flow_runs(limit=200):
        name = names.get(run.deployment_id)
        due = not (run.auto_scheduled and run.state.is_scheduled())
        if name and due and not run.state.is_final() and found.get(name) != "Running":
            found[name] = run.state.name
    return found


def kill(up: subprocess.Popen[bytes], how: str) -> None:
    """End `up` in one of the ways."""
    tree = psutil.Process(up.pid).children(recursive=True)
    up.send_signal(signal.SIGTERM if how == "terminated" else signal.SIGKILL)
    if how == "power cut":
        for process in tree:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
    up.wait()


def completed(client: "SyncPrefectClient", asked: dict[str, str]) -> dict[str, str]:
    """Wait until a run of each deployment completed after the kill; else what became of it."""
    waiting, said = dict(asked), {}
    while waiting:
        for name, run in list(waiting.items()):
            state = client.read_flow_run(run).state
            if state.is_final():
                del waiting[name]
                if not state.is_completed():
                    said[name] = f"{state.name}: {state.message}"
        time.sleep(1.0)
    return said


def places_without_a_run(client: "SyncPrefectClient") -> int:
    """Places that are taken although no run holds them; looks again, since runs come and go."""
    for _ in range(10):
        limits = client.read_global_concurrency_limits(limit=50, offset=0)
        runs = [run for run in client.read_flow_runs(limit=200) if run.deployment_id is not None]
        holding = sum(run.state_type.name in ("PENDING", "RUNNING", "CANCELLING") for run in runs)
        taken = sum(limit.active_slots for limit in limits) - holding
        if taken <= 0:
            return 0
        time.sleep(2.0)
    return int(taken)


def check(lab: Lab, flows: Sequence[str], tag: str) -> str:
    """Let everything end, and say what is wrong."""
    with prefect_client() as client:
        first = [name for name in flows if name == "ingest"]  # the others need what it brings
        wrong = completed(client, ask(client, first, tag))
        wrong |= completed(client, ask(client, [n for n in flows if n not in first], tag))
        while waiting := under_way(client, flows):  # what was interrupted and runs again
            if set(waiting.values()) == {"Scheduled"}:  # no run holds them back: they are stuck
                time.sleep(60.0)
                if under_way(client, flows) == waiting:
                    wrong |= waiting
                    break
            time.sleep(1.0)
        taken = places_without_a_run(client)
    left = len(orphans(lab.home / "state" / "logs"))
    return f"wrong: {wrong or 'nothing'}, places taken: {taken}, {left} orphans, {lab.lost()}"


def main() -> None:
    """Print a line per kill and per check, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flows", nargs="+", choices=FLOWS, default=FLOWS)
    parser.add_argument("--within", type=float, default=20.0, help="Seconds after a run began.")
    parser.add_argument("--check", type=int, default=1, help="Kills between two checks.")
    parser.add_argument("--lean", action="store_true", help="Without MLflow and the service.")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    states: dict[str, Counter[str]] = {name: Counter() for name in options.flows}
    bad: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kill-up-") as home:
        lab = Lab(Path(home), lean=options.lean)
        up = lab.up()
        for round_ in range(options.kills):
            lab.land(round_)
            with prefect_client() as client:
                busy = under_way(client, options.flows)
                idle = [name for name in options.flows if name not in busy]
                ask(client, idle, f"before-{round_}")
                aimed = chance.choice(options.flows)
                while (state := under_way(client, options.flows).get(aimed)) != "Running":
                    if state is None:  # it ended between two looks
                        ask(client, [aimed], f"again-{round_}")
                    time.sleep(1.0)
                time.sleep(chance.uniform(0.0, options.within))
                seen = under_way(client, options.flows)
            how = chance.choice(("killed", "power cut", "terminated"))
            kill(up, how)
            for name, state in seen.items():
                states[name][state] += 1
            began = time.monotonic()
            up = lab.up()
            seconds = time.monotonic() - began
            again = lab.output.read_text().count("was interrupted")
            said = f"kill {round_}: {how}, aimed at {aimed}, {seen}; up again in {seconds:.0f} s"
            said += f", {again} interrupted"
            if (round_ + 1) % options.check == 0 or round_ + 1 == options.kills:
                result = check(lab, options.flows, f"after-{round_}")
                said += f"; {result}"
                if result != RIGHT:
                    bad.append(said)
            print(f"{said}, load {os.getloadavg()[0]:.1f}", flush=True)
        up.send_signal(signal.SIGTERM)
        up.wait()
    for name, counts in states.items():
        print(f"{name}: killed {sum(counts.values())} times, in {dict(counts)}")
    print(f"stuck or lost: {len(bad)}", *bad, sep="\n")


if __name__ == "__main__":
    main()
