"""Results of a retrain on their way to MLflow: a folder that holds all that is to be told.

Every retrain leaves its results here first and tells MLflow from here, so that there is one way
whether MLflow is there or not. What could not be told waits for the next retrain. Told twice, it is
there once: runs are found by their key, metrics carry the time of the spool, bundles their digest.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from kinoloop import durable
from kinoloop.environment import Environment
from kinoloop.settings import FrozenRecord
from kinoloop.training.outcome import Outcome, choose

FILE = "spool.json"
BUNDLE = "bundle"


class Spool(FrozenRecord):
    """What is to be logged to MLflow of one retrain.

    Attributes:
        key: Identity of the work; runs are found by it.
        params: Of every run, such as the seed.
        tags: Of every run, such as the dataset version.
        outcomes: What each candidate achieved.
        failed: Reason by candidate that failed.
        ranker: What the ranker achieved; empty where there is none.
        start: Why no candidate could go on from the champion; "" where some could.
        made_at: When the results were complete.
    """

    key: str
    params: dict[str, Any]
    tags: dict[str, str]
    outcomes: list[Outcome]
    failed: dict[str, str] = Field(default_factory=dict)
    ranker: dict[str, float] = Field(default_factory=dict)
    start: str = ""
    made_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def winner(self) -> Outcome:
        """The candidate that is released."""
        return choose(self.outcomes)

    @property
    def at_ms(self) -> int:
        """`made_at`, milliseconds since the epoch."""
        return int(self.made_at.timestamp() * 1000)


def write_spool(folder: Path, spool: Spool) -> None:
    """Say that a folder holds everything; the last step of a retrain that needs no MLflow.

    One that was there keeps its time, under which a part of it may have been told.
    """
    if (folder / FILE).exists():
        spool = spool.model_copy(update={"made_at": read_spool(folder).made_at})
    durable.write_text(folder / FILE, spool.model_dump_json())


def read_spool(folder: Path) -> Spool:
    """Read what `write_spool` wrote."""
    return Spool.model_validate_json((folder / FILE).read_bytes())


def waiting(environment: Environment) -> list[Path]:
    """Folders that MLflow was not told of yet, oldest first."""
    found = (environment.state_dir / "retrain").glob(f"[!.]*/{FILE}")
    return sorted((path.parent for path in found), key=lambda folder: read_spool(folder).made_at)
