"""Slates from the champion's release and the live state, where no service is asked.

Nothing is left to chance, and nothing counts as shown: what is not shown has nothing to teach.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kinoloop.environment import Environment
    from kinoloop.release.slate import Slate
    from serving.asking import Asking, Wish
    from serving.in_service import InService


class FromRelease:
    """Answers as the service would.

    Args:
        current: The champion.
        asking: Looks up what is known of a user.

    Attributes:
        current: The champion.
    """

    def __init__(self, current: "InService", asking: "Asking") -> None:
        self.current, self._asking = current, asking

    async def slate(self, pseudonym: str, wish: "Wish", *, moment: int | None = None) -> "Slate":
        """Make the slate of a user.

        Args:
            pseudonym: Of the user.
            wish: What is asked for.
            moment: When it is given, µs since the epoch; None: now.

        Raises:
            ConfigError: No video has a column to filter by.
        """
        from serving.slates import slate_of

        asked, _, trace = await self._asking.of(pseudonym, self.current, wish)
        asked = asked._replace(draw=None, moment=asked.moment if moment is None else moment)
        return slate_of(self.current.release, asked, trace=trace)


@contextmanager
def opened(environment: "Environment") -> Iterator[FromRelease]:
    """Open the champion's release and the live state.

    Raises:
        RegistryError: Nothing was promoted yet, or the registry is away.
        BundleError: The release is damaged.
    """
    from kinoloop.policy.config import PolicyConfig
    from kinoloop.settings import read_section
    from serving.asking import Asking
    from serving.fatigue import Fatigue
    from serving.reading import Reading
    from serving.startup import open_champion
    from serving.state import open_state

    current = open_champion(environment)
    policy = read_section("policy", PolicyConfig, environment.settings_file)
    state = open_state(environment)
    try:
        asking = Asking.by_settings(
            environment, state, fatigue=Fatigue(state, policy), reading=Reading(state)
        )
        yield FromRelease(current, asking)
    finally:
        state.shut()
