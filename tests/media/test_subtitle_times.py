import pytest

from kinoloop.errors import MediaError
from kinoloop.media.subtitle_formats import Cue, parse_subtitles


def read(text, fps=None):
    parsed = parse_subtitles(text, fps=fps)
    return parsed.format, [(cue.start_s, cue.end_s, cue.text) for cue in parsed.cues]


@pytest.mark.parametrize(
    ("line", "start_s", "end_s"),
    [
        ("00:00:20 --> 00:00:24", 20, 24),
        ("00:00:10, --> 00:00:14,", 10, 14),
        ("0:0:1,5 --> 0:0:2,25", 1.5, 2.25),
        ("00:20.5 --> 00:24.25", 20.5, 24.25),
        ("00:00:20:500 --> 00:00:24:000", 20.5, 24),
        ("00:00:20,500-->00:00:24,000", 20.5, 24),
        ("00:00:20,500 -> 00:00:24,000", 20.5, 24),
        ("00:00:20,500 –> 00:00:24,000", 20.5, 24),
        ("00: 00: 20, 500 --> 00: 00: 24, 000", 20.5, 24),
        ("  00:00:20,123456 --> 00:00:24,000  X1:100 X2:200", 20.123, 24),
        ("75:20 --> 75:24", 75 * 60 + 20, 75 * 60 + 24),
    ],
)
def test_times_of_subrip_are_read_as_people_write_them(line, start_s, end_s):
    index = f"1\n{line}\nred fox\n\n2\n01:00:00,000 --> 01:00:01,000\njazz\n"
    without = f"{line}\nred fox\n\n01:00:00,000 --> 01:00:01,000\njazz\n"
    for text in (index, without):
        form, cues = read(text)
        assert form == "srt"
        said = {words: (start, end) for start, end, words in cues}
        assert said["red fox"] == pytest.approx((start_s, end_s))
        assert said["jazz"] == (3600, 3601)


def test_times_of_sbv_and_subviewer_need_no_fraction():
    assert read("0:00:01.000,0:00:02\none\n\n0:00:03,0:00:04\ntwo\n") == (
        "sbv",
        [(1, 2, "one"), (3, 4, "two")],
    )
    assert read("[INFORMATION]\n[SUBTITLE]\n00:00:03,00:00:04\none[br]two\n") == (
        "subviewer",
        [(3, 4, "one\ntwo")],
    )


@pytest.mark.parametrize("start", ["0:00:03", "0:0:3.0", "00:00:03,000", " 0:00:03.00"])
def test_events_of_substation_are_read_as_people_write_them(start):
    text = f"[Script Info]\n[Events]\nDialogue: 0,{start},0:00:04,Default,,0,0,0,,red fox\n"
    assert read(text) == ("ass", [(3, 4, "red fox")])


def test_event_whose_times_cannot_be_read_costs_no_other():
    head = "[Script Info]\n[V4+ Styles]\n[Events]\n"
    bad = "Dialogue: 0,soon,0:00:02.00,Default,,0,0,0,,lost\n"
    parsed = parse_subtitles(f"{head}{bad}Dialogue: 0,0:00:03.00,0:00:04.00,D,,0,0,0,,a, b\n")
    assert [cue.text for cue in parsed.cues] == ["a, b"]
    assert parsed.broken == 1


def test_cue_of_microdvd_without_an_end_lasts_until_the_next():
    _, cues = read("{25}{}one\n{50}{75}two\n{100}{}three\n", fps=25)
    assert cues == [(1, 2, "one"), (2, 3, "two"), (4, 4, "three")]


def test_words_with_an_arrow_are_no_time():
    _, cues = read("1\n00:00:20 --> 00:00:24\nleft --> right at 10:30\n")
    assert cues == [(20, 24, "left --> right at 10:30")]


def test_vtt_without_milliseconds_or_hours_is_read():
    text = "WEBVTT\n\n00:10 --> 00:14 line:90%\nred fox\n\n1:00:15,5 --> 1:00:16\njazz\n"
    assert read(text) == ("vtt", [(10, 14, "red fox"), (3615.5, 3616, "jazz")])


@pytest.mark.parametrize("blank", ["", " ", "\t", "\n"])
def test_blank_line_before_the_text_of_a_cue_hides_nothing(blank):
    head = "00:45:15.640 --> 00:45:16.760 line:91%"
    text = (
        f"WEBVTT\n\n{head}\nOne\n\n00:45:17.000 --> 00:45:20.000\n{blank}\nblank first\nthen text\n"
    )
    _, cues = read(f"{text}\n00:45:21.000 --> 00:45:22.000\nThree\n")
    assert [words.strip() for *_, words in cues] == ["One", "blank first\nthen text", "Three"]


def test_cue_without_text_takes_no_text_of_others():
    text = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\n\n2\n00:03.000 --> 00:04.000\nTwo\n\n"
        "00:05.000 --> 00:06.000\n\nNOTE nobody says this\n\n00:07.000 --> 00:08.000\nFour\n"
    )
    _, cues = read(text)
    assert [words for *_, words in cues if words] == ["Two", "Four"]


def test_vtt_with_regions_voices_and_styles_says_only_words():
    text = (
        "WEBVTT\n\nREGION\nid:fred\nwidth:40%\n\nSTYLE\n::cue { color: lime }\n\n"
        "00:01.000 --> 00:02.000 region:fred\n<v Fred>Hello <b>you</b>\n"
    )
    _, cues = read(text)
    assert [words for *_, words in cues] == ["<v Fred>Hello <b>you</b>"]


@pytest.mark.parametrize(
    "first", ["{0}{0}23.976", "{1}{1}23.976", "{0}{0}23,976 fps", "{}{}23.976"]
)
def test_rate_that_a_microdvd_file_names_is_its_rate_and_no_words(first):
    form, cues = read(f"{first}\n{{24}}{{48}}one\n{{48}}{{72}}two\n", fps=50)
    assert form == "microdvd"
    assert [words for *_, words in cues] == ["one", "two"]
    assert cues[0][:2] == pytest.approx((24 / 23.976, 48 / 23.976), abs=0.002)


def test_number_that_is_said_in_a_microdvd_file_is_no_rate():
    _, cues = read("{10}{20}23.976\n{24}{48}one\n", fps=25)
    assert [words for *_, words in cues] == ["23.976", "one"]


def test_text_of_no_format_is_refused_by_what_it_starts_with():
    said = r"not_subtitles: no line has times .* it starts with \['1', 'soon --> later'\]"
    with pytest.raises(MediaError, match=said):
        parse_subtitles("1\nsoon --> later\nred fox\n")


@pytest.mark.parametrize("fields", [",", "Default,", "1,Bob", "Default,2"])
@pytest.mark.parametrize("kind", ["Dialogue", "dialogue"])
def test_times_of_substation_end_at_their_comma(kind, fields):
    head = "[Script Info]\nScriptType: v4.00+\n[Events]\n"
    text = f"{head}{kind}: 0,0:00:01,0:00:02,{fields},0,0,0,,Hello, there\n"
    assert parse_subtitles(text).cues == (Cue(1.0, 2.0, "Hello, there"),)


def test_what_somebody_says_makes_no_substation():
    text = "1\n00:00:01,000 --> 00:00:02,000\n[Events]\n\n2\n00:00:03,000 --> 00:00:04,000\nx\n"
    assert [cue.text for cue in parse_subtitles(text).cues] == ["[Events]", "x"]
