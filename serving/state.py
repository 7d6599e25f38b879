"""What users did since the champion was trained, and what else all workers share: by its address.

One interface, two stores with the same promises (tests/serving run on both): SQLite for one machine
(serving/sqlite_state.py), Redis or Valkey for several (serving/redis_state.py). An acknowledged
event counts in the very next request of every worker, wherever that runs.

Users are pseudonyms here; what only the landing zone needs (the raw user id, what was written or
searched) lives in the outbox and goes with the export (serving/outbox.py). What was shown or
searched says nothing about one video: it is kept, so that it reaches the landing zone once, and
never read as history.
"""

import hashlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kinoloop.environment import Environment
from kinoloop.errors import ConfigError, StateError
from kinoloop.extras import explained
from kinoloop.redaction import shown_address
from kinoloop.release.availability import Window
from serving.live_event import LiveEvent, Parcel

if TYPE_CHECKING:
    from serving.lineage import Pages
    from serving.sayings import Said
    from serving.unread import Unread
    from serving.written import Line

STATE_ERRORS: Final = (sqlite3.Error, StateError)
"""What a store raises that cannot be read or written now."""
_SQLITE: Final = "sqlite:///"
_SERVERS: Final = {"redis", "rediss", "unix", "valkey", "valkeys"}
NOBODY: Final[Mapping[str, str]] = {}


class People(ABC):
    """What is known of people."""

    @abstractmethod
    def ids_of(self, user: str) -> list[str]:
        """All pseudonyms of the person that a pseudonym is: the person's own first."""

    @abstractmethod
    def said_by(self, users: Sequence[str]) -> "list[Said]":
        """List what the ids of a person took back and are not interested in, in no order."""

    @abstractmethod
    def videos_of(self, user: str) -> dict[str, int]:
        """Every video that a pseudonym did something with, and when first (µs), in no order."""

    @abstractmethod
    def events_of(self, user: str, *, at_most: int) -> list[LiveEvent] | None:
        """All that a pseudonym did, in no order, impressions left out; None where it is more."""

    @abstractmethod
    def events_with(self, user: str, video_ids: Sequence[str]) -> list[LiveEvent]:
        """Return what a pseudonym did with some videos, in no order and without impressions."""

    @abstractmethod
    def newest_written(self, users: Sequence[str], space: str) -> "list[Line]":
        """Return the newest texts of the ids of a person, newest first."""

    @abstractmethod
    def unread_of(self, users: Sequence[str], space: str) -> "list[Unread]":
        """Return the texts of the ids of a person that wait to be read, newest first."""

    @abstractmethod
    def shown_often(self, user: str, *, times: int, since: int) -> list[str]:
        """Videos that the person was shown at least `times`, and last after `since` (µs)."""

    @abstractmethod
    def reached(self, user: str, *, times: int, since_hour: int) -> list[str]:
        """Videos that a user, or `shown.ALL`, was shown at least `times` since an hour."""


