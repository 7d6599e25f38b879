import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from kinoloop.errors import ConfigError, MediaError
from kinoloop.media import guard
from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.guard import DecoderPool, GuardConfig, Job
from kinoloop.testing.clips import bar_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return bar_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", subtitles=("hello",))


@pytest.fixture(scope="module")
def pool():
    with DecoderPool(guard=GuardConfig(workers=1)) as pool:
        yield pool


def workers():
    return [p for p in psutil.Process().children() if "kinoloop.media.worker" in p.cmdline()]


def test_gives_what_decoding_in_process_gives(pool, clip):
    from kinoloop.media.decode import decode_media

    inside, outside = decode_media(clip), pool.decode(Job(clip))
    assert (outside.frames == inside.frames).all()
    assert (outside.audio == inside.audio).all()
    assert outside.thumbnail == inside.thumbnail
    assert (outside.words, outside.streams) == ("hello", ("h264", "aac", "mov_text"))
    assert 20 < outside.peak_memory_mb < 500


def test_goes_on_after_each_kind_of_bad_file(pool, clip, tmp_path):
    fake = tmp_path / "fake.mp4"
    fake.write_text("text")
    os.mkfifo(tmp_path / "fifo.mp4")
    (tmp_path / "empty.mp4").touch()
    names = ["fake.mp4", "fifo.mp4", "empty.mp4", "gone.mp4", "."]
    results = list(pool.map([Job(clip), *(Job(tmp_path / n) for n in names), Job(clip)]))
    reasons = [getattr(result, "reason", None) for result in results]
    assert reasons == ["", "not_media", "not_a_regular_file", "empty", "not_found",
                       "not_a_regular_file", ""]  # fmt: skip


def test_kills_a_worker_that_takes_too_long(clip):
    slow = DecodeConfig()
    with DecoderPool(slow, GuardConfig(workers=1)) as pool:
        pool.decode(Job(clip))
        (worker,) = workers()[-1:]
        worker.suspend()  # as a decoder that hangs in C
        object.__setattr__(pool.guard, "timeout_s", 0.3)
        with pytest.raises(MediaError, match="timeout: it takes more wall time than allowed"):
            pool.decode(Job(clip))
        assert not worker.is_running()
        object.__setattr__(pool.guard, "timeout_s", 30.0)
        assert pool.decode(Job(clip)).reason == ""


@pytest.mark.parametrize(
    ("deadly", "said"),
    [
        (signal.SIGSEGV, "crashed: the decoder died with signal 11"),
        (signal.SIGXCPU, "timeout: it takes more than 120 s of CPU time"),
    ],
)
def test_worker_that_dies_is_replaced_and_the_file_is_blamed(clip, deadly, said):
    with DecoderPool(guard=GuardConfig(workers=1)) as pool:
        pool.decode(Job(clip))
        (worker,) = workers()[-1:]
        worker.suspend()
        future = pool.submit(Job(clip))
        time.sleep(0.2)
        worker.send_signal(deadly)
        worker.resume()
        with pytest.raises(MediaError, match=said):
            future.result(timeout=20)
        assert pool.decode(Job(clip)).reason == ""


def test_memory_limit_is_a_reason_and_not_a_death(tmp_path):
    clip = bar_clip(tmp_path / "wide.mp4", size=(3840, 2160), seconds=0.2, tone_hz=None)
    few = GuardConfig(workers=1, memory_bytes=256 << 20)
    with DecoderPool(guard=few) as pool, pytest.raises(MediaError, match="memory"):
        pool.decode(Job(clip))


def test_worker_is_recycled_after_its_share_of_files(clip):
    with DecoderPool(guard=GuardConfig(workers=1, files_per_worker=2)) as pool:
        pids = set()
        for _ in range(4):
            pool.decode(Job(clip))
            pids.add(workers()[-1].pid)
        assert len(pids) == 2


def test_decoder_that_does_not_start_blames_no_file(clip, monkeypatch):
    monkeypatch.setattr(guard.sys, "executable", "/bin/false")
    with (
        DecoderPool(guard=GuardConfig(workers=1)) as pool,
        pytest.raises(ConfigError, match=r"does not start .* no file was blamed"),
    ):
        pool.decode(Job(clip))


def test_worker_sees_no_secret(clip, monkeypatch):
    monkeypatch.setenv("KINOLOOP_PSEUDONYM_KEY", "ab" * 32)
    with DecoderPool(guard=GuardConfig(workers=1)) as pool:
        pool.decode(Job(clip))
        assert "KINOLOOP_PSEUDONYM_KEY" not in workers()[-1].environ()


def test_workers_die_with_their_parent(clip):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from kinoloop.media.guard import *\n"
        "pool = DecoderPool(guard=GuardConfig(workers=1))\n"
        "pool.decode(Job(Path(sys.argv[1])))\n"
        "print('decoded', flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(clip)], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert parent.stdout.readline() == b"decoded\n"
    (worker,) = psutil.Process(parent.pid).children()
    parent.kill()
    parent.communicate()
    psutil.wait_procs([worker], timeout=5)
    assert not worker.is_running()


def test_url_is_copied_to_a_file_first(pool, clip):
    import fsspec

    with fsspec.open("memory://clips/clip.mp4", "wb") as target:
        target.write(clip.read_bytes())
    assert len(pool.decode(Job("memory://clips/clip.mp4")).frames) == 8
    with pytest.raises(MediaError, match=r"not_found: memory://clips/gone\.mp4"):
        pool.decode(Job("memory://clips/gone.mp4"))
