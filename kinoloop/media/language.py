"""Which language words are in, detected by py3langid (97 languages, 4.6 MB, offline).

Short texts are guesswork: nothing is said below `MIN_LETTERS`, nor where the best guess is less
sure than `MIN_CONFIDENCE`. Costs 0.5 s once per process and 4 ms per video.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

MIN_LETTERS = 20
MIN_CONFIDENCE = 0.8
MAX_CHARACTERS = 5_000
"""Of the beginning; more changes nothing."""

_SAME = {"yue": "zh", "wuu": "zh"}
"""Written with the same characters: Cantonese subtitles are mostly written Chinese."""

_NONE = ("zxx", "und")


def detect_language(text: str) -> str:
    """Name the language of a text.

    Returns:
        ISO 639 code such as `en`; "" where the text is too short or the guess too unsure.
    """
    text = text[:MAX_CHARACTERS]
    # a letter of Chinese, Japanese or Korean says about as much as three of an alphabet
    letters = sum(3 if c > "\u2e80" else 1 for c in text if c.isalpha())
    if letters < MIN_LETTERS:
        return ""
    confidence: dict[str, float] = {}
    for code, share in _identifier().rank(text):
        language = _SAME.get(code, code)
        confidence[language] = confidence.get(language, 0.0) + float(share)
    language, share = max(confidence.items(), key=lambda item: item[1])
    return language if share >= MIN_CONFIDENCE and language not in _NONE else ""


@lru_cache(maxsize=1)
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
