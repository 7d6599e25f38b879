"""One answer of `/recommend`: for a single request, and for each user of a batch."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kinoloop.policy.filters import Filters
from kinoloop.schema import NARROWED
from serving.answers import Asker
from serving.asking import Asking, Wish
from serving.lineage import Pages
from serving.records import Records
from serving.slates import slate_of

if TYPE_CHECKING:
    from serving.in_service import InService


class Recommending:
    """Makes slates for users.

    Args:
        required: Gives the release in service; raises where there is none or no such filter.
        pseudonym: Of a user id.
        asking: Looks up what is known of a user.
        records: What is remembered of answers.
        budget_ms: How long a slate may take; see `slate_of`.
    """

    def __init__(
        self,
        required: "Callable[[Filters], InService]",
        pseudonym: Callable[[str], str],
        *,
        asking: Asking,
        records: Records,
        budget_ms: float,
    ) -> None:
        self._required, self._pseudonym = required, pseudonym
        self._asking, self._records, self._budget_ms = asking, records, budget_ms

    async def to(
        self, user_id: str, wish: Wish, asker: Asker, *, cursor: str | None = None
    ) -> dict[str, Any]:
        """Recommend to a user; returns the body of the answer.

        Args:
            user_id: As the client said it.
            wish: Of the client.
            asker: From where; who it is, is filled in here.
            cursor: The page before, where this is a further one.

        Raises:
            Problem: Nothing is in service, no video has the column of a filter, or no such page is
                on record, or it is the last one.
        """
        current = self._required(wish.filters)
        earlier = self._records.shown_before(cursor)
        if earlier.videos:
            wish = wish._replace(before=earlier.videos)
        user = self._pseudonym(user_id)
        asked, chance, trace = await self._asking.of(user, current, wish)
        slate = slate_of(current.release, asked, budget_ms=self._budget_ms, trace=trace)
        policy = chance.policy + NARROWED if wish.narrowed else chance.policy
        asker = asker._replace(pseudonym=user, policy=policy, arm=chance.arm)
        give = self._records.answers.give
        body = give("recommend", current, slate, asker, asked=asked, cursor=cursor)
        shown = Pages([*earlier.videos, *(p.video_id for p in slate)], earlier.number + 1)
        if shown.last:
            body.pop("cursor", None)
        self._records.keep_page(body.get("cursor"), shown)
        return body
