"""Labels of what pictures show, where the visual encoder can say it in words.

The classifier that the packaged picture model was trained with reads the vectors that it made: a
name ("Pomeranian") has its probability, a kind ("dog") the sum over its names. A kind of very many
names gets much by chance, so a word is given from

    1 − (1 − min_score) · (1 − chance)

on, with chance the share of the names that it covers: .40 for one name, .64 for "animal".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from kinoloop.encoders.efficientnet_lite import Words


@dataclass(frozen=True)
class ShownWord:
    """What one video shows.

    Attributes:
        row: Of the video.
        word: What is to be seen.
        score: Its probability.
    """

    row: int
    word: str
    score: float


def shown(words: "Words", vectors: NDArray[np.float32], *, min_score: float) -> Iterator[ShownWord]:
    """Yield what each video shows, row by row.

    Args:
        words: Of the encoder.
        vectors: (n, dim) that it made; a zero row shows nothing.
        min_score: Least probability of a word beyond chance.
    """
    scores = words.score(vectors)
    least = 1 - (1 - min_score) * (1 - words.chance)
    for i, j in zip(*np.nonzero(scores >= least), strict=True):
        yield ShownWord(int(i), words.words[j], float(scores[i, j]))
