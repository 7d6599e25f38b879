"""All rules, in the order in which they are asked; a rule that lacks its column is off."""

from collections.abc import Iterator

import numpy as np

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.fusion import FusionConfig
from kinoloop.policy.boosts import Boosts
from kinoloop.policy.calibration import Calibration
from kinoloop.policy.columns import Words
from kinoloop.policy.config import RulesConfig
from kinoloop.policy.decay import Decay
from kinoloop.policy.dpp import Dpp
from kinoloop.policy.filters import VideoFilters
from kinoloop.policy.fresh import Fresh
from kinoloop.policy.head import Rule
from kinoloop.policy.likeness import Likeness
from kinoloop.policy.limits import Limits
from kinoloop.policy.mmr import Mmr
from kinoloop.policy.pins import Pins
from kinoloop.policy.series import Series


def compiled(
    config: RulesConfig, catalogue: Catalogue, columns: VideoFilters, fusion: FusionConfig
) -> Iterator[Rule]:
    """Compile the rules that are on.

    Args:
        config: Which, and how.
        catalogue: The videos.
        columns: Of the catalogue.
        fusion: Weights of the modalities in a similarity.
    """
    n = len(catalogue)
    series, episodes = columns.column(config.series.column), columns.column(config.series.episode)
    if series is not None:
        numbers = np.full(n, np.nan) if episodes is None else episodes.numbers(n)
        yield Series(series.first_code(n), numbers)
    if config.boosts:
        yield Boosts(config.boosts, columns, n)
    yield from _weighed(config, catalogue, columns, fusion)
    if config.fresh.places:
        yield Fresh(config.fresh, np.asarray(catalogue.published_at))
    for limit in config.limits:
        column = columns.column(limit.column)
        if column is not None:
            yield Limits(limit.most, column.first_code(n))
    if config.pins:
        yield Pins(config.pins, catalogue.ids)


def _weighed(
    config: RulesConfig, catalogue: Catalogue, columns: VideoFilters, fusion: FusionConfig
) -> Iterator[Rule]:
    n = len(catalogue)
    decaying = columns.column(config.decay.column)
    if config.decay.factor < 1 and decaying is not None:
        yield Decay(config.decay, decaying.first_code(n))
    mixed = columns.column(config.calibration.column)
    if config.calibration.weight and isinstance(mixed, Words):
        yield Calibration(config.calibration, mixed, n)
    if config.mmr.weight or config.dpp.weight:
        likeness = Likeness(config.likeness, catalogue, columns, fusion)
        if config.mmr.weight:
            yield Mmr(config.mmr, likeness)
        if config.dpp.weight:
            yield Dpp(config.dpp, likeness)
