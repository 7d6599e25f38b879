"""How many steps a training may take for a budget in minutes, by arithmetic and not by the clock.

A busy machine then trains as long as a quiet one, only later: what comes out depends on settings
alone. A position costs six operations per weight of the layers that it goes through (two forward,
four back, whether or not the weights themselves are trained); a core does `RATE` of them.
"""

import logging

from kinoloop.models.transformer.config import SequenceConfig

logger = logging.getLogger(__name__)

RATE = 5e10
"""Operations per second of one core in float32. LoRA on SmolLM2 reached 7e10 on a busy server with
AVX-512 (docs/results/sequence.md); a fixed number, so that steps never depend on a measurement."""

LAYER_WEIGHTS = 3.54e6
"""Weights of one layer of SmolLM2-135M; other checkpoints are reckoned as if they were as large."""

WHOLE = 30
"""Layers where `backbone.layers` names none."""


def steps_within(config: SequenceConfig, *, positions: int) -> int | None:
    """Return the steps of an epoch at most; None where there is no budget.

    Args:
        config: Its budget is shared evenly by its epochs.
        positions: Of a step.
    """
    if config.budget_minutes is None or not config.epochs:
        return None
    layers = config.backbone.layers or WHOLE
    seconds = 6 * LAYER_WEIGHTS * layers * positions / RATE
    steps = max(1, int(config.budget_minutes * 60 / config.epochs / seconds))
    logger.info(
        "a budget of %g min is %d steps of %d positions in each of %d epochs (%.2f s per step)",
        config.budget_minutes,
        steps,
        positions,
        config.epochs,
        seconds,
    )
    return steps
