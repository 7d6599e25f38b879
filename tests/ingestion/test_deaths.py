"""Whoever dies in a commit, in the recovery from it and in the recovery from that jams nothing."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from kinoloop.data import writers_lock
from kinoloop.data.checksums import find_damage, unsealed
from kinoloop.ingestion import commit
from kinoloop.schema import TABLES
from tests.ingestion.deaths import Dead, life, on_disk, power_cut
from tests.ingestion.landing_zone import EVENTS, NOW, Zone

UNIQUE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def contents(zone):
    return {
        name: sorted(map(str, zone.rows(name).drop("committed_at", strict=False).rows()))
        for name in writers_lock.COMMITTED
    }


class World:
    """A zone with one batch in and one staged, what it is before that and after."""

    def __init__(self, root):
        self.root, self.count = root, 0
        zone = Zone(root / "seed")
        zone.put("videos/a.csv", "video_id,title\nv1,One\nv2,Two\n")
        zone.put("events/a.csv", EVENTS)
        zone.ingest()
        zone.put("videos/b.csv", "video_id,title\nv1,Uno\nv3,Three\n")
        zone.put("events/b.csv", EVENTS.replace("anna", "clara") + "x,v3,2025-12-31,stare,1\n")
        self.before = contents(zone)
        with writers_lock.exclusive(zone.tables):
            self.staged = zone.stage()
            shutil.copytree(self.staged.directory, root / "staged")
        self.after = contents(self.commit(self.copy("seed")))

    def copy(self, name):
        self.count += 1
        shutil.copytree(self.root / name, self.root / str(self.count))
        return Zone(self.root / str(self.count))

    def commit(self, zone, begins=lambda: None):
        with writers_lock.exclusive(zone.tables):
            directory = zone.tables.workspace / "staging" / "batch"
            shutil.copytree(self.root / "staged", directory)
            begins()
            against = {name: zone.tables.version(name) for name in self.staged.against}
            update = {"directory": directory, "against": against}
            commit.commit(self.staged.model_copy(update=update), zone.tables, now=NOW)
        return zone

    def check(self, zone, *, again=True):
        """What the next run finds is the one or the other, and it goes through."""
        recover(zone)
        found = contents(zone)
        assert found in (self.before, self.after)
        if again:
            assert contents(self.commit(zone)) == self.after
        left = {path.name for path in zone.tables.workspace.iterdir()}
        assert left <= {"lock", "unversioned", "staging"}
        for name in TABLES:
            assert not list(find_damage(zone.tables, name))
            assert not unsealed(zone.tables, name)
        shutil.rmtree(zone.tables.root.parent)
        return "done" if found == self.after else "undone"


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """What is flushed is noted (`deaths.life`); here nobody cuts the power in earnest."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("deaths"))


def dies(monkeypatch, last, run):
    """Run until step `last`; the life that ended there, None where it came to its end."""
    with life(monkeypatch, last) as lived:
        try:
            run()
        except Dead:
            return lived
    return None


def recover(zone):
    with writers_lock.exclusive(zone.tables):
        pass


def moments_of(world, monkeypatch):
    """The steps of a commit, counted from the start of the process."""
    zone, began = world.copy("seed"), []
    with life(monkeypatch) as lived:
        world.commit(zone, lambda: began.append(lived.steps))
    return range(began[0], lived.steps + 1)


def dead_at(world, monkeypatch, *moments):
    """A zone whose commit died at the first moment, and each recovery at one more."""
    zone = world.copy("seed")
    dies(monkeypatch, moments[0], lambda: world.commit(zone))
    for moment in moments[1:]:
        dies(monkeypatch, moment, lambda: recover(zone))
    return zone


