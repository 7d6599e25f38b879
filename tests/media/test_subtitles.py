import pytest

from kinoloop.errors import MediaError
from kinoloop.media import subtitles
from kinoloop.media.captions import clean
from kinoloop.media.subtitle_formats import Cue
from kinoloop.media.subtitles import first_cues, join_lines, read_subtitles

SRT = "1\n00:00:00,000 --> 00:00:01,000\n{}\n\n2\n00:00:01,000 --> 00:00:02,000\n{}\n"


def write(tmp_path, name, text, encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_gives_words_and_cues_with_their_times(tmp_path):
    found = read_subtitles(write(tmp_path, "a.srt", SRT.format("one <i>two</i>", "three")))
    assert found.words == "one two three"
    assert found.cues == (Cue(0.0, 1.0, "one two"), Cue(1.0, 2.0, "three"))
    assert (found.format, found.duration_s, found.broken) == ("srt", 2.0, 0)


def test_cues_that_say_nothing_are_left_out(tmp_path):
    assert len(read_subtitles(write(tmp_path, "a.srt", SRT.format("", "three"))).cues) == 1


def test_webvtt_of_header_only_is_silence(tmp_path):
    assert read_subtitles(write(tmp_path, "a.vtt", "WEBVTT\n")).cues == ()


def test_file_whose_cues_all_say_nothing_is_refused(tmp_path):
    with pytest.raises(MediaError, match=r"no_cues: .*a\.srt: it is srt and no cue has text"):
        read_subtitles(write(tmp_path, "a.srt", SRT.format("", "<i></i>")))


def test_refusal_names_the_file(tmp_path):
    with pytest.raises(MediaError, match=r"not_subtitles: .*letter\.srt: no line has times"):
        read_subtitles(write(tmp_path, "letter.srt", "just a letter\nto a friend\n"))


def test_file_that_is_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "a.srt"
    with path.open("wb") as file:
        file.truncate(1 << 30)  # 1 GB, sparse
    with pytest.raises(MediaError, match=r"too_large: .* has 1073741824 bytes, limit 4194304"):
        read_subtitles(path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("<b>world</b>.", "world."),
        ("one<br/>two", "one two"),
        (r"one\Ntwo", "one two"),
        (r"{\an8}up there", "up there"),
        ("a &amp; b &lt;c&gt;", "a & b <c>"),
        ("<00:19.000>big-a <c.red>pizza</c>", "big-a pizza"),
        ("<v Ann>Hi", "Hi"),
        ("the end [END SUBTITLE]", "the end"),
        ("a\0b\n\t c", "ab c"),
    ],
)
def test_markup_is_dropped(line, said):
    assert clean(line) == said


def test_roll_up_lines_are_said_once():
    assert join_lines(["one", "one two", "one two", "two", "one"]) == "one one two two one"


def test_words_are_bounded():
    assert len(join_lines(f"word {i}" for i in range(100_000))) == subtitles.MAX_CHARACTERS
    cues = [Cue(i, i + 1, "a word") for i in range(10_000)]
    assert len(first_cues(cues)) == subtitles.MAX_CHARACTERS // 6
    assert first_cues(cues[:3]) == tuple(cues[:3])
