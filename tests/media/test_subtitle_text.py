import os
import time

import pytest

from kinoloop.errors import MediaError
from kinoloop.media.subtitle_text import MAX_LINE, decode_text, tame

FRENCH = (
    "1\n00:00:00,000 --> 00:00:01,000\nÇa sent la crème brûlée, très bon\n\n"
    "2\n00:00:01,000 --> 00:00:02,000\noù êtes-vous passés cet été\n"
)


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "cp1252"],
)
def test_any_encoding_is_detected(encoding):
    assert decode_text(FRENCH.encode(encoding)).lstrip("\ufeff") == FRENCH


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Ты не знаешь, где моя собака? Нет, я её сегодня не видел. Пойдём домой.", "cp1251"),
        ("我们今天去哪里吃饭？我不知道，你想吃什么？随便吧，只要好吃就行。", "gb18030"),
        ("今日はどこへ行きますか。私は学校へ行きます。それから図書館で本を読みます。", "shift_jis"),
    ],
)
def test_other_alphabets_are_detected(text, encoding):
    assert decode_text((text * 4).encode(encoding)) == text * 4


def test_broken_bytes_after_a_mark_do_not_matter():
    assert decode_text(b"\xef\xbb\xbfa\xffb") == "a\ufffdb"


@pytest.mark.parametrize("raw", [bytes(range(256)) * 8, b"\0\1\2", os.urandom(1 << 16)])
def test_binary_is_no_text(raw):
    with pytest.raises(
        MediaError, match=r"not_text: its bytes .*(of a binary file|not text in any)"
    ):
        decode_text(raw)


def test_what_people_write_stays_as_it_was():
    text = "1\n00:00:01,000 --> 00:00:02,000\n<i>a < b</i> {\\an8}c\n\n2"
    assert tame(text) == text


def test_line_ends_are_made_one_kind():
    assert tame("a\r\nb\rc\nd") == "a\nb\nc\nd"


def test_blank_lines_open_tags_and_long_lines_are_bounded():
    assert tame("a\n\n\n\n\nb") == "a\n\nb"
    assert tame("<a <b> <c <d") == "<a <b> c d"
    assert tame("{a}{b") == "{a}b"
    assert len(tame("x" * 1_000_000)) == MAX_LINE


@pytest.mark.parametrize(
    "bomb",
    ["<a" * 2_000_000, "\n" * 4_000_000, "a\n1" * 1_000_000, "{" * 4_000_000, " " * 4_000_000,
     "<a\n" * 1_300_000],
)  # fmt: skip
def test_text_bombs_are_tamed_quickly(bomb):
    started = time.process_time()
    tame(bomb)
    assert time.process_time() - started < 4
