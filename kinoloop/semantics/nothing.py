"""Texts that say nothing: "Track 12", "IMG_2041", "untitled", in the forms of several languages.

An encoder makes a vector of any text, and any vector is near to some label: of 84 videos that were
called "Track 12" and the like, 56 were once labelled "challenge". So a text in which nothing
remains but numbers, names of files and words that machines and tired people write gets no label
from its words (`nothing.toml` lists those words). What else says little is left to calibration.
"""

import re
import tomllib
import unicodedata
from functools import lru_cache
from pathlib import Path

WORDS_FILE = Path(__file__).with_name("nothing.toml")
UNSPACED = "unspaced"
"""Words of scripts without spaces, taken out wherever they stand."""

_PART = re.compile(
    r"[^\W\d_]+(?:[\u0300-\u036f\u0900-\u0dff\u0e31-\u0e4e\u064b-\u0652]+[^\W\d_]*)*|\d+"
)
_CODE = re.compile(r"[A-Za-z0-9_-]{5,}")
_LONG_WORD = re.compile(r"[A-Za-z]{5}")
_TURN = re.compile(r"(?<=[A-Za-z])[_-]*(?=\d)|(?<=\d)[_-]*(?=[A-Za-z])")


def says_nothing(text: str) -> bool:
    """Whether no word remains that could tell what a video is about.

    Example:
        >>> [says_nothing(t) for t in ("Track 12", "VID_20240101", "Sin título", "無題 3", "")]
        [True, True, True, True, True]
        >>> [says_nothing(t) for t in ("Piano track 12", "Sin miedo", "猫の動画", "Formula 1")]
        [False, False, False, False]
    """
    spaced, unspaced = _listed()
    text = unicodedata.normalize("NFC", text)
    for token in re.split(r"[\s.,;:!?()\[\]{}\"'|/\\]+", text):
        if _is_code(token) or token.casefold() in spaced:
            continue
        for found in _PART.findall(unicodedata.normalize("NFKC", token)):
            word = found.casefold()
            if word.isdigit() or word in spaced:
                continue
            for listed in unspaced:
                word = word.replace(listed, "")
            if word and not _is_letter(word):
                return False
    return True


def _is_code(token: str) -> bool:
    """Whether a token is an id or a hash: it turns between letters and digits more than once."""
    return (
        _CODE.fullmatch(token) is not None
        and _LONG_WORD.search(token) is None
        and len(_TURN.findall(token)) > 1
    )


def _is_letter(word: str) -> bool:
    """Whether it is one letter of an alphabet: a Chinese character alone is a word."""
    return len(word) == 1 and unicodedata.category(word) != "Lo"


@lru_cache(maxsize=1)
def _listed() -> tuple[frozenset[str], tuple[str, ...]]:
    document = tomllib.loads(WORDS_FILE.read_text(encoding="utf-8"))
    unspaced = sorted(document.pop(UNSPACED), key=len, reverse=True)
    words = (unicodedata.normalize("NFKC", w).casefold() for ws in document.values() for w in ws)
    return frozenset(words), tuple(unicodedata.normalize("NFKC", w).casefold() for w in unspaced)
