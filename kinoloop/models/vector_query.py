"""What a recommender says so that the best videos can be found without scoring every one.

score(v) = q·x_v + c_v + m_v: a query vector q that a history gives, the vector x_v and the standing
c_v of a video, which no history changes, and what is added for a few videos alone, such as those
that share words with the history. So the best are nearest neighbours by inner product, beside a
few that are known by name.
"""

from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories


class VideoVectors(NamedTuple):
    """What a query vector is compared with.

    Attributes:
        vectors: (n_videos, dim) float32; dim may be 0.
        standing: (n_videos,) float32, what a video scores whatever is asked.
    """

    vectors: NDArray[np.float32]
    standing: NDArray[np.float32]


class VectorQuery(NamedTuple):
    """What one history asks for.

    Attributes:
        vector: (dim,) float32.
        videos: (n,) positions for which something is added, ascending, each once.
        more: (n,) float32, what is added.
    """

    vector: NDArray[np.float32]
    videos: NDArray[np.intp]
    more: NDArray[np.float32]

    @classmethod
    def alone(cls, vector: NDArray[np.float32]) -> "VectorQuery":
        """Nothing is added for any video."""
        return cls(vector, np.empty(0, np.intp), np.empty(0, np.float32))

    def scores(self, compared: VideoVectors, videos: NDArray[np.integer]) -> NDArray[np.float32]:
        """Score some videos, (n,) float32.

        Examples:
            >>> one = VideoVectors(np.eye(3, dtype=np.float32), np.zeros(3, np.float32))
            >>> asked = VectorQuery(np.array([1, 2, 3], np.float32), np.array([1]), np.ones(1))
            >>> asked.scores(one, np.array([2, 1])).tolist()
            [3.0, 3.0]
        """
        found = compared.vectors[videos] @ self.vector
        found += compared.standing[videos]
        if len(self.videos):
            at = np.searchsorted(self.videos, videos)
            at[at == len(self.videos)] = 0
            found += np.where(self.videos[at] == videos, self.more[at], np.float32(0))
        return np.asarray(found, dtype=np.float32)


class AsksByVector:
    """Says a query vector; by default it has none, and every video is scored.

    Attributes:
        holds: Name of the attribute with the vectors; "" where no one array is all of them.
    """

    holds: ClassVar[str] = ""

    def video_vectors(self) -> VideoVectors | None:
        """Return what a query vector is compared with; None where scores are no such product."""
        return None

    def vector_query(self, history: Histories) -> VectorQuery | None:  # noqa: ARG002 (has none)
        """Return what one history that is not empty asks of `video_vectors`.

        None where every video must be scored for this one.

        Args:
            history: One row.
        """
        return None

    def use_vectors(self, vectors: NDArray[np.float32]) -> None:
        """Take an array that equals the one of `video_vectors` in its place.

        It is mapped from the disk and shared by all workers. One that holds none passes it over.
        """
        if self.holds:
            setattr(self, self.holds, vectors)


def summed(
    videos: NDArray[np.integer], values: NDArray[np.floating]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Add up values of the same video; positions ascend.

    Examples:
        >>> [part.tolist() for part in summed(np.array([4, 1, 4]), np.array([1.0, 2.0, 3.0]))]
        [[1, 4], [2.0, 4.0]]
    """
    found, at = np.unique(videos, return_inverse=True)
    total = np.bincount(at, weights=values, minlength=len(found))
    return found.astype(np.intp), total.astype(np.float32)
