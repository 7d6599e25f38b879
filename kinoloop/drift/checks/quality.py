"""Does the champion still find what people watch next? Its NDCG on the fresh window.

What happened in the current window is a test set that no training has seen. It is held against
the metric that the champion brought from its own test window. A model loses some of it with every
week that it ages, in a world without any drift too (a simulated null loses 18% in one week, since
users run out of favourites): the p-value says how likely a drop of no more than `tolerated` looks
like this. Not covered: videos newer than the
bundle, which it cannot find at all (`unknown_videos` counts them), and windows of another length
than the test window, whose targets are fewer or more.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from kinoloop.drift.base import NO_CHAMPION, Measurement, Scene, TestConfig, drift_test, too_few
from kinoloop.drift.blocks import Evidence
from kinoloop.drift.champion import Champion
from kinoloop.drift.slates import within
from kinoloop.drift.windows import Span
from kinoloop.evaluation.metrics.ndcg import ndcg
from kinoloop.evaluation.ranks import rank_targets
from kinoloop.evaluation.split import Holdout


class QualityConfig(TestConfig):
    """Config of `quality`."""

    kind: Literal["quality"] = "quality"
    top_k: int = Field(10, ge=1, description="k of NDCG@k; the bundle must bring this metric.")
    threshold: float = Field(
        0.3, gt=0, description="Relative drop from the promised metric; our choice."
    )
    tolerated: float = Field(
        0.2, ge=0, lt=1, description="Drop that age alone explains; chance is measured from here."
    )


@drift_test(
    "quality",
    level="predictions",
    config=QualityConfig,
    title="Quality on the fresh window",
    effect="relative drop",
)
def quality(scene: Scene, config: QualityConfig) -> Measurement:
    """Compare NDCG on the current window with the test metric in the bundle."""
    if scene.champion is None:
        return NO_CHAMPION
    promised = scene.champion.metrics.get(f"ndcg@{config.top_k}", 0.0)
    if promised <= 0:
        said = f"not enough data: the champion's bundle brings no ndcg@{config.top_k}"
        return Measurement(evidence=None, users=(0, 0), said=said)
    fresh = holdout(scene.champion, scene.windows.periods[-1])
    n = (len(fresh), len(fresh))
    if lacking := too_few(n, config.min_users):
        return lacking
    ranks = rank_targets(scene.champion.recommender.score, fresh.histories, fresh.targets)
    values = ndcg(ranks, k=config.top_k)
    rng = np.random.default_rng(scene.seed)
    drawn = rng.multinomial(n[0], np.full(n[0], 1 / n[0]), size=scene.permutations) / n[0]
    means = drawn @ values
    now, bearable = float(values.mean()), promised * (1 - config.tolerated)
    return Measurement(
        evidence=Evidence(
            statistic=1 - now / promised,
            p_value=float(1 + np.sum(means >= bearable)) / (1 + scene.permutations),
            chance=1 - float(bearable - now + np.quantile(means, 0.05)) / promised,
            ordinary=float("nan"),
        ),
        users=n,
        said=f"NDCG@{config.top_k} is {now:.3f} on the fresh window, the bundle says "
        f"{promised:.3f}",
        figures={"ndcg": now, "promised": promised},
    )


def holdout(champion: Champion, current: Span) -> Holdout:
    """Return what was known before the current window, and what was liked in it."""
    everything = champion.histories
    fresh = within(everything, current)
    before = everything.timestamps < int(current.start.timestamp() * 1_000_000)
    targets = fresh.select(fresh.weights > 0)
    rows = np.flatnonzero(targets.lengths)
    return Holdout(everything.select(before).rows(rows), targets.rows(rows))
