import numpy as np
import scipy.sparse as sp
import torch

from kinoloop.models.transformer.words import Words


def test_sums_the_vectors_of_a_video_by_weight():
    dense = np.array([[0, 0.6, 0.8], [0, 0, 0], [1, 0, 0]], dtype=np.float32)
    words = Words(sp.csr_matrix(dense), dim=4, std=1.0)
    found = words(torch.tensor([2, 0, 1, 0]))
    expected = torch.from_numpy(dense[[2, 0, 1, 0]]) @ words.vectors.weight
    torch.testing.assert_close(found, expected)
