"""Kill the verbs of the loop at random moments: nothing is lost, nothing stuck.

    python -m benchmarks.kill_verbs [--kills 20] [--seed 0] [--verbs ingest,extract,publish]

Runs the verbs of the command line, without servers, each in a process group of its own that is
killed with SIGKILL after a random time, again and again, and at last lets each run to its end.
Lost: rows, releases or records that should be there, and rows that are there twice. Stuck: a last
run that fails. `publish` is killed beside a service that follows it: what counts and what is served
after each kill is the old catalogue version or the new one, whole (benchmarks/harness/
killed_publish.py). Ends with status 1 if there is any fault, or if `kinoloop verify` finds damage.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.harness.killed_lab import CLIPS, SETTINGS, Lab
from kinoloop.environment import Environment
from kinoloop.release.signature import load_trust


@dataclass(frozen=True)
class Phase:
    """How one verb is killed.

    Attributes:
        command: The verb and its arguments.
        before: Makes work for it.
        lost: What is missing at the end.
        aim: Chooses seconds, and after what; of the seconds that it takes undisturbed.
        after: Says what a kill has left.
    """

    command: tuple[str, ...]
    before: Callable[[Lab], None]
    lost: Callable[[Lab], list[str]]
    aim: Callable[[Lab, float], tuple[float, Callable[[], bool]]]
    after: Callable[[Lab], str]


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", default=",".join(PHASES))
    options = parser.parse_args()
    console, table = Console(width=110), Table("verb", "killed", "ended", "lost", "stuck")
    bad = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lab = Lab(Path(folder), np.random.default_rng(options.seed))
        wanted = options.verbs.split(",")
        last = max(map(list(PHASES).index, wanted))
        for verb, phase in list(PHASES.items())[: last + 1]:
            kills = options.kills if verb in wanted else 0
            with lab.served() if verb == "publish" else nullcontext():
                killed, ended, found, stuck = _phase(lab, phase, kills)
            bad += len(found) + stuck
            table.add_row(verb, str(killed), str(ended), "; ".join(found) or "0", str(stuck))
            console.print(f"{verb}: {killed} killed, lost {found or 0}, stuck {stuck}")
        verified = lab.run("verify")
        load = os.getloadavg()[0]
        console.print(table)
        console.print(f"kinoloop verify ended with status {verified}; load {load:.1f}")
        if verified:
            console.print((lab.root / "last.log").read_text())
    return 1 if bad or verified else 0


def _phase(lab: Lab, phase: Phase, kills: int) -> tuple[int, int, list[str], int]:
    """One undisturbed run, `kills` killed ones, a last one: killed, ended, lost, stuck."""
    command = phase.command
    phase.before(lab)
    started = time.monotonic()
    if lab.run(*command) != 0:
        raise SystemExit(f"{command} failed undisturbed:\n{(lab.root / 'last.log').read_text()}")
    whole_s = time.monotonic() - started
    killed, ended, stuck = 0, 0, 0
    found: list[str] = []
    while killed < kills and ended < 2 * kills:
        phase.before(lab)
        after_s, begun = phase.aim(lab, whole_s)
        status = lab.run(*command, after_s=after_s, begun=begun)
        killed += status is None
        ended += status == 0
        if status is None and (said := phase.after(lab)):
            print(f"{killed}: {said}", flush=True)
        if status not in {0, None}:
            stuck += 1
            print((lab.root / "last.log").read_text())
    for _ in range(2 if kills else 0):  # the second finds that the first left nothing to do
        if lab.run(*command) != 0:
            stuck += 1
            print((lab.root / "last.log").read_text())
    found += phase.lost(lab)
    return killed, ended, found, stuck


def _any_time(lab: Lab, whole_s: float) -> tuple[float, Callable[[], bool]]:
    return float(lab.rng.uniform(0.2, 1.0)) * whole_s, lambda: True


def _says_nothing(lab: Lab) -> str:  # noqa: ARG001 (what is lost is counted at the end)
    return ""


def _nothing(lab: Lab) -> None:
    """Nothing has to be made ready."""


def _arrived(lab: Lab) -> None:
    lab.arrive()


def _lost_events(lab: Lab) -> list[str]:
    events = lab.tables.scan("events").select("event_id").collect()["event_id"].to_list()
    quarantined = lab.tables.scan("quarantine").select(pl.len()).collect().item()
    missing, twice = len(lab.events - set(events)), len(events) - len(set(events))
    counts = {"events missing": missing, "events twice": twice, "quarantined": quarantined}
    return [f"{count} {name}" for name, count in counts.items() if count]


def _extract_anew(lab: Lab) -> None:
    """Now and then change a setting, so that everything is decoded and encoded again."""
    side = int(lab.rng.integers(96, 224)) * 2
    text = SETTINGS + f"\n[extract.decode]\nframe_side = {side}\n"
    if lab.rng.uniform() < 0.3:
        (lab.root / "kinoloop.toml").write_text(text)


def _lost_features(lab: Lab) -> list[str]:
    media = lab.tables.scan("media").select("video_id").collect()["video_id"]
    features = lab.tables.scan("features").select("video_id", "fingerprint", "modality").collect()
    per_space = features.group_by("fingerprint").len()["len"].to_list()
    newest = [count for count in per_space if count >= CLIPS]
    counts = {
        "media missing": CLIPS - media.n_unique() if media.n_unique() < CLIPS else 0,
        "media twice": len(media) - media.n_unique(),
        "features twice": len(features) - features.select("video_id", "fingerprint").n_unique(),
        "spaces incomplete": int(len(newest) < 2),
    }
    return [f"{count} {name}" for name, count in counts.items() if count]


def _lost_releases(lab: Lab) -> list[str]:
    challenger = lab.registry.by_alias("challenger")
    if challenger is None:
        return ["no challenger"]
    with tempfile.TemporaryDirectory() as folder:
        trust = load_trust(Environment(state_dir=lab.root / "state"))
        lab.registry.download(challenger, Path(folder), trust=trust)
    left = [path.name for path in (lab.root / "state").glob("retrain/*") if path.is_dir()]
    return [f"{len(left)} working folders left"] if left else []


def _challenge(lab: Lab) -> None:
    """Let the champion stand for proof again, as the only one; its records must be there."""
    champion = lab.registry.champion()
    if champion is not None:
        if not _recorded(lab, champion.run_id):
            raise SystemExit(f"version {champion.version} is champion without a record")
        lab.registry.drop_alias("champion")
        lab.registry.set_alias("challenger", champion.version)
    if lab.registry.by_alias("challenger") is None:
        raise SystemExit("neither champion nor challenger: the aliases were lost")


def _recorded(lab: Lab, run_id: str) -> bool:
    from mlflow import MlflowClient

    return bool(MlflowClient(lab.registry.tracking_uri).list_artifacts(run_id, "decisions"))


def _lost_champion(lab: Lab) -> list[str]:
    champion = lab.registry.champion()
    if champion is None:
        return ["no champion"]
    return [] if _recorded(lab, champion.run_id) else ["no record of the champion"]


def _upload(lab: Lab) -> None:
    lab.publications.upload(lambda: lab.run("ingest"))


def _half_catalogues(lab: Lab) -> list[str]:
    print(lab.publications.summary())
    return lab.publications.faults


PHASES = {
    "ingest": Phase(("ingest",), _arrived, _lost_events, _any_time, _says_nothing),
    "extract": Phase(("extract",), _extract_anew, _lost_features, _any_time, _says_nothing),
    "retrain": Phase(("retrain", "--force"), _nothing, _lost_releases, _any_time, _says_nothing),
    "promote": Phase(("promote", "--force"), _challenge, _lost_champion, _any_time, _says_nothing),
    "publish": Phase(
        ("publish",),
        _upload,
        _half_catalogues,
        lambda lab, whole_s: lab.publications.aim(lab.rng, whole_s),
        lambda lab: lab.publications.look(),
    ),
}


if __name__ == "__main__":
    sys.exit(main())
