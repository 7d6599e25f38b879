import time
from uuid import UUID

import pytest
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectException

from kinoloop.cli.landing_watch import LandingWatch
from kinoloop.environment import Environment


def started(watch):
    """As if a run had been asked for that ends at once."""
    watch.started.append(1)
    watch.states.append(StateType.COMPLETED)
    return UUID(int=len(watch.states) - 1)


@pytest.fixture
def watch(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOLOOP_LANDING", str(tmp_path / "landing"))
    monkeypatch.setattr(LandingWatch, "trigger", started)
    monkeypatch.setattr(LandingWatch, "state_of", lambda self, run: self.states[run.int])
    watch = LandingWatch(Environment(), 0.01)
    watch.started, watch.states = [], []
    watch.folder = tmp_path / "landing" / "videos"
    yield watch
    watch.close()


def until(condition):
    end = time.monotonic() + 600
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_a_new_file_of_videos_starts_an_ingest_and_other_files_do_not(watch):
    watch.folder.mkdir(parents=True)
    (watch.folder / "old.csv").write_text("video_id,title\n")
    looks = []
    look = watch.look

    def counted():
        looks.append(1)
        return look()

    watch.look = counted
    watch.start()
    until(lambda: len(looks) > 3)
    (watch.folder.parent / "events").mkdir()
    (watch.folder.parent / "events" / "e.csv").write_text("user_id\n")
    (watch.folder / ".new.csv.tmp").write_text("half")
    seen = len(looks)
    until(lambda: len(looks) > seen + 3)
    assert watch.started == []  # what lay there waits for the hourly ingest
    (watch.folder / "new.csv").write_text("video_id,title\nv,t\n")
    until(lambda: watch.started)
    seen = len(looks)
    until(lambda: len(looks) > seen + 3)
    assert len(watch.started) == 1


def test_a_landing_zone_that_is_not_there_yet_has_no_files(watch):
    assert watch.look() == {}


def test_a_file_counts_when_it_is_whole_also_while_others_keep_coming(watch):
    watch.folder.mkdir(parents=True)
    look, looks = watch.look, []

    def busy_look():
        (watch.folder / f"{len(looks)}.csv").write_text("video_id,title\nv,t\n")
        looks.append(1)
        return look()

    watch.look = busy_look
    watch.start()
    until(lambda: len(watch.started) > 1)


def test_one_ingest_at_a_time_takes_along_what_comes_before_it_begins(watch):
    watch.follow({"a": "1"})
    watch.states[0] = StateType.PENDING
    watch.follow({"a": "1", "b": "1"})
    watch.states[0] = StateType.RUNNING
    watch.follow({"a": "1", "b": "1", "c": "1"})
    assert len(watch.started) == 1
    watch.states[0] = StateType.COMPLETED
    watch.follow({"a": "1", "b": "1", "c": "1"})
    assert len(watch.started) == 2  # for c
    watch.follow({"a": "1", "b": "1", "c": "1"})
    assert len(watch.started) == 2


@pytest.mark.parametrize(
    ("state", "again"),
    [("CRASHED", True), ("CANCELLED", True), ("FAILED", False), ("COMPLETED", False)],
)
def test_what_a_run_that_broke_off_had_to_take_is_asked_for_again(watch, state, again):
    watch.follow({"a": "1"})
    watch.states[0] = StateType[state]
    watch.follow({"a": "1"})
    assert len(watch.started) == 1 + again


def test_what_could_not_be_asked_for_is_asked_for_later(watch, monkeypatch, caplog):
    def away(self):
        raise PrefectException("no server")

    with monkeypatch.context() as patch:
        patch.setattr(LandingWatch, "trigger", away)
        watch.follow({"a": "1"})
    assert "an ingest could not be started, it is tried again: no server" in caplog.text
    watch.follow({"a": "1"})
    assert len(watch.started) == 1
