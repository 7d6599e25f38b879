import pytest

from kinoloop.errors import MediaError
from kinoloop.media import subtitles
from kinoloop.media.subtitles import join_lines, read_subtitles

SRT = "1\n00:00:00,000 --> 00:00:01,000\n{}\n\n2\n00:00:01,000 --> 00:00:02,000\n{}\n"


def write(tmp_path, name, text, encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_reads_any_encoding(tmp_path, encoding):
    lines = ("Ça sent la crème brûlée, très bon", "où êtes-vous passés cet été")
    found = read_subtitles(write(tmp_path, "a.srt", SRT.format(*lines), encoding))
    assert found.words == " ".join(lines)
    assert found.cues == 2


def test_reads_webvtt_without_its_markup(tmp_path):
    cue = "00:00.000 --> 00:01.000 align:start\n<v Ann>Hi &amp; <b>bye</b>\n"
    text = f"WEBVTT\n\nNOTE not said\n\nid\n{cue}"
    assert read_subtitles(write(tmp_path, "a.vtt", text)).words == "Hi & bye"


def test_format_is_told_by_content_where_the_name_lies(tmp_path):
    path = write(tmp_path, "a.srt", "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n")
    assert read_subtitles(path).words == "hello"


def test_webvtt_of_header_only_is_silence(tmp_path):
    assert read_subtitles(write(tmp_path, "a.vtt", "WEBVTT\n")).cues == 0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.srt", "just a letter\nto a friend\n", "has no cues"),
        ("a.txt", "\x00\x01\x02", "is not a subtitle file"),
        ("a.json", "{}", "is not a subtitle file|has no cues"),
    ],
)
def test_what_is_no_subtitle_file_is_refused(tmp_path, name, text, said):
    with pytest.raises(MediaError, match=rf"subtitles_unreadable: .*({said})"):
        read_subtitles(write(tmp_path, name, text))


def test_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(subtitles, "MAX_BYTES", 10)
    with pytest.raises(MediaError, match="too_large"):
        read_subtitles(write(tmp_path, "a.srt", SRT.format("a", "b")))


def test_roll_up_lines_are_said_once():
    assert join_lines(["one", "one two", "one two", "two", "one"]) == "one one two two one"


def test_words_are_bounded():
    assert len(join_lines(f"word {i}" for i in range(100_000))) == subtitles.MAX_CHARACTERS
