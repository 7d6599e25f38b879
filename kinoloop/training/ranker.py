"""A ranker for the selected recommender: fitted on its windows, blended on its validation."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from threadpoolctl import threadpool_limits

from kinoloop.data.exposures import Exposures
from kinoloop.data.histories import Histories
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.split import Split
from kinoloop.models.base import Recommender, Report, silent
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import Fitted, fit_ranker
from kinoloop.ranking.rerank import Reranked, choose_blend
from kinoloop.training.outcome import SELECTION_METRIC

logger = logging.getLogger(__name__)

GAIN = "slates/ndcg@10_gain"
SHARES = (0.8, 0.9)  # of the exposures, where a split has no moments


@dataclass(frozen=True)
class WinnerData:
    """What a ranker for the winner learns from and is measured on.

    Attributes:
        split: Of the model selection.
        histories: All of them.
        exposures: All of them.
    """

    split: Split
    histories: Histories
    exposures: Exposures


def moments_of(split: Split, exposures: Exposures) -> tuple[int, int]:
    """When validation and test begin, µs: as in the split, if it was cut in time.

    Leave-one-out has no such moments; there the newest tenths of the exposures are taken.
    """
    validation = split.validation.targets.timestamps
    test = split.test.targets.timestamps
    if validation.max() < test.min() or not len(exposures):
        return int(validation.min()), int(test.min())
    at = [int(share * (len(exposures) - 1)) for share in SHARES]
    first, second = exposures.timestamps[at].tolist()
    return first, second


def rank_winner(
    config: RankerConfig,
    recommender: Recommender,
    data: WinnerData,
    *,
    texts: Callable[[], Sequence[str]] | None = None,
    seed: int,
    report: Report = silent,
) -> Fitted:
    """Fit a ranker for a recommender, choose the blend, and measure slates with and without.

    Args:
        config: Settings.
        recommender: The winner.
        data: What it learns from.
        texts: As for `fit_ranker`.
        seed: Of everything random.
        report: Receives metrics per epoch.

    Returns:
        The ranker with what it achieved; `metrics` covers slates too: `slates/ndcg@10` of the
        test window with re-ranking, beside `slates/ndcg@10_without` and the 95 % interval of
        their difference.

    Raises:
        DataError: A window has no exposures of both kinds.
    """
    split = data.split
    validation_from, test_from = moments_of(split, data.exposures)
    with threadpool_limits(limits=1):
        fitted = fit_ranker(
            config,
            RankerData(data.exposures, data.histories, validation_from, test_from),
            recommender.catalogue,
            texts=texts,
            seed=seed,
            report=report,
        )
        ranker, found = choose_blend(
            fitted.ranker, recommender, split.validation.situated(data.exposures)
        )
        logger.info("ranker: blend %.2f, validation NDCG@10 by blend %s", ranker.blend, found)
        test = split.test.situated(data.exposures)
        plain = evaluate(recommender, test)
        reranked = evaluate(Reranked.on(recommender, ranker, test), test)
    metrics = {**fitted.metrics, "blend": ranker.blend}
    for name in ("ndcg@10", "hr@10"):
        metrics[f"slates/{name}"] = reranked.metrics[name]
        metrics[f"slates/{name}_without"] = plain.metrics[name]
    after, before = (side.per_user[SELECTION_METRIC] for side in (reranked, plain))
    gain = paired(after, before, seed=seed)
    metrics |= {GAIN: gain.mean, f"{GAIN}_low": gain.low, f"{GAIN}_high": gain.high}
    return replace(fitted, ranker=ranker, metrics=metrics)
