import numpy as np
import scipy.sparse as sp

from kinoloop.models import neighbours
from kinoloop.models.neighbours import Neighbours


def test_keeps_the_top_n_cosines_whatever_the_block_size(monkeypatch):
    rows = sp.random(50, 20, density=0.3, random_state=np.random.default_rng(0), format="csr")
    dense = rows.toarray()
    norms = np.linalg.norm(dense, axis=1, keepdims=True)
    cosines = dense @ dense.T / np.maximum(norms * norms.T, 1e-12)
    np.fill_diagonal(cosines, 0)
    kept = np.sort(cosines, axis=1)[:, -5:]
    for cells in (50, 16_000_000):
        monkeypatch.setattr(neighbours, "BLOCK_CELLS", cells)
        found = np.sort(Neighbours.of(rows, top_n=5).similarity.toarray(), axis=1)[:, -5:]
        np.testing.assert_allclose(found, kept, rtol=1e-5)


def test_shrinkage_damps_little_evidence():
    rows = sp.csr_matrix(np.array([[1.0, 1.0], [1.0, 1.0]]))
    assert Neighbours.of(rows, top_n=1).similarity[0, 1] == np.float32(1.0)
    assert Neighbours.of(rows, top_n=1, shrinkage=2.0).similarity[0, 1] == np.float32(0.5)


def test_what_too_many_share_makes_no_neighbours_but_counts_in_lengths():
    words = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 1]], dtype=np.float32)
    found = Neighbours.of(sp.csr_matrix(words), top_n=3, most_shared=2).similarity.toarray()
    np.testing.assert_allclose(found[0], [0, 0.5, 0, 0], rtol=1e-6)
    grown = Neighbours(sp.csr_matrix((4, 4), dtype=np.float32)).grown(
        sp.csr_matrix(words / np.sqrt(2)), np.arange(4), top_n=3, most_shared=2
    )
    np.testing.assert_allclose(grown.similarity.toarray(), found, rtol=1e-6)


def test_the_work_of_finding_neighbours_grows_as_the_videos_do():
    """Every video has the one word; counted are the products that blocks are cut by."""
    counts = []
    for n in (500, 1000, 2000):
        words = sp.csr_matrix((np.ones(n), (np.arange(n), np.zeros(n, int))), shape=(n, 1))
        pairs = sp.csr_matrix((np.ones(n), (np.arange(n), np.arange(n) // 2)), shape=(n, n))
        rows = neighbours.shared_by_few(sp.hstack([words, pairs], format="csr"), 100)
        counts.append(int(np.diff(rows.T.tocsr().indptr)[rows.indices].sum()))
    assert counts == [1000, 2000, 4000]
