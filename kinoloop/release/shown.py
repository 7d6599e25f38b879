"""What may stand in a slate: the one mask that recommend, similar and search put on their scores.

Hidden are what was asked to be, what shows the same as that, and what may not be shown now; and of
those that show the same, all but the best.
"""

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue
from kinoloop.release.availability import Availability
from kinoloop.release.near_duplicates import NearDuplicates


class Shown:
    """Hides, in scores, what must not be shown.

    Args:
        catalogue: The videos.

    Attributes:
        availability: When each video may be shown.
        groups: Which videos show the same.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        groups = catalogue.videos.get_column("group_id", default=None)
        self.groups = NearDuplicates([] if groups is None else groups.to_list())
        self.availability = Availability(catalogue)

    def hide(
        self,
        scores: NDArray[np.float32],
        hidden: NDArray[np.integer],
        closed: NDArray[np.integer],
    ) -> None:
        """Hide in place.

        Args:
            scores: (n_videos,).
            hidden: Positions that must not appear, nor what shows the same.
            closed: Positions that must not appear, whatever shows the same: what
                `availability.closed` gives for the moment of the answer.
        """
        scores[hidden] = -np.inf
        scores[self.groups.of(hidden)] = -np.inf
        scores[closed] = -np.inf
        self.groups.keep_best(scores)
