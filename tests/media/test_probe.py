import json
import os

import pytest
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.media.guard import DecoderPool
from kinoloop.media.probe import list_files, probe
from kinoloop.media.process import GuardConfig
from kinoloop.testing.clips import bar_clip

SRT = "1\n00:00:00,000 --> 00:00:02,000\nhello there, how are you today?\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probed")
    bar_clip(folder / "clip.mp4", subtitles=("hello",))
    (folder / "cut.mp4").write_bytes((folder / "clip.mp4").read_bytes()[:2000])
    (folder / "words.srt").write_text(SRT)
    (folder / "words.mp4").write_text(SRT)
    (folder / "clip.srt").write_bytes((folder / "clip.mp4").read_bytes())
    (folder / "letter.txt").write_text("Dear Ann,\n")
    (folder / "empty.vtt").touch()
    os.mkfifo(folder / "fifo.mp4")
    (folder / "below").mkdir()
    (folder / "below" / "broken.vtt").write_text(
        "WEBVTT\n\n00:00.000 --> 00:01.000\nsaid\n\nxx --> yy\nlost\n"
    )
    return folder


@pytest.fixture(scope="module")
def pool():
    with DecoderPool(guard=GuardConfig(workers=1)) as pool:
        yield pool


def test_media_tell_what_was_read(pool, folder):
    found = probe(pool, folder / "clip.mp4")
    assert (found.outcome, found.reason) == ("ok", "")
    assert found.streams == ("h264", "aac", "mov_text")
    assert (found.frames, found.cues, found.width, found.height) == (8, 1, 96, 64)
    assert found.duration_s == pytest.approx(1.0, abs=0.06)
    assert found.sound_s == pytest.approx(1.0, abs=0.1)
    assert found.seconds > 0
    assert 20 < found.peak_memory_mb < 500


def test_subtitles_tell_what_was_read(pool, folder):
    found = probe(pool, folder / "words.srt")
    assert (found.outcome, found.streams, found.cues) == ("ok", ("srt",), 1)
    assert (found.language, found.duration_s, found.frames) == ("en", 2.0, 0)


@pytest.mark.parametrize(("name", "streams"), [("words.mp4", "srt"), ("clip.srt", "h264")])
def test_files_that_are_named_wrongly_are_read_as_what_they_are(pool, folder, name, streams):
    found = probe(pool, folder / name)
    assert (found.outcome, found.streams[0]) == ("ok", streams)


@pytest.mark.parametrize(
    ("name", "outcome", "reason"),
    [
        ("cut.mp4", "quarantined", "truncated"),
        ("letter.txt", "quarantined", "not_media"),
        ("empty.vtt", "quarantined", "empty"),
        ("fifo.mp4", "quarantined", "not_a_regular_file"),
        ("gone.mp4", "quarantined", "not_found"),
        ("below/broken.vtt", "partial", "broken_timings"),
    ],
)
def test_what_is_wrong_has_a_reason(pool, folder, name, outcome, reason):
    found = probe(pool, folder / name)
    assert (found.outcome, found.reason) == (outcome, reason)
    assert found.detail


def test_folder_stands_for_all_in_it(folder):
    names = [str(file.relative_to(folder)) for file in list_files([folder])]
    assert names == [*sorted(names[:-1]), "below/broken.vtt"]
    assert len(names) == 9
    assert list_files([folder / "gone"]) == [folder / "gone"]


def test_verb_prints_one_json_line_a_file_and_ends_with_nought(folder, tmp_path):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/odd-\xff.srt")
    os.link(folder / "words.srt", odd)
    run = CliRunner().invoke(
        app, ["probe", str(folder), odd, "--timeout-s", "20", "--memory-mb", "512"]
    )
    assert run.exit_code == 0
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(lines) == 10
    assert {line["outcome"] for line in lines} == {"ok", "partial", "quarantined"}
    assert all(line["reason"] for line in lines if line["outcome"] != "ok")
    assert lines[-1]["path"] == odd
    assert lines[-1]["cues"] == 1
