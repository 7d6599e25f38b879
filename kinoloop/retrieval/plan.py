"""How an index is searched, by how many videos a filter leaves: what measuring it has found."""

from kinoloop.settings import FrozenRecord

SHARES = (1.0, 0.7, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Shares of the videos that filters leave, for which an index is measured."""

AT = 100
"""Best videos of which a search must find the most."""

TIMES = 4
"""Times as many are taken by their codes as are asked for, and scored again in full."""


class Level(FrozenRecord):
    """What was found where a filter leaves some share of the videos.

    Attributes:
        share: Of the videos, those that are left.
        probes: Lists that are searched, of those that have any such video; 0: no list, what is left
            is scored in full.
        recall: Share of the best `AT` that are found where what is left is spread over all videos.
        recall_near: Likewise where it is a region, such as a category that the query is not about.
    """

    share: float
    probes: int
    recall: float
    recall_near: float

    @property
    def lowest(self) -> float:
        """The lower recall of both."""
        return min(self.recall, self.recall_near)


class Plan(FrozenRecord):
    """How one index is searched.

    Attributes:
        videos: In the index.
        built: Videos that there were when its lists were made.
        probes: Of the first level when its lists were made.
        levels: Shares from high to low.
        unmeasured: Videos that came or changed since that was measured.
    """

    videos: int
    built: int
    probes: int
    levels: tuple[Level, ...]
    unmeasured: int = 0

    def level(self, share: float) -> Level:
        """Return what was measured with as few videos, or fewer.

        Examples:
            >>> levels = [Level(share=s, probes=p, recall=1, recall_near=1)
            ...           for s, p in ((1.0, 4), (0.1, 9), (0.01, 0))]
            >>> plan = Plan(videos=9, built=9, probes=4, levels=tuple(levels))
            >>> [plan.level(share).probes for share in (1.0, 0.5, 0.1, 0.02, 0.0001)]
            [4, 9, 9, 0, 0]
        """
        exact = Level(share=0, probes=0, recall=1, recall_near=1)
        return next((one for one in self.levels if one.share <= share), exact)
