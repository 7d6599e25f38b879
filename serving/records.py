"""What a worker remembers of its answers: where they come from, what they showed, and to whom."""

from contextlib import suppress
from pathlib import Path

from kinoloop.environment import Environment
from kinoloop.policy.config import PolicyConfig
from serving.answers import Answers
from serving.config import ServingConfig
from serving.fatigue import Fatigue
from serving.first_slates import FirstSlates
from serving.impressions import Impressions
from serving.inputs import Inputs, seal_of
from serving.lineage import MAX_PAGES, Lineage, Pages
from serving.problems import no_more_pages, unknown_page
from serving.state import STATE_ERRORS, LiveState


class Records:
    """The records of one worker, and what gives answers by them.

    Args:
        folder: Of the service's own files.
        environment: Where impressions go, and whose key seals words.
        state: What the workers share.
        config: How much is kept, and for how long.
        policy: How what was shown counts.
    """

    def __init__(
        self,
        folder: Path,
        environment: Environment,
        state: LiveState,
        *,
        config: ServingConfig,
        policy: PolicyConfig,
    ) -> None:
        self.lineage = Lineage(
            folder / "lineage", max_days=config.lineage_days, max_bytes=config.lineage_mb * 2**20
        )
        self.inputs = Inputs(folder / "lineage", seal_of(environment))
        self.impressions = Impressions(
            folder / "impressions",
            environment.landing,
            max_answers=config.impressions_queue,
            max_bytes=config.impressions_mb * 2**20,
            max_rows=config.impressions_rows,
        )
        self._state = state
        self.first_slates = FirstSlates(state)
        self.fatigue = Fatigue(state, policy, self.impressions)
        shown = self.impressions if config.impressions else None
        self.answers = Answers(self.lineage, self.inputs, shown, self.first_slates)

    def shown_before(self, cursor: str | None) -> Pages:
        """Return a page with those before it; none without a cursor.

        Raises:
            Problem: No such page is on record, or none comes after it.
        """
        if cursor is None:
            return Pages([], 0)
        earlier = self.lineage.pages_to(cursor)
        if earlier is None:
            earlier = self._state.page(cursor)
        if earlier is None:
            raise unknown_page(cursor)
        if earlier.last:
            raise no_more_pages(cursor, MAX_PAGES)
        return earlier

    def keep_page(self, cursor: str | None, pages: Pages) -> None:
        """Let the next page be made anywhere; only here where the live state takes nothing.

        The answer is on record as shown by now, so it is given.

        Args:
            cursor: Of this page; None where no other comes.
            pages: It and those before it.
        """
        if cursor is not None:
            with suppress(*STATE_ERRORS):  # the store says why in the log
                self._state.keep_page(cursor, pages)

    def flush(self) -> None:
        """Hand what was shown, and what answers were made from, to the operating system."""
        self.impressions.flush()
        self.inputs.flush()
