import time

import pytest

from kinoloop.errors import MediaError
from kinoloop.media import subtitle_formats
from kinoloop.media.captions import clean
from kinoloop.media.subtitle_formats import Cue, parse_subtitles

TWO = (Cue(1.0, 2.5, "hello there"), Cue(3.0, 4.0, "good bye"))

TTML = """<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="{ns}" {rate}><head><metadata>not said</metadata></head><body><div>
<p begin="{0}" end="{1}">hello<br/>there</p><p begin="{2}" {3}>good <span>bye</span></p>
</div></body></tt>"""
NAMESPACE = "http://www.w3.org/ns/ttml"


def ttml(first, until, second, rest, *, ns=NAMESPACE, rate=""):
    return TTML.format(first, until, second, rest, ns=ns, rate=rate)


FORMATS = {
    "srt": "1\n00:00:01,000 --> 00:00:02,500\nhello there\n\n2\n00:00:03,000 --> 00:00:04,000\n"
    "good bye\n",
    "srt with points and no numbers": "00:00:01.000 --> 00:00:02.500\nhello there\n\n"
    "00:00:03.000 --> 00:00:04.000\ngood bye\n",
    "vtt": "WEBVTT\nKind: captions\n\nNOTE not said\n\nSTYLE\n::cue { color: red }\n\nfirst\n"
    "00:01.000 --> 00:02.500 line:80%\nhello there\n\nsecond\n00:03.000 --> 00:04.000\ngood bye\n"
    "\nNOTE not said either\n",
    "sbv": "0:00:01.000,0:00:02.500\nhello there\n\n0:00:03.000,0:00:04.000\ngood bye\n",
    "subviewer": "[INFORMATION]\n[TITLE]x\n[END INFORMATION]\n[SUBTITLE]\n"
    "00:00:01.00,00:00:02.50\nhello[br]there\n\n00:00:03.00,00:00:04.00\ngood bye\n[END SUBTITLE]",
    "microdvd": "{1}{1}10\n{10}{25}hello|there\n{30}{40}{y:i}good bye\n",
    "ass": "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname\n"
    "Style: Default,Arial\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, "
    "MarginV, Effect, Text\nComment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,not said\n"
    "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\an8}hello\\Nthere\n"
    "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,good bye\n",
    "ttml": ttml("1s", "00:00:02.5", "3000ms", 'dur="1s"'),
    "dfxp of 2006": ttml("1s", "2.5s", "3s", 'end="4s"', ns="http://www.w3.org/2006/10/ttaf1"),
    "ttml in ticks": ttml(
        "10t", "25t", "30t", 'end="40t"', rate='xmlns:p="http://www.w3.org/ns/ttml#parameter" '
        'p:tickRate="10"',
    ),
    "ttml in frames": ttml(
        "00:00:01:00", "00:00:02:05", "00:00:03:00", 'end="40f"',
        rate='xmlns:p="http://www.w3.org/ns/ttml#parameter" p:frameRate="10"',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_words_at_the_same_times(name):
    parsed = parse_subtitles(FORMATS[name])
    assert [Cue(c.start_s, c.end_s, clean(c.text)) for c in parsed.cues] == list(TWO)
    assert parsed.format == name.split()[0].replace("dfxp", "ttml")
    assert parsed.broken == 0


def test_frames_are_counted_at_the_rate_of_the_video():
    text = "{10}{25}hello there\n{30}{40}good bye\n"
    assert parse_subtitles(text, fps=10.0).cues == TWO
    assert parse_subtitles(text).cues[0].start_s == 10 / subtitle_formats.FRAME_RATE


def test_broken_timings_keep_their_words_and_are_put_right():
    text = "1\n00:00:05,000 --> 00:00:02,000\nlater\n\n2\n00:00:01,000 --> 00:00:02,000\nearlier\n"
    assert parse_subtitles(text).cues == (Cue(1, 2, "earlier"), Cue(5, 5, "later"))


def test_time_lines_that_can_not_be_read_are_counted():
    text = "WEBVTT\n\n00:00.000 --> 00:01.000\nsaid\n\nxx:00.000 --> 00:01.000\nlost\n"
    parsed = parse_subtitles(text)
    assert [cue.text for cue in parsed.cues] == ["said"]
    assert parsed.broken == 1


def test_number_of_cues_is_bounded(monkeypatch):
    monkeypatch.setattr(subtitle_formats, "MAX_CUES", 3)
    assert len(parse_subtitles("{1}{1}25\n" + "{1}{2}x\n" * 10).cues) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a letter to a friend", r"not_subtitles: .*\['a letter to a friend'\]"),
        ("", "not_subtitles"),
        ("1", "not_subtitles"),
        ('{"a": 1}', "not_subtitles"),
        ("<tt><body>", "damaged_subtitles: its XML ends in an error"),
        ("<!DOCTYPE tt [<!ENTITY a 'b'>]><tt>&a;</tt>", "unsafe_xml: its XML declares entities"),
        (
            "[V4+ Styles]\n[Events]\nDialogue: 0,soon,later,Default,,0,0,0,,x",
            "damaged_subtitles: it looks like ass but none of its 1 events has times",
        ),
    ],
)
def test_what_can_not_be_read_is_refused(text, said):
    with pytest.raises(MediaError, match=said):
        parse_subtitles(text)


def test_external_document_is_never_opened(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("<p>secret</p>")
    system = f'<!DOCTYPE tt SYSTEM "{secret.as_uri()}"><tt/>'
    assert parse_subtitles(system).cues == ()
    entity = f'<!DOCTYPE tt [<!ENTITY x SYSTEM "{secret.as_uri()}">]><tt><p>&x;</p></tt>'
    with pytest.raises(MediaError, match="unsafe_xml"):
        parse_subtitles(entity)


def test_billion_laughs_are_not_expanded():
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    bomb = f'<!DOCTYPE tt [<!ENTITY l0 "ha">{laughs}]><tt xmlns="{NAMESPACE}">&l9;</tt>'
    with pytest.raises(MediaError, match="unsafe_xml"):
        parse_subtitles(bomb)


@pytest.mark.parametrize(
    "bomb",
    [
        "WEBVTT\n\n" + "00:00.000 --> 00:01.000\nx\n\n" * 100_000,
        "1\n00:00:00,000 --> 00:00:01,000\na" + "\n" * 2_000_000 + "b",
        "1\n00:00:00,000 --> 00:00:01,000\n" + "<a" * 1_000_000,
        "1\n00:00:00,000 --> 00:00:01,000\n" + "<a\n" * 500_000,
        "00:00:00,000 --> 00:00:01,000\n" + "\n1" * 500_000 + "x",
        "{1}{2}" + "{" * 1_000_000,
        f'<tt xmlns="{NAMESPACE}"><body>'
        + "<span>" * 100_000
        + "</span>" * 100_000
        + "</body></tt>",
        f'<tt xmlns="{NAMESPACE}"><body><p>' + "<br/>" * 300_000 + "</p></body></tt>",
    ],
    ids=["cues", "blank lines", "open tags", "open lines", "digits", "braces", "depth", "breaks"],
)
def test_text_bombs_are_read_or_refused_quickly(bomb):
    started = time.process_time()
    try:
        cues = parse_subtitles(bomb).cues
    except MediaError:
        cues = ()
    assert len(cues) <= subtitle_formats.MAX_CUES
    assert time.process_time() - started < 10
