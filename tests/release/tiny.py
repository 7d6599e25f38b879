"""A tiny world for release tests: eight videos, three users, and the smallest recommender."""

from datetime import UTC, datetime
from typing import Literal

import numpy as np
import polars as pl

from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.models.base import RECOMMENDERS, Recommender, RecommenderConfig
from kinoloop.release.signature import Signer, Trust

TITLES = ["Red fox in snow", "Fox cubs at play", "Jazz night", "Piano jazz trio",
          "Baking bread", "Sourdough basics", "猫咪跳舞视频", ""]  # fmt: skip
USERS = ["a" * 32, "b" * 32, "c" * 32]
SIGNER = Signer(bytes(32))
TRUST = Trust(frozenset({SIGNER.public}))
DAY = 86_400_000_000


class TinyConfig(RecommenderConfig):
    kind: Literal["tiny_test"] = "tiny_test"


@RECOMMENDERS.register("tiny_test")
class Tiny(Recommender):
    """Counts who watched both; enough to depend on the history."""

    Config = TinyConfig

    def _fit(self, histories, validation, report):
        matrix = (histories.matrix(len(self.catalogue)) > 0).astype(np.float32)
        self.together = (matrix.T @ matrix).toarray()

    def _score(self, histories):
        return np.asarray(histories.matrix(len(self.catalogue)) @ self.together) + self.prior

    def _state(self):
        return {"together": self.together}

    def _restore(self, state):
        self.together = state["together"]


def catalogue(*, vectors: bool = True) -> Catalogue:
    n = len(TITLES)
    ids = [f"v{i}" for i in range(n)]
    videos = pl.DataFrame(
        {
            "video_id": ids,
            "title": [title or None for title in TITLES],
            "description": ["wild animals", None, "music", "music", "food", "food", None, None],
            "tags": [["fox", "winter"], ["fox"], [], ["piano"], None, [], [], []],
            "media": ["/secret/path.mp4"] * n,
        },
        schema_overrides={"tags": pl.List(pl.String)},
    )
    modalities = {}
    if vectors:
        rng = np.random.default_rng(0)
        topic = np.repeat(np.eye(4), 2, axis=0)
        for name, noise in (("text", 0.2), ("visual", 0.4)):
            raw = np.hstack([topic + 3, rng.normal(size=(n, 4)) * noise])
            unit = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
            present = np.ones(n, dtype=bool)
            present[-1] = False
            unit[-1] = 0
            modalities[name] = Modality(unit, present, f"print-of-{name}")
    published = np.arange(n, dtype=np.int64) * DAY
    return Catalogue(IdMap(ids), published, videos, modalities)


def histories() -> Histories:
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1e6)
    rows = [[0, 1, 2], [2, 3], [0, 1, 4]]
    return Histories.from_rows(
        [[Interaction(v, timestamp=start + i * DAY) for i, v in enumerate(row)] for row in rows],
        user_ids=USERS,
    )


def fitted(videos: Catalogue | None = None) -> Tiny:
    return Tiny(TinyConfig()).fit(histories(), videos or catalogue())
