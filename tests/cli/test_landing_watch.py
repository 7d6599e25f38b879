import time

import pytest

from kinoloop.cli.landing_watch import LandingWatch
from kinoloop.environment import Environment


@pytest.fixture
def watch(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOLOOP_LANDING", str(tmp_path / "landing"))
    monkeypatch.setattr(LandingWatch, "trigger", lambda self: self.started.append(1))
    watch = LandingWatch(Environment(), 0.01)
    watch.started = []
    watch.folder = tmp_path / "landing" / "videos"
    yield watch
    watch.close()


def until(condition):
    end = time.monotonic() + 60
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
