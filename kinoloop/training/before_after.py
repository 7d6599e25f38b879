"""Before and after: what fine-tuning a pretrained model brought, against the same model without it.

The same candidate is fitted twice more: as it comes, and with its backbone frozen. Data, batches
and steps are the same, only what is trained differs; the differences are paired user by user. That
costs as much again as the candidate; `[retrain] before_after = false` leaves it out.
"""

import logging
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.encoders.language_models import why_missing
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.evaluate import Evaluation, evaluate
from kinoloop.evaluation.split import Split
from kinoloop.models.base import Recommender
from kinoloop.models.sequence import Sequence
from kinoloop.models.transformer.config import SequenceConfig
from kinoloop.training.blending import too_few
from kinoloop.training.outcome import Interval, Stage

logger = logging.getLogger(__name__)

METRIC = "ndcg@10"
ZERO_SHOT, FROZEN, TUNED = "zero-shot", "frozen with head", "fine-tuned"


class Measured(NamedTuple):
    """A fitted candidate on both windows."""

    validation: Evaluation
    test: Evaluation


def lacking(recommender: Recommender) -> str:
    """Return why a candidate cannot be fitted here, such as a missing package; or ""."""
    config = recommender.config
    if not isinstance(config, SequenceConfig) or config.backbone.checkpoint is None:
        return too_few(recommender)
    return why_missing(config.backbone.checkpoint)


def before(recommender: Recommender) -> dict[str, Recommender]:
    """Return the same recommender, unfitted, with less of it trained; empty where nothing is tuned.

    What videos are to an untrained model is known only where it reads their titles; without, it
    would be noise, and is left out.
    """
    config = recommender.config
    if (
        not isinstance(config, SequenceConfig)
        or config.backbone.checkpoint is None
        or config.backbone.tune == "head"
    ):
        return {}
    head = config.backbone.model_copy(update={"tune": "head"})
    frozen = config.model_copy(update={"backbone": head})
    found: dict[str, SequenceConfig] = {FROZEN: frozen}
    if config.read_tokens:
        found = {ZERO_SHOT: frozen.model_copy(update={"epochs": 0}), **found}
    return {name: type(recommender)(one, seed=recommender.seed) for name, one in found.items()}


def measure_stages(
    tuned: Recommender, measured: Measured, split: Split, catalogue: Catalogue
) -> list[Stage]:
    """Fit and measure what comes before fine-tuning, and set it beside what came after.

    Args:
        tuned: Fitted.
        measured: The same on both windows.
        split: That it was fitted and measured on.
        catalogue: That it was fitted on.

    Returns:
        In the order of what is trained; empty where nothing pretrained was fine-tuned.
    """
    earlier = before(tuned)
    if not earlier:
        return []
    stages, after = [], _per_user(measured.test)
    for name, recommender in earlier.items():
        recommender.fit(split.train, catalogue, validation=split.validation)
        validation, test = (
            evaluate(recommender, window) for window in (split.validation, split.test)
        )
        gain = _interval(after - _per_user(test))
        logger.info("fine-tuning adds %+.4f %s to %s", gain.mean, METRIC, name)
        stages.append(_stage(name, recommender, Measured(validation, test), gain))
    return [*stages, _stage(TUNED, tuned, measured, None)]


def _stage(name: str, recommender: Recommender, found: Measured, gain: Interval | None) -> Stage:
    assert isinstance(recommender, Sequence)
    return Stage(
        name=name,
        facts=None if name == ZERO_SHOT else recommender.facts,
        validation=_interval(_per_user(found.validation)),
        test=_interval(_per_user(found.test)),
        gain=gain,
    )


def _per_user(evaluation: Evaluation) -> NDArray[np.float64]:
    return evaluation.per_user[METRIC].to_numpy()


def _interval(values: NDArray[np.float64]) -> Interval:
    found = paired(values, np.zeros(len(values)), seed=0)
    return Interval(mean=found.mean, low=found.low, high=found.high)
