"""Vectors as 8-bit codes in lists of near ones: an inverted file (FAISS), mapped from the disk.

A search looks into the lists whose centres promise most, adds up codes, and leaves it to the caller
to score the best of them in full. Lists and codes are a file of FAISS, whose reader trusts what it
reads: it is opened only after its digest was compared.

Source: Sivic & Zisserman, ICCV 2003 (inverted files of vectors); Douze et al., 2024 (FAISS).
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kinoloop.errors import BundleError

if TYPE_CHECKING:
    import faiss

NOWHERE = -1
AT_A_TIME = 65_536
"""Vectors added at a time: those of 500 numbers are 130 MB."""

PER_LIST = 64
"""Vectors that a list is learned from."""


class CodedLists:
    """Searches vectors by inner product.

    Args:
        index: Of FAISS, with 8-bit codes, its lists in memory or mapped.

    Attributes:
        centres: (n_lists, dim) float32.
        sizes: (n_lists,) int64, videos in each list.
    """

    def __init__(self, index: "faiss.IndexIVFScalarQuantizer") -> None:
        self._index = index
        self.centres: NDArray[np.float32] = index.quantizer.reconstruct_n(0, index.nlist)
        self.sizes = np.array(
            [index.invlists.list_size(one) for one in range(index.nlist)], dtype=np.int64
        )

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int(self._index.d)

    @classmethod
    def learned(cls, sample: NDArray[np.float32], n_lists: int, *, seed: int = 0) -> "CodedLists":
        """Learn lists and codes from some vectors; it has none yet.

        Args:
            sample: (n, dim), evenly of all.
            n_lists: How many lists; fewer where there are too few vectors.
            seed: Of the clustering.
        """
        import faiss

        n_lists, dim = max(1, min(n_lists, len(sample) // 2)), sample.shape[1]
        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatL2(dim),
            dim,
            n_lists,
            faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT,
            False,  # noqa: FBT003 (codes are of the vectors, not of what they differ by)
        )
        index.cp.spherical, index.cp.seed, index.cp.niter = False, seed, 8
        index.cp.min_points_per_centroid = 1
        index.cp.max_points_per_centroid = PER_LIST
        index.train(sample)
        return cls(index)

    def add(self, videos: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add vectors of videos, each to the list of the nearest centre."""
        self._index.add_with_ids(vectors, videos)

    def added(self, parts: Iterable[tuple[NDArray[np.int64], NDArray[np.float32]]]) -> "CodedLists":
        """Return it with more vectors."""
        for videos, vectors in parts:
            self.add(videos, vectors)
        return CodedLists(self._index)

    def remove(self, videos: NDArray[np.int64]) -> None:
        """Take vectors of videos out."""
        if len(videos):
            self._index.remove_ids(videos)

    def list_of(self, n_videos: int) -> NDArray[np.int32]:
        """In which list each video is, (n_videos,) int32; −1 in none."""
        import faiss

        found = np.full(n_videos, NOWHERE, dtype=np.int32)
        for one, size in enumerate(self.sizes.tolist()):
            if size:
                held = faiss.rev_swig_ptr(self._index.invlists.get_ids(one), size)
                found[held] = one
        return found

    def search(
        self,
        vector: NDArray[np.float32],
        count: int,
        lists: NDArray[np.int64],
        bits: NDArray[np.uint8] | None,
    ) -> NDArray[np.int64]:
        """Positions of the best by their codes, best first; fewer where the lists have fewer.

        Args:
            vector: (dim,).
            count: How many.
            lists: (n,) which lists are searched.
            bits: Which videos may be found (`Allowed.bits`); None: all.
        """
        import faiss

        asked = np.ascontiguousarray(vector[None], dtype=np.float32)
        lists = np.ascontiguousarray(lists[None], dtype=np.int64)
        unused = np.zeros(lists.shape, dtype=np.float32)  # distances of centres: codes are whole
        found = np.empty((1, count), dtype=np.int64)
        products = np.empty((1, count), dtype=np.float32)
        selector = None if bits is None else faiss.IDSelectorBitmap(bits)
        given: dict[str, Any] = {} if selector is None else {"sel": selector}
        at = faiss.swig_ptr
        self._index.search_preassigned_c(
            *(1, at(asked), count, at(lists), at(unused), at(products), at(found)),
            *(False, faiss.SearchParametersIVF(nprobe=lists.shape[1], **given), None),
        )
        return np.asarray(found[0][found[0] >= 0])

    def save(self, path: Path) -> None:
        """Write it."""
        import faiss

        faiss.write_index(self._index, str(path))

    @classmethod
    def open(cls, path: Path, *, digest: str | None, mapped: bool = True) -> "CodedLists":
        """Open what `save` wrote.

        Args:
            path: Of the file.
            digest: SHA-256 that it must have; None only for what was written here a moment ago.
            mapped: Leave codes on the disk; in memory they can be changed.

        Raises:
            BundleError: It has another digest, or is no such index.
        """
        import faiss

        if digest is not None:
            check_digest(path, digest)
        flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY if mapped else 0
        try:
            index = faiss.read_index(str(path), flags)
        except RuntimeError as err:
            raise BundleError(f"{path} cannot be read as an index: {err}; publish again") from err
        if not isinstance(index, faiss.IndexIVFScalarQuantizer):
            raise BundleError(
                f"{path} is a {type(index).__name__}, expected lists of 8-bit codes; publish again"
            )
        return cls(index)


def check_digest(path: Path, digest: str) -> None:
    """Refuse a file before it is parsed.

    Raises:
        BundleError: It is not the one that was written.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise BundleError(
            f"{path} changed: expected SHA-256 {digest}, got {found}; fetch the bundle again"
        )
