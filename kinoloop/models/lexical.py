"""Words of the catalogue as sparse TF-IDF vectors.

Dense sentence vectors lose the hashtags and series names that tie short videos together: on
MicroLens-50K the title TF-IDF finds a third more next videos than MiniLM does, so this channel
stays beside the dense ones.

What counts as a word is learned once, with the model; a video that comes later is read in the same
words (`Lexicon`), so that those before it stay as they are.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

from kinoloop.data.video_text import texts_of
from kinoloop.data.words import TERM

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

COMMON = 1000  # a word in more videos (and a tenth) says little and costs the most
NEIGHBOURLY = 5_000
"""Videos that may share a word by which they are neighbours: in 50,000 videos and fewer a word of
the lexicon is in no more. Without a bound the cost of neighbours is the square of the catalogue."""

_NAMES = ("terms", "idf", "offsets", "columns", "values")


@dataclass(frozen=True)
class Lexicon:
    """The words of a catalogue, and the vectors of its videos.

    Attributes:
        names: Uni- and bigrams, in the order of columns.
        idf: (n_terms,) float32.
        matrix: (n_videos, n_terms) sparse float32, rows of length 1.
    """

    names: list[str]
    idf: NDArray[np.float32]
    matrix: sp.csr_matrix

    @classmethod
    def of(cls, videos: pl.DataFrame, *, most: int | None = None) -> "Lexicon":
        """Learn the words of titles and tags.

        Those that at least two videos share, and not more than `COMMON` or a tenth of the
        catalogue; logarithmic counts. A catalogue without any shared word has no terms.

        Args:
            videos: Column `title`; `tags` where present.
            most: Terms kept, the most frequent ones; None keeps all.
        """
        texts = texts_of(videos, ("title", "tags"))
        vectorizer = _vectorizer(min_df=2, max_df=max(COMMON, len(texts) // 10), max_features=most)
        try:
            rows = vectorizer.fit_transform(texts)
        except ValueError:  # scikit-learn refuses an empty vocabulary
            nothing = sp.csr_matrix((len(videos), 0), dtype=np.float32)
            return cls([], np.empty(0, np.float32), nothing)
        terms = vectorizer.get_feature_names_out().tolist()
        return cls(terms, vectorizer.idf_.astype(np.float32), rows)

    def read(self, videos: pl.DataFrame) -> sp.csr_matrix:
        """Vectors of other videos in the same words, (n, n_terms) float32."""
        if not self.names or not len(videos):
            return sp.csr_matrix((len(videos), len(self.names)), dtype=np.float32)
        vectorizer = _vectorizer(vocabulary=self.names)
        vectorizer.idf_ = self.idf
        return vectorizer.transform(texts_of(videos, ("title", "tags"))).tocsr()

    def grown(self, videos: pl.DataFrame, asked: NDArray[np.integer]) -> sp.csr_matrix:
        """Vectors of a grown catalogue, those at `asked` read anew, (n_videos, n_terms).

        Args:
            videos: The videos that were learned from first, then new ones.
            asked: Positions of new and changed ones, ascending.
        """
        source = np.arange(len(videos))
        source[asked] = self.matrix.shape[0] + np.arange(len(asked))
        both = sp.vstack([self.matrix, self.read(videos[asked.tolist()])], format="csr")
        return both[source]

    def state(self) -> dict[str, NDArray[Any]]:
        """Arrays to save."""
        words = np.frombuffer("\n".join(self.names).encode(), dtype=np.uint8)
        parts = (words, self.idf, self.matrix.indptr, self.matrix.indices, self.matrix.data)
        return {f"lexicon.{n}": np.asarray(part) for n, part in zip(_NAMES, parts, strict=True)}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[Any]], videos: pl.DataFrame) -> "Lexicon":
        """Take back what `state` gave; learn it again where a release has none of its own."""
        if "lexicon.idf" not in state:
            return cls.of(videos)
        words, idf, offsets, columns, values = (state[f"lexicon.{name}"] for name in _NAMES)
        text = words.tobytes().decode()
        terms = text.split("\n") if text else []
        shape = (len(offsets) - 1, len(terms))
        return cls(terms, idf, sp.csr_matrix((values, columns, offsets), shape=shape))


def _vectorizer(**settings: Any) -> "TfidfVectorizer":  # noqa: ANN401 (as scikit-learn has it)
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=TERM, dtype=np.float32, **settings
    )


def tfidf(videos: pl.DataFrame, *, most: int | None = None) -> sp.csr_matrix:
    """TF-IDF of titles and tags, (n_videos, n_terms) float32, rows of length 1; see `Lexicon`."""
    return Lexicon.of(videos, most=most).matrix
