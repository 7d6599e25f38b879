"""Words of a text and how rare each is in the catalogue: what most videos have says nothing."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from kinoloop.data.words import split_words

COMMON_SHARE = 0.2
"""A word of more than this share of a catalogue says nothing of one video, in any language."""

COMMON_MIN = 20
"""Smaller catalogues are too small to say that a word is common."""


def rarity(texts: Iterable[str]) -> dict[str, float]:
    """Inverse document frequency, log(n / df), of every word of a catalogue."""
    counts: Counter[str] = Counter()
    n = 0
    for text in texts:
        counts.update(set(split_words(text)))
        n += 1
    return {word: math.log((1 + n) / (1 + count)) + 1e-3 for word, count in counts.items()}


def key_words(text: str, rare: Mapping[str, float], n_videos: int, *, limit: int) -> list[str]:
    """Return the words that set one video apart, surest first.

    Args:
        text: Title, description and subtitles.
        rare: From `rarity`.
        n_videos: Of the catalogue.
        limit: How many at most.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    counts = Counter(split_words(text))
    weights = {
        word: (1 + math.log(count)) * rare.get(word, 1.0)
        for word, count in counts.items()
        if len(word) > 2 and word not in ENGLISH_STOP_WORDS and not _common(word, rare, n_videos)
    }
    return sorted(weights, key=lambda word: (-weights[word], word))[:limit]


def _common(word: str, rare: Mapping[str, float], n_videos: int) -> bool:
    return n_videos >= COMMON_MIN and rare.get(word, 9.0) < math.log(1 / COMMON_SHARE)


def vocabulary(tags: Sequence[Sequence[str] | None], *, limit: int = 2000) -> list[str]:
    """Return the tags that more than one video carries, most used first."""
    counts = Counter(tag.strip().lower() for row in tags for tag in row or () if tag.strip())
    return [tag for tag, count in counts.most_common(limit) if count > 1]
