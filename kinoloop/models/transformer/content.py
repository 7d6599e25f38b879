"""Where a video that came after training stands in the network's space: its content, in numpy.

It is what `Network.videos` gives for a video whose id was dropped: the learned "unknown" vector,
each modality projected, gated and masked, and the words. Content adds up, so a video that was
trained on and has other content now moves by the difference and keeps what was learned of it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue

PREFIX = "content."


def has_content(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether a trained model has what it takes; older releases have not."""
    return f"{PREFIX}unknown" in arrays


def content_vectors(
    arrays: Mapping[str, NDArray[Any]],
    catalogue: Catalogue,
    asked: NDArray[np.integer],
    words: sp.csr_matrix,
) -> NDArray[np.float32]:
    """Vectors of some videos by their content, (n, dim) float32.

    Args:
        arrays: What `Network.content_arrays` gave.
        catalogue: The videos.
        asked: (n,) positions.
        words: (n, n_words) TF-IDF of these videos.
    """
    unknown = arrays[f"{PREFIX}unknown"]
    fused = np.tile(unknown, (len(asked), 1)).astype(np.float32)
    for name, modality in catalogue.modalities.items():
        weight = arrays.get(f"{PREFIX}{name}.weight")
        if weight is None:
            continue
        said = modality.vectors[asked] @ weight.T + arrays[f"{PREFIX}{name}.bias"]
        gate = 1 / (1 + np.exp(-said[:, -1:]))
        fused += modality.present[asked][:, None] * gate * said[:, :-1]
    if f"{PREFIX}words" in arrays:
        fused += np.asarray(words @ arrays[f"{PREFIX}words"], dtype=np.float32)
    return fused
