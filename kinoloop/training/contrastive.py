"""A learned fusion as an option: settings, and a catalogue with the joint vector x′.

It is learned in retrain from the vectors of all videos, and from nothing that anybody watched
(`info_nce.py`); `kinoloop/data/joint.py` says what it is and how later videos get it.
"""

import logging
import math
from collections.abc import Mapping

import numpy as np
from pydantic import Field

from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.fusion import FusionConfig
from kinoloop.data.joint import Joint
from kinoloop.extras import explained
from kinoloop.settings import Config

logger = logging.getLogger(__name__)


class ContrastiveConfig(Config):
    """Section `[fusion.contrastive]`: whether and how the joint vector x′ is learned."""

    enabled: bool = Field(
        default=False, description="Learn x′ in retrain and give it to the recommenders, too."
    )
    dim: int = Field(128, ge=8, le=1024, description="Length of x′.")
    temperature: float = Field(0.3, gt=0, description="Of the cosines; lower is stricter.")
    epochs: int = Field(100, ge=1, description="Passes over the videos, at most.")
    patience: int = Field(5, ge=1, description="Epochs without a lower held-out loss.")
    batch_size: int = Field(256, ge=8, description="Videos that are told apart at a time.")
    learning_rate: float = Field(0.001, gt=0, description="Of AdamW.")
    weight_decay: float = Field(0.01, ge=0, description="Of AdamW.")
    held_out: float = Field(
        0.2, gt=0, lt=1, description="Share of the videos that only says when to stop."
    )
    min_videos: int = Field(
        50, ge=10, description="Fewer videos with two modalities teach nothing."
    )
    seed: int = Field(
        0, ge=0, description="Of the first projections, of what is held out, of order."
    )


class FusionSettings(FusionConfig):
    """Section `[fusion]`: weights of a plain similarity, and a learned fusion beside it."""

    contrastive: ContrastiveConfig = Field(
        default_factory=ContrastiveConfig, description="A learned fusion."
    )

    @property
    def weights(self) -> FusionConfig:
        """The weights alone."""
        return FusionConfig(**self.model_dump(exclude={"contrastive"}))


def with_joint(catalogue: Catalogue, config: ContrastiveConfig) -> tuple[Catalogue, Joint | None]:
    """Learn x′ of a catalogue and add it; the catalogue as it is where that is off or too little.

    Args:
        catalogue: The videos, with the vectors of their modalities.
        config: Settings.
    """
    if not config.enabled:
        return catalogue, None
    joint = learn(catalogue.modalities, config)
    return (catalogue, None) if joint is None else (joint.added_to(catalogue), joint)


def learn(modalities: Mapping[str, Modality], config: ContrastiveConfig) -> Joint | None:
    """Learn the projections.

    Returns:
        None where fewer than `min_videos` videos have two modalities, where what is held out
        leaves none to learn from, and where learning came to nothing.
    """
    names = sorted(name for name, modality in modalities.items() if modality.present.any())
    present = [modalities[name].present for name in names]
    usable = np.flatnonzero(np.sum(present, axis=0) >= 2) if names else np.empty(0, dtype=np.intp)
    if len(usable) < config.min_videos:
        logger.warning(
            "the joint vector is left out: %d videos have two modalities, expected at least %d "
            "([fusion.contrastive] min_videos)",
            *(len(usable), config.min_videos),
        )
        return None
    order = np.random.default_rng(config.seed).permutation(usable)
    n_held_out = max(2, round(config.held_out * len(order)))
    described = {name: modalities[name] for name in names}
    with explained("learning the joint vector"):
        from kinoloop.training.info_nce import FEWEST, train

        if len(order) - n_held_out < FEWEST:
            logger.warning(
                "the joint vector is left out: %d videos are held out of %d, which leaves none to "
                "learn from; lower [fusion.contrastive] held_out",
                *(n_held_out, len(order)),
            )
            return None
        learned = train(described, (order[n_held_out:], order[:n_held_out]), config)
    if not math.isfinite(learned.measured["held_out_loss"]):
        logger.warning(
            "the joint vector is left out: its held-out loss is no number; lower "
            "[fusion.contrastive] learning_rate, or raise temperature"
        )
        return None
    return learned
