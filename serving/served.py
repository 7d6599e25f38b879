"""What the routes that BentoML does not know ask of the service."""

from typing import TYPE_CHECKING, Any, Protocol

from serving.problems import Waiting
from serving.state import STATE_ERRORS
from serving.takedowns import Takedowns

if TYPE_CHECKING:
    from serving.in_service import InService


class Served(Protocol):
    """What the site asks of the service."""

    @property
    def waiting(self) -> Waiting:
        """Why there is no release in service, while there is none."""

    @property
    def in_service(self) -> "InService | None":
        """The release in service."""

    @property
    def takedowns(self) -> Takedowns:
        """What operators said of videos."""

    def lineage_of(self, request_id: str) -> dict[str, Any] | None:
        """Return what is known of an answer."""

    def upload_seconds(self) -> list[float]:
        """Seconds from landing to first slate of the newest uploads, newest first.

        Raises:
            STATE_ERRORS: The live state cannot be read now.
        """


def newest_uploads(served: Served) -> tuple[list[float], str | None]:
    """Return `upload_seconds`, or nothing and why it is not known."""
    try:
        return served.upload_seconds(), None
    except STATE_ERRORS as error:
        return [], str(error)
