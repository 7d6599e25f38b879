"""From what a client wishes to all that a slate of `/recommend` is made from."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kinoloop.data.interest import InterestConfig
from kinoloop.data.situations import Situation, situation_of
from kinoloop.environment import Environment
from kinoloop.policy.config import PolicyConfig
from kinoloop.policy.filters import Filters
from kinoloop.policy.trace import Trace
from kinoloop.release.availability import now
from kinoloop.settings import read_section
from serving.config import ServingConfig
from serving.explaining import traced
from serving.exploring import Chance, chance_of
from serving.fatigue import NONE, Fatigue
from serving.history import blocked_of, past_of, past_of_videos
from serving.reading import Reading
from serving.slates import Asked
from serving.state import LiveState
from serving.written import written_by

if TYPE_CHECKING:
    from serving.in_service import InService


class Wish(NamedTuple):
    """What a client asks for.

    Attributes:
        top_k: How many videos.
        history: Ids that the user watched, oldest first; None reads what is on record.
        exclude: Ids that must not appear.
        include_seen: Whether watched videos may appear again.
        situation: Where the slate is shown.
        filters: Which videos may be there at all.
        explain: Whether to tell how the slate comes about.
        before: Ids of the pages before this one, in their order; none of them appears again.
    """

    top_k: int
    history: Sequence[str] | None
    exclude: Sequence[str]
    include_seen: bool
    situation: Situation
    filters: Filters
    explain: bool = False
    before: Sequence[str] = ()

    @property
    def narrowed(self) -> bool:
        """Whether it leaves out videos, or brings a history of its own."""
        return bool(
            self.filters
            or self.exclude
            or self.before
            or self.include_seen
            or self.history is not None
        )


class Asking:
    """Looks up what is known of a user.

    Args:
        state: What happened since the release was made.
        fatigue: What was shown to whom.
        reading: What users wrote a moment ago.
        interest: How events count.
        policy: Of slates.
        history_length: Newest videos that are read.
    """

    def __init__(
        self,
        state: LiveState,
        fatigue: Fatigue,
        *,
        reading: Reading,
        interest: InterestConfig,
        policy: PolicyConfig,
        history_length: int,
    ) -> None:
        self._state, self._fatigue, self._reading = state, fatigue, reading
        self._interest, self._policy, self._length = interest, policy, history_length

    @classmethod
    def by_settings(
        cls, environment: Environment, state: LiveState, *, fatigue: Fatigue, reading: Reading
    ) -> "Asking":
        """Make one as the settings have it.

        Args:
            environment: Whose settings.
            state: What happened since the release was made.
            fatigue: What was shown to whom.
            reading: What users wrote a moment ago.
        """
        settings = environment.settings_file
        return cls(
            state,
            fatigue,
            reading=reading,
            interest=read_section("interest", InterestConfig, settings),
            policy=read_section("policy", PolicyConfig, settings),
            history_length=read_section("serving", ServingConfig, settings).history_length,
        )

    def allowed(self, context: Mapping[str, Any] | None) -> dict[str, Filters]:
        """Which videos somebody may see at all, by the rule that says so."""
        return self._policy.allowed(situation_of(context=context))

    async def of(
        self, user: str, current: "InService", wish: Wish
    ) -> tuple[Asked, Chance, Trace | None]:
        """Return what the slate is made from, what of it is left to chance, and what explains it.

        Args:
            user: Pseudonym.
            current: The release that answers.
            wish: Of the client.
        """
        ids, people = current.release.catalogue.ids, self._state.about(user)
        if wish.history is not None:
            blocked = blocked_of(user, current, people)
            past, written = past_of_videos(wish.history, ids, blocked), []
        else:
            past = past_of(user, current, people, self._interest, limit=self._length)
            people = await self._reading.catch_up(user, current.release.texts, people=people)
            written = written_by(user, current, people, self._reading)
        chance = chance_of(self._policy, lambda: people.ids_of(user)[0])
        asked = Asked(
            past.history,
            NONE if wish.include_seen else past.seen,
            self._fatigue.cooling(user, ids, people=people),
            [*wish.exclude, *wish.before],
            wish.top_k,
            now(),
            written,
            wish.situation,
            wish.filters,
            chance.draw,
            current.overruled,
            past.blocked,
            self._fatigue.caps.reached(user, ids, people=people),
            self._policy.allowed(wish.situation),
            self._policy.rules,
            wish.before,
        )
        return asked, chance, traced(current.release, asked) if wish.explain else None
