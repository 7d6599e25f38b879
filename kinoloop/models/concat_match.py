"""Concat-and-match: is this video what this user looks for, from content alone?

x = [p_u; f_v], score(u, v) = cos(p_u, M(x)): f_v is the video's modality vectors, projected, masked
and summed; p_u the recency-weighted mean of f over the history; M a small network that answers
"what would somebody like u see in v". Trained to tell the next liked video from videos that others
watched (softmax over cosines). Only content goes in, so a new video is scored like an old one; the
price is one network pass per (user, video) pair: some 4 ms per history over 20k videos on one core.

Training uses torch; scoring is numpy with the video's half of the first layer computed once.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.histories import Histories
from kinoloop.models.base import RECOMMENDERS, State
from kinoloop.models.matching.config import ConcatMatchConfig
from kinoloop.models.profiled import ProfiledRecommender

if TYPE_CHECKING:
    from kinoloop.models.matching.fused import Fused
    from kinoloop.models.matching.positions import Positions

CHUNK_CELLS = 8_000_000  # numbers of the widest array held at a time: 32 MB


@RECOMMENDERS.register("concat_match")
class ConcatMatch(ProfiledRecommender):
    """Scores by cos(p_u, M([p_u; f_v]))."""

    Config = ConcatMatchConfig
    config: ConcatMatchConfig
    validation_rows = 1000  # a row costs more than in other recommenders

    def _network(self, positions: "Positions") -> "Fused":  # noqa: ARG002 (of other networks)
        from kinoloop.models.matching.network import Matcher

        return Matcher(
            self.catalogue.modalities,
            len(self.catalogue),
            dim=self.config.dim,
            hidden=self.config.hidden,
            temperature=self.config.temperature,
        )

    def _score(self, histories: Histories) -> NDArray[np.float32]:
        profiles = self._profiles(histories)
        scores = np.empty((len(histories), len(self.catalogue)), dtype=np.float32)
        asked = profiles @ self._weights["first_profile"].T + self._weights["first_bias"]
        step = max(1, CHUNK_CELLS // max(1, asked.shape[1] * len(histories)))
        for start in range(0, len(self.catalogue), step):
            part = slice(start, start + step)
            hidden = np.maximum(self._offered[part] + asked[:, None], 0)
            answer = hidden @ self._weights["second"].T + self._weights["second_bias"]
            length = np.maximum(np.linalg.norm(answer, axis=2), np.float32(1e-9))
            scores[:, part] = np.einsum("rvd,rd->rv", answer, profiles) / length
        return self._break_ties(scores)

    def _restore(self, state: State) -> None:
        self._weights = state
        self._offered = np.asarray(state["videos"] @ state["first_video"].T, dtype=np.float32)
