import os
import re
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kinoloop import durable


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def order(monkeypatch):
    """What reaches the disk, in order: ("sync", name) and ("rename", name)."""
    seen = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor):
        seen.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def replaced(source, target):
        seen.append(("rename", Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return seen


def test_a_file_is_flushed_before_it_is_renamed_and_its_folder_after(tmp_path, order):
    durable.write_text(tmp_path / "a.txt", "text")
    assert order == [("sync", "a.txt"), ("rename", "a.txt"), ("sync", tmp_path.name)]
    assert (tmp_path / "a.txt").read_text() == "text"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_is_flushed_with_all_that_is_in_it_before_it_appears(tmp_path, order):
    with durable.appearing(tmp_path / "release") as fresh:
        (fresh / "model").mkdir(parents=True)
        (fresh / "model" / "weights").write_text("w")
        assert not (tmp_path / "release").exists()
    before = order[: order.index(("rename", "release"))]
    assert {name for _, name in before} == {"release", "model", "weights"}
    assert order[-1] == ("sync", tmp_path.name)
    assert (tmp_path / "release" / "model" / "weights").read_text() == "w"


def test_a_moved_folder_is_flushed_first(tmp_path, order):
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a").write_text("a")
    durable.move(tmp_path / "from", tmp_path / "to" / "there")
    moved = order.index(("rename", "there"))
    assert ("sync", "a") in order[:moved]
    assert order[moved + 1 :] == [("sync", "to"), ("sync", tmp_path.name)]


def test_folders_that_are_made_on_the_way_are_flushed_too(tmp_path, order):
    durable.make_folder(tmp_path / "a" / "b")
    assert order == [("sync", tmp_path.name), ("sync", "a")]


def test_an_error_while_writing_leaves_what_was_there(tmp_path):
    durable.write_text(tmp_path / "a.txt", "old")
    with pytest.raises(UnicodeError), durable.appearing(tmp_path / "a.txt") as fresh:
        fresh.write_text("half \ud800", encoding="utf-8")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_that_is_there_is_never_replaced(tmp_path):
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "a").touch()
    with pytest.raises(OSError, match="release"), durable.appearing(tmp_path / "release") as fresh:
        fresh.mkdir()
    assert names(tmp_path / "release") == ["a"]


def test_a_private_file_is_private_from_its_first_byte(tmp_path):
    with durable.appearing(tmp_path / "key", mode=0o600) as fresh:
        fresh.write_text("secret")
        assert stat.S_IMODE(fresh.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_of_many_that_write_once_one_wins_and_all_read_the_same(tmp_path):
    path, start, won = tmp_path / "key", threading.Barrier(8), []

    def run(number):
        start.wait()
        won.append(durable.write_once(path, str(number), mode=0o600))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]
    assert path.read_text() in set("01234567")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(tmp_path) == ["key"]


def test_removing_what_is_not_there_is_no_error(tmp_path):
    durable.remove(tmp_path / "a")
    durable.remove(tmp_path / "nowhere" / "a")
    assert names(tmp_path) == []  # not even the folder that it would have been in


KILLED = """
import os, signal, sys
from pathlib import Path
from kinoloop import durable
where = Path(sys.argv[1])
room = durable.appearing(where) if sys.argv[2] == "appearing" else durable.scratch(where.parent)
with room as fresh:
    (fresh if sys.argv[2] == "appearing" else fresh / "file").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("what", ["appearing", "scratch"])
def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path, what):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "a"), what]
    code = subprocess.run(command, check=False)
    assert code.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 1
    (tmp_path / ".mine.tmp").touch()
    with durable.appearing(tmp_path / "b") as fresh:
        fresh.write_text("whole")
        assert durable.sweep(tmp_path) == 1
    assert names(tmp_path) == [".mine.tmp", "b"]
    assert (tmp_path / "b").read_text() == "whole"


def test_sweeping_where_nothing_is_does_nothing(tmp_path):
    assert durable.sweep(tmp_path / "nowhere") == 0


def test_a_scratch_is_private_and_gone_afterwards(tmp_path):
    with durable.scratch(tmp_path / "made") as scratch:
        assert scratch.parent == tmp_path / "made"
        assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
    assert names(tmp_path / "made") == []


def test_nothing_is_staged_beside_what_is_kept_in_a_folder_that_no_sweep_knows():
    sources = [
        source
        for package in ("kinoloop", "tasks", "flows", "serving")
        for source in (Path(__file__).parents[1] / package).rglob("*.py")
    ]
    assert len(sources) > 100
    unknown = re.compile(r"(TemporaryDirectory|mkdtemp|mkstemp)\([^)]*\bdir=")
    assert [source for source in sources if unknown.search(source.read_text())] == []
