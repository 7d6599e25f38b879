"""The ranker's network in numpy, for pairs of any contexts: evaluation, calibration, the past.

Shapes: N pairs, R contexts, L videos of a history, T text, P projection, H hidden.
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from kinoloop.models.base import State
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.features import Features
from kinoloop.ranking.pairs import NO_VOCABULARY, Pairs

Array = NDArray[np.float32]


class ManyRows:
    """Computes what the last layer reads.

    Args:
        config: Of the ranker.
        features: Of the ranker.
        state: Of the ranker.
    """

    def __init__(self, config: RankerConfig, features: Features, state: State) -> None:
        self._decay, self._features, self._state = config.decay, features, state
        self._vocabulary = features.known.vocabulary or NO_VOCABULARY

    def hidden(self, pairs: Pairs) -> Array:
        """Compute it, (N, H)."""
        x_NF = self._standardised(pairs)
        if "text" in self._state:
            x_NF = np.hstack([x_NF, self._match(pairs)])
        for layer in ("first", "second"):
            x_NF = np.maximum(
                x_NF @ self._head(f"{layer}.weight").T + self._head(f"{layer}.bias"), 0
            )
        return np.asarray(x_NF, dtype=np.float32)

    def _standardised(self, pairs: Pairs) -> Array:
        """Features of mean 0 and deviation 1 over training, (N, F)."""
        _, raw = self._features.of(pairs)
        return np.asarray((raw - self._state["mean"]) / self._state["deviation"], dtype=np.float32)

    def _match(self, pairs: Pairs) -> Array:
        """Pu ⊙ Qv, cos(u, v) and Rs ⊙ Qv, (N, P + 1 + P)."""
        users_RT = self._profiles(pairs)
        asked_RP = users_RT @ self._head("user.weight").T
        text_NT = self._state["text"][pairs.videos]
        cosine_N = np.einsum("nt,nt->n", users_RT[pairs.contexts], text_NT)
        cosine_N /= np.maximum(np.linalg.norm(text_NT, axis=1), np.float32(1e-8))
        video_NP = text_NT @ self._head("video.weight").T
        met = [asked_RP[pairs.contexts] * video_NP, cosine_N[:, None]]
        if "head.situation.weight" in self._state:
            known = self._vocabulary.one_hot(pairs.situations) @ self._head("situation.weight").T
            met.append(known[pairs.contexts] * video_NP)
        return np.hstack(met)

    def _profiles(self, pairs: Pairs) -> Array:
        """Return what each context liked lately, as one vector of text of length 1 or 0, (R, T)."""
        text_VT = self._state["text"]
        recency = self._decay ** np.arange(pairs.history.shape[1])
        weights_RL = (np.maximum(pairs.interest, 0) * recency).astype(np.float32)
        rows, length = weights_RL.shape
        offsets = np.arange(0, rows * length + 1, length)
        parts = (weights_RL.ravel(), pairs.history.ravel(), offsets)
        liked = sp.csr_matrix(parts, shape=(rows, len(text_VT)))
        users_RT = np.asarray(liked @ text_VT, dtype=np.float32)
        users_RT /= np.maximum(np.linalg.norm(users_RT, axis=1, keepdims=True), np.float32(1e-12))
        return users_RT

    def _head(self, name: str) -> Array:
        return self._state[f"head.{name}"]