class LiveState(People):
    """The store; one object may be used from many threads. All raise `STATE_ERRORS`."""

    def about(self, user: str) -> People:  # noqa: ARG002 (a store far away asks once for all)
        """Return what answers the questions of one request about the person that a pseudonym is."""
        return self

    def not_promised(self) -> list[str]:
        """Say what of an acknowledged event's safety the store's own settings leave open."""
        return []

    # what users did

    @abstractmethod
    def record(
        self,
        events: Sequence[LiveEvent],
        parcels: Sequence[Parcel],
        persons: Mapping[str, str] = NOBODY,
        texts: "Sequence[Unread]" = (),
    ) -> int:
        """Keep events and put them in the outbox, all or none; safe when it returns.

        Args:
            events: What happened.
            parcels: What else the landing zone gets of each.
            persons: Pseudonym of each raw `person_id`.
            texts: What some of the events say, to be read later.

        Returns:
            How many were new; an event that is known already is kept once.
        """

    # what users wrote

    @abstractmethod
    def keep_written(self, lines: "Sequence[Line]") -> None:
        """Keep what searches and comments said, and wait for them no more."""

    @abstractmethod
    def unread_longest(self, space: str, *, at_most: int) -> "list[Unread]":
        """Return the texts of a space that have waited longest."""

    @abstractmethod
    def unread_left_over(self, space: str) -> "list[Unread]":
        """Return texts that wait for another space and that no release in service will read."""

    @abstractmethod
    def erase_unread(self, texts: "Sequence[Unread]") -> None:
        """Erase texts that were read, or never will be."""

    # what was shown

    @abstractmethod
    def remember_shown(self, places: Sequence[tuple[str, str, int]], *, within_s: float) -> None:
        """Count what pseudonyms were shown: pseudonym, video, µs of each place.

        What was not shown for `within_s` starts over.
        """

    @abstractmethod
    def count_hourly(self, counts: Iterable[tuple[str, str, int, int]]) -> None:
        """Add counts for caps: user or `shown.ALL`, video, hour since the epoch, how often."""

    def keep_page(self, request_id: str, pages: "Pages") -> None:
        """Let machines that share no files know a page and those before it."""

    def page(self, request_id: str) -> "Pages | None":  # noqa: ARG002 (likewise)
        """Return a page and those before it; None where no other machine says it."""
        return None

    # what is known of videos

    @abstractmethod
    def availability(self) -> dict[str, Window]:
        """Read what operators said of videos, by external id."""

    @abstractmethod
    def availability_version(self) -> int:
        """Another number than before, seen from this thread, where somebody said something."""

    @abstractmethod
    def say_availability(
        self, video_id: str, change: Callable[[Window | None], Window], *, at: int
    ) -> Window:
        """Change what is said of a video, as one step.

        Args:
            video_id: External id.
            change: From what was said (None: nothing) to what is to hold; it may be called again.
            at: µs since the epoch.

        Returns:
            What holds.
        """

    @abstractmethod
    def settle_availability(self, agreed: Mapping[str, Window]) -> None:
        """Drop what was said of videos, where it is still this."""

    @abstractmethod
    def first_slate(self, video_id: str, at: int, seconds: float) -> bool:
        """Note when a video was first shown, and so long after it landed; whether it is new."""

    @abstractmethod
    def newest_first_slates(self, at_most: int) -> list[float]:
        """Seconds from landing to first slate of the newest uploads, newest first."""

    # on the way to the landing zone

    @abstractmethod
    def pending(self) -> int:
        """How many events wait in the outbox."""

    @abstractmethod
    def claim(self, max_rows: int) -> str | None:
        """Name the next batch: one that a crash left, else the oldest rows; None without any."""

    @abstractmethod
    def batch(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a claimed batch, oldest first, named as in the landing zone.

        None are left where all were erased, or another has finished it.
        """

    @abstractmethod
    def finish(self, name: str) -> None:
        """Take a batch out of the outbox; nothing where another did."""

    @abstractmethod
    def alone(self, work: str) -> AbstractContextManager[bool]:
        """Enter a work that one process does at a time; whether this is the one.

        A claim ends with the process that made it, or some seconds later.
        """

    # what goes

    @abstractmethod
    def forget_before(self, timestamp: int) -> int:
        """Delete events older than `timestamp` (µs) that have left the outbox; how many."""

    @abstractmethod
    def forget_shown(self, before: int) -> None:
        """Forget what was last shown before a time (µs)."""

    @abstractmethod
    def forget_hours(self, *, before: int, of_all: bool) -> None:
        """Forget hourly counts of before an hour: those of `shown.ALL`, or of all users."""

    @abstractmethod
    def forget_user(self, user: str) -> int:
        """Erase a pseudonym, exported or not; how many events."""

    @abstractmethod
    def wipe(self) -> None:
        """Overwrite what was deleted, as far as the store can."""

    @abstractmethod
    def close(self) -> None:
        """Give back what this thread holds."""

    @abstractmethod
    def shut(self) -> None:
        """Give back what all threads hold, which use it no more."""


def open_state(environment: Environment, *, hurried: bool = False) -> LiveState:
    """Open the live state that the environment names; SQLite in the state folder by default.

    Args:
        environment: Of the installation.
        hurried: Whether an event loop waits, as in the service: a slow server counts as away.

    Raises:
        ConfigError: The address is none, or its folder is open to others.
        StateError: The server cannot be reached.
    """
    address = check_address(environment)
    if address and not address.startswith(_SQLITE):
        from serving.redis_state import opened

        return opened(address, environment, hurried=hurried)
    from serving.sqlite_state import SqliteState

    path = Path(address.removeprefix(_SQLITE)) if address else None
    return SqliteState(path or environment.state_dir / "serving" / "live.db")


def check_address(environment: Environment) -> str:
    """Return the address of the live state, "" for SQLite in the state folder; ask nobody there.

    Raises:
        ConfigError: The address is none, or its folder is open to others.
    """
    given = environment.state_url
    address = "" if given is None else given.get_secret_value()
    if address.startswith(_SQLITE):
        path = Path(address.removeprefix(_SQLITE))
        if path.parent.exists() and path.parent.stat().st_mode & 0o077:  # it would be closed
            raise ConfigError(
                f"KINOLOOP_STATE_URL: others can look into {path.parent}; name a folder of its own "
                f"for the live state, or chmod 700 {path.parent}"
            )
    elif address.partition(":")[0] in _SERVERS:
        with explained("KINOLOOP_STATE_URL", instead="leave it unset for SQLite"):
            from serving.redis_client import clients
        clients(address)
    elif address:
        raise ConfigError(
            f"KINOLOOP_STATE_URL is {shown_address(address)!r}; expected sqlite:///path, "
            "redis://host:port/0, rediss:// (TLS), valkey://, valkeys:// or unix://path"
        )
    return address


def batch_name(event_ids: Sequence[str]) -> str:
    """Name a batch by content: the same events give the same name, on any machine."""
    digest = hashlib.sha256("".join(event_ids).encode()).hexdigest()[:24]
    return f"feedback-{digest}"
