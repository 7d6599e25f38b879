"""What a word is, in any script: for search, for TF-IDF, and for the words that describe a video.

Chinese and Japanese have no spaces, so that two characters in a row are their words. The three
patterns differ on purpose: a search also breaks Korean, whose words carry particles; TF-IDF keeps
the terms that stored models were trained on; what describes a video is not a number.
"""

import re
from typing import Final

_UNSPACED: Final = "\u3040-\u30ff\u3400-\u9fff"  # kana and Chinese characters
_RUNS: Final = f"{_UNSPACED}\uac00-\ud7af"  # with Hangul

TERM: Final = rf"(?u)[{_UNSPACED}]|[^\W{_UNSPACED}]+"
"""Of TF-IDF: a run of letters and digits, or one character of a script without spaces."""

_SOUGHT = re.compile(rf"[{_RUNS}]+|[^\W_]+")
_RUN = re.compile(rf"[{_RUNS}]")
_DESCRIBING = re.compile(r"[^\W\d_][^\W_]+(?:['’-][^\W_]+)*")


def sought(text: str) -> list[tuple[str, bool]]:
    """List what a search matches: each run of characters, and whether it is read in bigrams.

    Example:
        >>> sought("steam 2 列車")
        [('steam', False), ('2', False), ('列車', True)]
    """
    return [(run, _RUN.match(run) is not None) for run in _SOUGHT.findall(text)]


def split_words(text: str) -> list[str]:
    """Lower-case words of two letters and more that can describe a video.

    Example:
        >>> split_words("Don't miss 3 steam-trains")
        ["don't", 'miss', 'steam-trains']
    """
    return [word.lower() for word in _DESCRIBING.findall(text)]
