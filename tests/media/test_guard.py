import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kinoloop.errors import ConfigError, MediaError
from kinoloop.media import process
from kinoloop.media.guard import DecoderPool, Job
from kinoloop.media.process import GuardConfig
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


def test_kills_a_worker_that_is_stuck_and_blames_no_file(clip):
    with DecoderPool(guard=GuardConfig(workers=1)) as pool:
        pool.decode(Job(clip))
        (worker,) = workers()[-1:]
        worker.suspend()  # as one that waits for a disk that hangs
        object.__setattr__(pool.guard, "stuck_s", 0.3)
        with pytest.raises(MediaError, match=r"stuck: it did nothing for 0\.3 s"):
            pool.decode(Job(clip))
        assert not worker.is_running()
        object.__setattr__(pool.guard, "stuck_s", 60.0)
        assert pool.decode(Job(clip)).reason == ""


def test_worker_that_works_is_not_stuck_however_long_it_takes(clip, broken_worker):
    broken_worker(
        "decode._decode_file",
        "end = time.process_time() + 2",
        "while time.process_time() < end: pass",
    )
    with DecoderPool(guard=GuardConfig(workers=1, stuck_s=1.5)) as pool:
        assert pool.decode(Job(clip)).reason == ""


@pytest.fixture
def broken_worker(tmp_path, monkeypatch):
    """Start workers in which a part does harm; None in place of a part: as the process starts."""

    def install(part, *lines):
        module, _, name = part.partition(".")
        body = "\n".join(f"    {line}" for line in lines)
        script = tmp_path / "python"
        script.write_text(
            f"#!{sys.executable}\n"
            "import os, signal, sys, time\n"
            f"from kinoloop.media import {module}, worker\n"
            f"whole = {module}.{name}\n"
            "def harm(*given, **named):\n"
            f"{body}\n"
            "    return whole(*given, **named)\n"
            f"{module}.{name} = harm\n"
            "sys.exit(worker.main(sys.argv[3:]))\n"
        )
        script.chmod(0o700)
        monkeypatch.setattr(process.sys, "executable", str(script))

    return install


CRASH = "os.kill(os.getpid(), signal.SIGSEGV)"


@pytest.mark.parametrize(
    ("part", "left_out", "kept"),
    [
        ("passes.read_sound", "sound", {"frames": 8, "sound": False, "words": "beside"}),
        ("passes.PictureReader", "pictures", {"frames": 0, "sound": True, "words": "beside"}),
        ("passes.read_cues", "words", {"frames": 8, "sound": True, "words": "beside"}),
        ("decode.read_subtitles", "subtitle file", {"frames": 8, "sound": True, "words": "hello"}),
    ],
)
def test_part_that_kills_the_decoder_takes_no_other_along(
    clip, broken_worker, tmp_path, part, left_out, kept
):
    (tmp_path / "a.srt").write_text("1\n00:00:00,100 --> 00:00:00,200\nbeside\n")
    broken_worker(part, CRASH)
    with DecoderPool(guard=GuardConfig(workers=1)) as pool:
        found = pool.decode(Job(clip, tmp_path / "a.srt"))
    assert found.reason == "crashed"
    assert found.detail == (f"it is read without its {left_out}: the decoder died with signal 11")
    assert len(found.frames) == kept["frames"]
    assert (len(found.audio) > 0) is kept["sound"]
    assert found.words == kept["words"]


def test_file_that_always_kills_its_worker_is_blamed_and_the_next_is_read(
    clip, broken_worker, monkeypatch
):
    whole = sys.executable
    broken_worker("decode._decode_file", CRASH)
    with DecoderPool(guard=GuardConfig(workers=1)) as pool:
        with pytest.raises(MediaError, match="crashed: the decoder died with signal 11"):
            pool.decode(Job(clip))
        monkeypatch.setattr(process.sys, "executable", whole)
        assert pool.decode(Job(clip)).reason == ""


def test_file_is_tried_once_more_when_its_worker_dies(clip, broken_worker, tmp_path):
    broken_worker(
        "decode._decode_file",
        f"first = {str(tmp_path / 'was-here')!r}",
        "if not os.path.exists(first): os.mkdir(first); os.kill(os.getpid(), signal.SIGKILL)",
    )
    with DecoderPool(guard=GuardConfig(workers=1)) as pool:
        assert pool.decode(Job(clip)).reason == ""


def test_worker_that_something_kills_each_time_blames_no_file(clip, broken_worker):
    broken_worker("decode._decode_file", "os.kill(os.getpid(), signal.SIGKILL)")
    with (
        DecoderPool(guard=GuardConfig(workers=1)) as pool,
        pytest.raises(MediaError, match="killed: something killed the decoder with signal 9"),
    ):
        pool.decode(Job(clip))


def test_worker_that_dies_idle_does_not_blame_the_next_file(clip):
    with DecoderPool(guard=GuardConfig(workers=1)) as pool:
        for _ in range(3):
            assert pool.decode(Job(clip)).reason == ""
            (worker,) = workers()[-1:]
            worker.send_signal(signal.SIGSEGV)  # not waited for: it may still look alive


def test_cpu_limit_is_a_reason_and_the_rest_is_kept(clip, broken_worker):
    broken_worker("passes.read_sound", "while True: pass")
    with DecoderPool(guard=GuardConfig(workers=1, cpu_s=1)) as pool:
        found = pool.decode(Job(clip))
    assert (found.reason, len(found.frames), len(found.audio)) == ("timeout", 8, 0)
    assert "it takes more than 1 s of CPU time" in found.detail


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
    monkeypatch.setattr(process.sys, "executable", "/bin/false")
    with (
        DecoderPool(guard=GuardConfig(workers=1)) as pool,
        pytest.raises(ConfigError, match=r"does not start: .* no file was blamed"),
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
        "from kinoloop.media.guard import DecoderPool, Job\n"
        "from kinoloop.media.process import GuardConfig\n"
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


def test_subtitles_that_can_not_be_fetched_do_not_take_the_video_along(pool, clip):
    found = pool.decode(Job(clip, "memory://clips/gone.srt"))
    assert (found.reason, len(found.frames), found.words) == ("subtitles_unreadable", 8, "hello")
    assert "not_found: memory://clips/gone.srt" in found.detail
