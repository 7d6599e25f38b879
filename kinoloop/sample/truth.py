"""How close a slate comes to the best possible one, given that the true tastes are known."""

from collections.abc import Collection, Sequence
from datetime import datetime

import numpy as np

from kinoloop.errors import DataError
from kinoloop.sample.world import World


class Truth:
    """The oracle of a simulated world.

    Args:
        world: What `build_world` gave.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._users = {user_id: index for index, user_id in enumerate(world.user_ids)}
        self._videos = {video.video_id: index for index, video in enumerate(world.videos)}

    def affinity(self, user_id: str, at: datetime) -> dict[str, float]:
        """Return the chance that a user enjoys each video that is out at a time.

        Args:
            user_id: Raw id, as in the landing zone.
            at: The moment, with a time zone.

        Raises:
            DataError: There is no such user.
        """
        if user_id not in self._users:
            raise DataError(
                f"no simulated user is called {user_id!r}; "
                f"the sample has {self._world.user_ids[0]} … {self._world.user_ids[-1]}"
            )
        day = (at - self._world.config.start).total_seconds() / 86_400
        chances = self._world.affinity(self._users[user_id], day)
        out = self._world.published <= day
        return {video: float(chances[i]) for video, i in self._videos.items() if out[i]}

    def oracle_slate(
        self, user_id: str, at: datetime, *, top_k: int, exclude: Collection[str] = ()
    ) -> list[str]:
        """Return the slate that nobody can beat: the videos of highest true affinity."""
        chances = self.affinity(user_id, at)
        allowed = [video for video in chances if video not in set(exclude)]
        return sorted(allowed, key=lambda video: (-chances[video], video))[:top_k]

    def closeness(
        self, user_id: str, slate: Sequence[str], at: datetime, *, exclude: Collection[str] = ()
    ) -> float:
        """Divide a slate's expected true affinity by that of the oracle's slate of equal length.

        A video that is repeated, excluded or not out yet counts as 0.

        Args:
            user_id: Raw id.
            slate: Video ids, best first.
            at: When the slate is shown.
            exclude: Videos that neither side may show, such as those already watched.

        Returns:
            A number in [0, 1]; 1 means that no slate would please more.

        Raises:
            DataError: The slate is empty or the user is unknown.
        """
        if not slate:
            raise DataError("an empty slate has no closeness; pass at least one video id")
        chances = self.affinity(user_id, at)
        banned = set(exclude)
        shown = [v for v in dict.fromkeys(slate) if v not in banned]
        best = self.oracle_slate(user_id, at, top_k=len(slate), exclude=exclude)
        reached = sum(chances.get(video, 0.0) for video in shown)
        possible = sum(chances[video] for video in best)
        return float(np.clip(reached / possible, 0, 1)) if possible else 0.0
