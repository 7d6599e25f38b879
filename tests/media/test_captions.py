import pytest

from kinoloop.media.captions import unroll
from kinoloop.media.subtitle_formats import Cue, parse_subtitles


def words(*texts, every_s=2.0):
    cues = [Cue(i * every_s, (i + 1) * every_s, text) for i, text in enumerate(texts)]
    return " / ".join(cue.text for cue in unroll(cues))


def test_rolling_lines_are_said_once():
    assert words("a b", "a b\nc d", "c d\ne f") == "a b / c d / e f"


def test_three_rolling_lines_are_said_once():
    rolled = words("a", "a\nb", "a\nb\nc", "b\nc\nd", "c\nd\ne")
    assert rolled == "a / b / c / d / e"


def test_line_that_grows_word_by_word_is_said_once():
    assert (
        words("we", "we walk", "we walk along", "we walk along\nthe") == "we / walk / along / the"
    )


def test_last_line_may_grow_while_the_others_roll():
    assert words("a b", "a b\nc", "a b\nc d", "c d\ne") == "a b / c / d / e"


@pytest.mark.parametrize(
    "second",
    ["so then we walk along the river\nuntil the mill", "along the river\nuntil the mill"],
)
def test_words_that_roll_over_other_line_ends_are_said_once(second):
    rolled = words("and so then we walk\nalong the river", second, "until the mill and rest")
    assert rolled == "and so then we walk along the river / until the mill / and rest"


def test_long_roll_is_no_repetition_wherever_its_lines_end():
    assert words("we a b c d e f", "a b c d e f g") == "we a b c d e f / g"


def test_cue_that_shows_nothing_new_is_left_out():
    assert words("a b", "a b", "a b\n ", "c") == "a b / c"


@pytest.mark.parametrize(
    "texts",
    [
        ("I said that", "that was wrong"),
        ("no", "nobody knows"),
        ("- yes\n- no", "- yes\n- maybe"),
        ("the end", "of the end"),
        ("he sang no no no", "no no no he said"),
        ("she said I love you", "I love you too"),
    ],
)
def test_what_only_looks_alike_is_kept(texts):
    assert words(*texts) == " / ".join(text.replace("\n", " ") for text in texts)


def test_same_line_later_is_said_again():
    for again_s in (1.5, 20):
        cues = [Cue(0, 1, "la la la"), Cue(again_s, 21, "la la la")]
        assert unroll(cues) == cues


def test_cue_that_shows_the_same_for_longer_ends_later():
    cues = [Cue(0, 1, "what?"), Cue(1.01, 2, "what?"), Cue(2, 3, "this")]
    assert unroll(cues) == [Cue(0, 2, "what?"), Cue(2, 3, "this")]


def test_captions_of_a_player_with_times_inside_are_said_once():
    parsed = parse_subtitles(
        "WEBVTT\nKind: captions\n\n"
        "00:00:00.160 --> 00:00:03.429 align:start position:0%\n \n"
        "we<00:00:00.960><c> walk</c><00:00:01.520><c> along</c>\n\n"
        "00:00:03.429 --> 00:00:03.439 align:start position:0%\nwe walk along\n \n\n"
        "00:00:03.439 --> 00:00:05.749 align:start position:0%\nwe walk along\n"
        "the<00:00:04.500><c> river</c>\n\n"
        "00:00:05.749 --> 00:00:05.759 align:start position:0%\nthe river\n \n\n"
    )
    cues = unroll(parsed.cues)
    assert [(cue.start_s, cue.text) for cue in cues] == [
        (0.16, "we walk along"),
        (3.439, "the river"),
    ]
