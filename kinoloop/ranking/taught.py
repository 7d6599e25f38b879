"""Which outcomes a ranker learns beside its label, and how they are calibrated."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.exposures import Exposures
from kinoloop.models.base import State
from kinoloop.ranking.calibrate import fit_calibration
from kinoloop.ranking.config import OUTCOMES, RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.features import durations_of
from kinoloop.ranking.labels import outcomes, view_quantiles

logger = logging.getLogger(__name__)

LEAST = 20
"""Times that an outcome has happened, and has not, in each window, so that it is learned."""


class Taught(NamedTuple):
    """What came of exposures, as far as it is learned.

    Attributes:
        codes: (O − 1,) uint8, positions in `OUTCOMES`.
        happened: (n, O − 1) whether it came of each exposure.
    """

    codes: NDArray[np.uint8]
    happened: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        config: RankerConfig,
        data: RankerData,
        exposures: Exposures,
        catalogue: Catalogue,
        *,
        windows: Sequence[NDArray[np.intp]],
    ) -> "Taught | None":
        """Look up what came of exposures; None where the label alone is learned.

        Args:
            config: Settings.
            data: Exposures and where they are cut.
            exposures: Of `labelled`.
            catalogue: All videos.
            windows: Rows of what is learned from, and of what calibrates.
        """
        if config.value.order != "value":
            return None
        durations = durations_of(catalogue)
        earlier = data.exposures.select(data.exposures.timestamps < data.validation_from)
        quantiles = view_quantiles(earlier, durations)
        happened = outcomes(exposures, durations, config.label, quantiles)
        enough = np.ones(len(OUTCOMES), dtype=np.bool_)
        for rows in windows:
            times = happened[rows].sum(axis=0)
            enough &= np.minimum(times, len(rows) - times) >= LEAST
        rare = [name for name, often in zip(OUTCOMES, enough, strict=True) if not often]
        if rare:
            logger.warning("ranker: too rare to learn, counted as never: %s", ", ".join(rare))
        if not enough.any():
            return None
        return cls(np.flatnonzero(enough).astype(np.uint8), happened[:, enough])

    def calibrated(self, logits: NDArray[np.float64], rows: NDArray[np.intp]) -> State:
        """Arrays that a ranker needs of its outcomes.

        Args:
            logits: (n_rows, O − 1) of the validation window.
            rows: Of that window.
        """
        came = self.happened[rows]
        fits = [
            fit_calibration(logits[:, at], came[:, at], "temperature")["calibration"]
            for at in range(len(self.codes))
        ]
        return {"outcomes": self.codes, "outcome_calibration": np.stack(fits)}

    def came(self, rows: NDArray[np.intp]) -> dict[str, NDArray[np.bool_]]:
        """Whether each outcome came of some exposures, by name."""
        columns = zip(self.codes.tolist(), self.happened[rows].T, strict=True)
        return {OUTCOMES[code]: column for code, column in columns}
