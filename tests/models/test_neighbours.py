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
