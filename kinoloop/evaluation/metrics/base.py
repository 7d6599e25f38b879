"""What an accuracy metric is: a function from the ranks of the targets to a value per row.

    @METRICS.register("ndcg")
    def ndcg(ranks: Ranks, *, k: int) -> NDArray[np.float64]: ...

`evaluate` measures those that it is told; other packages bring theirs by an entry point of the
group `kinoloop.metrics`.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kinoloop.evaluation.ranks import Ranks
from kinoloop.plugins import Plugins

ACCURACY = ("ndcg", "recall", "hr", "mrr", "map")
"""What is measured where nobody says otherwise; the first one decides."""


class Metric(Protocol):
    """Measures each row by where its targets stand."""

    def __call__(self, ranks: Ranks, *, k: int) -> NDArray[np.float64]:
        """Value of each row, (n_rows,); higher is better.

        Args:
            ranks: Of the targets.
            k: Cut-off.
        """


METRICS: Plugins[Metric] = Plugins(
    "kinoloop.evaluation.metrics", "metric", group="kinoloop.metrics"
)


def metrics_of(names: Sequence[str]) -> dict[str, Metric]:
    """Return the metrics of these names.

    Raises:
        ConfigError: There is none of a name.
    """
    return {name: METRICS.get(name) for name in names}
