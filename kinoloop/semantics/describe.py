"""One line that says what a video is, in its own words: no model writes it, nothing is made up.

The best sentence of description and subtitles is the one whose words are frequent in all the words
of the video and rare in those of others (tf-idf), neither a fragment nor a paragraph. A video
without sentences gets its title; one without words its labels ("calm, warm colours").

Source: sentence extraction by term weights, Luhn (1958); tf-idf, Salton and Buckley (1988).
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from kinoloop.data.words import split_words

MAX_CHARACTERS = 160
_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？]*")
_MIN_WORDS, _MAX_WORDS = 4, 30
_PROMOTION = re.compile(
    r"https?://|www\.|\bsubscribe\b|\bfollow (me|us)\b|\binstagram\b|\bpatreon\b|#\w+",
    re.IGNORECASE,
)


def describe(
    title: str, texts: Sequence[str], labels: Sequence[str], rarity: Mapping[str, float]
) -> str:
    """Choose the line.

    Args:
        title: "" where there is none.
        texts: Description and subtitles, any of them "".
        labels: The surest labels, for a video without words.
        rarity: Inverse document frequency by word; an unknown word counts as rare.

    Returns:
        At most `MAX_CHARACTERS`; "" where nothing is known.
    """
    sentences = [s.strip() for text in texts for s in _SENTENCE.findall(text)]
    good = [s for s in sentences if _is_sentence(s)]
    if good:
        common = Counter(word for s in (title, *sentences) for word in split_words(s))
        unknown = max(rarity.values(), default=1.0)
        return _shorten(max(good, key=lambda s: _weight(s, common, rarity, unknown)))
    if title.strip():
        return _shorten(title.strip())
    return _shorten(", ".join(labels).capitalize())


def _is_sentence(text: str) -> bool:
    return _MIN_WORDS <= len(split_words(text)) <= _MAX_WORDS and not _PROMOTION.search(text)


def _weight(
    sentence: str, common: Counter[str], rarity: Mapping[str, float], unknown: float
) -> float:
    """Mean weight of the different words, so that a long sentence does not win by length alone."""
    words = set(split_words(sentence))
    total = sum(math.log1p(common[w]) * rarity.get(w, unknown) for w in words)
    return total / (len(words) + 3)


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    if len(text) <= MAX_CHARACTERS:
        return text
    return text[: MAX_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"
