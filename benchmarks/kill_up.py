"""Kill `kinoloop up` at random moments of every flow, and see that the next one works.

    python -m benchmarks.kill_up --kills 20 --seed 0

Each round starts `up`, asks for a run of every deployment at once, waits a random time, and kills:
`up` alone (SIGKILL), everything at once (as a power cut does), or with SIGTERM. The next `up` must
come up, every deployment must complete a run that was asked for after the kill, no place may stay
taken and no process of the killed `up` may live. It takes minutes per round: `up` starts twice.
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

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

FLOWS = ("ingest", "extract", "drift", "retrain", "promote", "loop")
UP = "Ctrl-C stops everything"
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

    def __init__(self, home: Path) -> None:
        from kinoloop.testing.drifting import make_world, write_landing

        self.home = home
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
        self.output = home / "up.txt"

    def up(self) -> subprocess.Popen[bytes]:
        """Start `up` and wait until it says that it is."""
        with self.output.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "kinoloop.cli", "up"], stdout=said, stderr=said
            )
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


def moment(client: "SyncPrefectClient", asked: dict[str, str]) -> dict[str, str]:
    """In which state each run is."""
    return {name: client.read_flow_run(run).state.name for name, run in asked.items()}


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


def main() -> None:
    """Print a line per round, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flows", nargs="+", choices=FLOWS, default=FLOWS)
    parser.add_argument("--within", type=float, default=60.0, help="Seconds after asking.")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    states: dict[str, Counter[str]] = {name: Counter() for name in options.flows}
    stuck: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kill-up-") as home:
        lab = Lab(Path(home))
        up = lab.up()
        for round_ in range(options.kills):
            lab.land(round_)
            with prefect_client() as client:
                asked = ask(client, options.flows, f"before-{round_}")
                time.sleep(chance.uniform(0.0, options.within))
                seen = moment(client, asked)
            how = chance.choice(("killed", "power cut", "terminated"))
            kill(up, how)
            for name, state in seen.items():
                states[name][state] += 1
            began = time.monotonic()
            up = lab.up()
            seconds = time.monotonic() - began
            again = lab.output.read_text().count("was interrupted")
            with prefect_client() as client:
                wrong = completed(client, ask(client, options.flows, f"after-{round_}"))
                taken = places_without_a_run(client)
            if wrong or taken:
                stuck.append(f"round {round_}: {wrong}, {taken} places taken")
            print(
                f"round {round_}: {how}, {seen}; up again in {seconds:.0f} s, "
                f"{again} interrupted, wrong: {wrong or 'nothing'}, places taken: {taken}, "
                f"load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        up.send_signal(signal.SIGTERM)
        up.wait()
    for name, counts in states.items():
        print(f"{name}: killed {sum(counts.values())} times, in {dict(counts)}")
    print(f"stuck: {len(stuck)}", *stuck, sep="\n")


if __name__ == "__main__":
    main()
