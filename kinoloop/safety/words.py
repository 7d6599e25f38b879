"""How likely words are harmful: a head on MiniLM vectors, taught by written lines.

No pretrained model of harmful language comes in an ordinary package without a pickle, so a
multinomial logistic regression learns the kinds of `lines.toml` (some 280 lines) in the space of
MiniLM, in milliseconds and the same way each time. It knows meaning and not words: "how to kill a
process" is harmless, and an insult that no line resembles is missed. English only, as MiniLM is.
Measured in docs/explanation/safety.md; a linear model of 200,000 comments beside it
(alt-profanity-check) moved the log loss from .411 to .402 and did not earn its pickle.
"""

import logging
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.encoders import base as encoders
from kinoloop.encoders.base import TextEncoder
from kinoloop.encoders.fingerprint import fingerprint
from kinoloop.errors import ConfigError

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent / "lines.toml"
HARMLESS = "harmless"
ENCODER = {"kind": "minilm"}
INVERSE_PENALTY = 30.0
"""Of the head; from 3 to 100 in cross-validation over the lines, the least log loss at which under
1 % of 1,961 real titles (MicroLens, MovieLens) reach 0.7."""

MIN_LINES = 5


@dataclass(frozen=True)
class Lines:
    """What teaches the head.

    Attributes:
        kinds: Kinds of harm, in the order of the file.
        texts: All lines.
        taught: Kind of each line, or `HARMLESS`.
        digest: Changes with any word of them.
    """

    kinds: tuple[str, ...]
    texts: tuple[str, ...]
    taught: tuple[str, ...]
    digest: str


def read_lines(path: Path = SHIPPED) -> Lines:
    """Read a file of lines.

    Raises:
        ConfigError: It is missing, is not TOML, or lacks kinds or lines.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ConfigError(f"{path} cannot be read: {err}; see [safety] lines") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path} is not valid TOML: {err}") from err
    for kind, texts in document.items():
        good = isinstance(texts, list) and all(isinstance(text, str) and text for text in texts)
        if not good or len(texts) < MIN_LINES:
            raise ConfigError(f"{path}: {kind} must be a list of at least {MIN_LINES} lines")
    if HARMLESS not in document or len(document) < 2:
        raise ConfigError(
            f"{path} has {', '.join(document) or 'nothing'}; expected kinds of harm and {HARMLESS}"
        )
    pairs = [(text, kind) for kind, texts in document.items() for text in texts]
    return Lines(
        kinds=tuple(kind for kind in document if kind != HARMLESS),
        texts=tuple(text for text, _ in pairs),
        taught=tuple(kind for _, kind in pairs),
        digest=fingerprint(document),
    )


class WordsHarm:
    """Scores texts; the encoder is loaded with the first.

    Args:
        lines: What teaches it.
    """

    def __init__(self, lines: Lines) -> None:
        self.lines = lines

    @property
    def fingerprint(self) -> str:
        """Changes when a score changes; known without loading a model.

        Raises:
            MissingPackageError: The package with MiniLM is not installed.
        """
        kind, config = encoders.parse(dict(ENCODER))
        facts = {"lines": self.lines.digest, "encoder": kind.identify(config)}
        return fingerprint({**facts, "inverse_penalty": INVERSE_PENALTY})

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probability of each kind of harm.

        Args:
            texts: A sentence or two each.

        Returns:
            (n, n_kinds) float32 in the order of `lines.kinds`; rows sum to at most 1.
        """
        if not texts:
            return np.zeros((0, len(self.lines.kinds)), dtype=np.float32)
        encoder, head = _encoder(), _taught(self.lines)
        found = head.predict_proba(encoder.encode_text(texts))
        order = [list(head.classes_).index(kind) for kind in self.lines.kinds]
        scores: NDArray[np.float32] = found[:, order].astype(np.float32)
        return scores


@lru_cache(maxsize=1)
def _encoder() -> TextEncoder:
    encoder = encoders.build(dict(ENCODER))
    assert isinstance(encoder, TextEncoder), "MiniLM reads text"
    return encoder


@lru_cache(maxsize=2)
def _taught(lines: Lines) -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression

    head = LogisticRegression(C=INVERSE_PENALTY, max_iter=2000)
    logger.info("%d lines teach %d kinds of harm", len(lines.texts), len(lines.kinds))
    return head.fit(_encoder().encode_text(list(lines.texts)), np.array(lines.taught))