def test_a_commit_that_dies_at_any_step_is_undone_or_done(world, monkeypatch):
    moments = moments_of(world, monkeypatch)
    found = [
        world.check(dead_at(world, monkeypatch, moment), again=moment % 4 == 0)
        for moment in moments
    ]
    assert found == sorted(found, reverse=True)  # undone up to the ledger, done from there on
    assert found.count("undone") > 10
    assert found.count("done") > 10


def test_a_recovery_that_dies_is_recovered_from(world, monkeypatch):
    rng = random.Random(0)
    moments = moments_of(world, monkeypatch)
    for _ in range(12):
        deaths = [rng.choice(moments), rng.randrange(25)]
        world.check(dead_at(world, monkeypatch, *deaths))


def looks(zone):
    """Names and sizes of all that is there, but for what is half written and swept."""
    root = zone.tables.root.parent
    files = [path for path in root.rglob("*") if path.is_file() and ".tmp/" not in str(path)]
    return frozenset(
        (UNIQUE.sub("", str(path.relative_to(root))), path.stat().st_size) for path in files
    )


@pytest.mark.slow
def test_every_pair_of_deaths_recovers(world, monkeypatch):
    seen, pairs = set(), 0
    for moment in moments_of(world, monkeypatch):
        dead = dead_at(world, monkeypatch, moment)
        once, first = dead.tables.root.parent.name, looks(dead)
        second, lived = 0, first not in seen
        seen.add(first)
        while lived:
            zone = world.copy(once)
            lived = dies(monkeypatch, second, lambda zone=zone: recover(zone))
            if (first, looks(zone)) not in seen:
                seen.add((first, looks(zone)))
                world.check(zone, again=second % 3 == 0)
                pairs += 1
            second += 1
    assert pairs > 40


@pytest.mark.slow
def test_three_deaths_in_a_row_recover(world, monkeypatch):
    rng = random.Random(1)
    moments = moments_of(world, monkeypatch)
    for _ in range(20):
        deaths = [rng.choice(moments), rng.randrange(25), rng.randrange(25)]
        world.check(dead_at(world, monkeypatch, *deaths))


@pytest.mark.parametrize("names_stay", [True, False], ids=["emptied", "gone"])
def test_a_power_cut_in_a_commit_is_undone_or_done(world, monkeypatch, names_stay):
    torn = 0
    moments = moments_of(world, monkeypatch)
    for moment in moments[names_stay::2]:
        zone = world.copy("seed")
        flushed = on_disk(zone.tables.root)
        lived = dies(monkeypatch, moment, lambda zone=zone: world.commit(zone))
        if lived is not None:
            flushed |= lived.flushed
            torn += power_cut(zone.tables.root, flushed, names_stay=names_stay)
        world.check(zone, again=moment % 3 == 0)
    assert torn > len(moments) / 8


def test_a_power_cut_after_the_end_takes_nothing(world, monkeypatch):
    zone = world.copy("seed")
    flushed = on_disk(zone.tables.root)
    with life(monkeypatch) as lived:
        world.commit(zone)
    assert power_cut(zone.tables.root, flushed | lived.flushed, names_stay=False) == 0


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from kinoloop.data import checksums
    from kinoloop.ingestion import commit
    from tests.ingestion.landing_zone import Zone

    owner = {"commit": commit, "checksums": checksums}[sys.argv[2]]
    step, left = getattr(owner, sys.argv[3]), int(sys.argv[4])

    def counted(*args, **kwargs):
        global left
        done = step(*args, **kwargs)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, sys.argv[3], counted)
    Zone(Path(sys.argv[1])).ingest()
"""


@pytest.mark.parametrize(
    ("owner", "step", "times"),
    [("commit", "_publish", 1), ("commit", "_publish", 4), ("checksums", "_measure", 4)],
)
def test_a_killed_process_is_undone_and_done_again(world, owner, step, times):
    zone = world.copy("seed")
    root = zone.tables.root.parent
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(root), owner, step, str(times)]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, check=False, env=environment)
    assert done.returncode == -signal.SIGKILL
    world.check(zone)
