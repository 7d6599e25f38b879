"""Decisions, drift and quality over time, as the registry has them; read beside the requests.

Flows write them with the runs of versions, and a worker follows that registry anyway, so no other
server must be up. It is asked only while an operator looks, at most every `AGAIN_S` seconds, in a
thread that no request waits for longer than `PATIENCE_S`: a registry that is silent costs a view
its figures, and says so.
"""

import logging
import threading
import time
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYetError
from math import isfinite
from typing import Any, NamedTuple

from kinoloop.errors import RegistryError
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.records import Records
from serving.background import in_background
from serving.overview import (
    DecisionFacts,
    Decisions,
    Drift,
    DriftFacts,
    Quality,
    QualityPoint,
)

logger = logging.getLogger(__name__)

VERSIONS, PER_RUN, SHOWN = 25, 10, 25
"""Newest versions that are looked at, records of each, and how many are shown."""

PROMOTED = "promoted"
"""Tag of a version that became champion; tasks/promotion.py sets it."""

AGAIN_S, PATIENCE_S = 30.0, 5.0
COMPARED_BY = "ndcg@10"

NOT_YET = "the registry has not answered yet; look again in a while"
NO_REGISTRY = "this service serves one bundle (KINOLOOP_BUNDLE, or a Bento) and asks no registry"
NOTHING_DECIDED = "nothing was decided yet; `kinoloop promote` weighs a challenger"
NOTHING_LOOKED = (
    "no drift of these versions is on record; `kinoloop drift` looks for it (records from before "
    "this version of Kinoloop are HTML reports only)"
)


class Seen(NamedTuple):
    """What the registry has."""

    decisions: Decisions
    quality: Quality
    drift: Drift


class OnRecord:
    """Reads what the registry has.

    Args:
        tracking_uri: Of the registry; None where there is none to ask.
    """

    def __init__(self, tracking_uri: str | None) -> None:
        self._records = None if tracking_uri is None else Records(ModelRegistry(tracking_uri))
        self._seen = unknown(NO_REGISTRY if tracking_uri is None else NOT_YET)
        self._read: Future[Seen] | None = None
        self._next = 0.0
        self._lock = threading.Lock()

    def look(self) -> Seen:
        """Return what the registry has, or had when it last answered."""
        records = self._records
        if records is None:
            return self._seen
        with self._lock:
            if self._read is None and time.monotonic() >= self._next:
                self._read = in_background(lambda: _read(records))
            reading = self._read
        if reading is None:
            return self._seen
        try:
            seen = reading.result(PATIENCE_S)
        except NotYetError:
            return self._seen
        except RegistryError as err:
            seen = unknown(str(err))
        except Exception as err:
            logger.exception("what the registry has on record could not be read")
            seen = unknown(f"the records could not be read: {type(err).__name__}")
        with self._lock:
            if self._read is reading:
                self._seen, self._read = seen, None
                self._next = time.monotonic() + AGAIN_S
        return seen


def unknown(why: str) -> Seen:
    """Return nothing, and why."""
    return Seen(
        Decisions(decisions=[], unknown_because=why),
        Quality(points=[], unknown_because=why),
        Drift(reports=[], unknown_because=why),
    )


def _read(records: Records) -> Seen:
    versions = records.newest_versions(VERSIONS)
    runs = list(dict.fromkeys(one.run_id for one in versions))
    made = [one for run in runs for one in records.of(run, "decisions", _decision, most=PER_RUN)]
    waiting = {one.version for one in versions if PROMOTED not in one.tags}
    made = [one for one in made if not _in_vain(one[0], waiting)]
    looked = [one for run in runs for one in records.of(run, "drift", _drift, most=PER_RUN)]
    made.sort(key=lambda one: one[0].at, reverse=True)
    looked.sort(key=lambda one: one.created, reverse=True)
    points = [point for _, point in reversed(made[:SHOWN]) if point is not None]
    return Seen(
        Decisions(
            decisions=[decision for decision, _ in made[:SHOWN]],
            unknown_because=None if made else NOTHING_DECIDED,
        ),
        Quality(points=points, unknown_because=None if points else NOTHING_DECIDED),
        Drift(reports=looked[:SHOWN], unknown_because=None if looked else NOTHING_LOOKED),
    )


def _in_vain(decision: DecisionFacts, waiting: AbstractSet[str]) -> bool:
    """Whether a promotion was killed before it was carried out; the next one decides again."""
    return decision.outcome == "promoted" and decision.version in waiting


def _decision(document: object) -> tuple[DecisionFacts, QualityPoint | None]:
    """Understand the record of a promotion, a refusal or a rollback; `ValueError` where none is."""
    record = _object(document)
    if "restored" in record:
        facts = {"at": record.get("decided_at"), "outcome": "rolled back"}
        facts |= {"version": record["restored"], "champion": record.get("left")}
        return DecisionFacts.model_validate(facts), None
    challenger, champion = _part(record, "challenger"), _part(record, "champion")
    promoted = record.get("promoted") is True
    decision = DecisionFacts.model_validate(
        {
            "at": record.get("decided_at"),
            "outcome": "promoted" if promoted else "refused",
            "version": challenger.get("version"),
            "name": challenger.get("name") or challenger.get("kind", ""),
            "champion": champion.get("version"),
            "refusals": list(_refusals(record.get("gates"))),
            **{name: record[name] for name in ("way", "gain", "users", "notes") if name in record},
        }
    )
    return decision, _point(decision, challenger, champion, promoted=promoted)


def _point(
    decision: DecisionFacts,
    challenger: dict[str, Any],
    champion: dict[str, Any],
    *,
    promoted: bool,
) -> QualityPoint | None:
    mine, theirs = _quality(challenger), _quality(champion)
    ndcg, version = (mine, decision.version) if promoted else (theirs, decision.champion)
    if ndcg is None or version is None:
        return None
    return QualityPoint(
        at=decision.at,
        version=version,
        ndcg=ndcg,
        challenger=None if promoted else decision.version,
        challenger_ndcg=None if promoted else mine,
        users=decision.users,
    )


def _drift(document: object) -> DriftFacts:
    """Understand the record of a look for drift; `ValueError` where it is none."""
    record = _object(document)
    return DriftFacts.model_validate({**record, "version": record.get("champion")})


def _refusals(gates: object) -> Iterable[str]:
    for gate in gates if isinstance(gates, list) else ():
        if isinstance(gate, dict) and gate.get("passed") is False:
            asked = f"{gate.get('name')}: {gate.get('measured')}, required {gate.get('required')}"
            yield f"{asked}; next: {gate['next_step']}" if gate.get("next_step") else asked


def _object(document: object) -> dict[str, Any]:
    return document if isinstance(document, dict) else {}


def _part(record: dict[str, Any], name: str) -> dict[str, Any]:
    return _object(record.get(name))


def _quality(side: dict[str, Any]) -> float | None:
    value = _part(side, "metrics").get(COMPARED_BY)
    return float(value) if isinstance(value, int | float) and isfinite(value) else None
