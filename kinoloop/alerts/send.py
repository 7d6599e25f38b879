"""Raise alerts on what occurs in videos, and tell those that wait."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from kinoloop.alerts.config import AlertsConfig
from kinoloop.alerts.outbox import PREFECT, Alert, AlertOutbox
from kinoloop.data.tables import Tables
from kinoloop.errors import MediaError
from kinoloop.media.http import Connector, post
from kinoloop.privacy.addresses import redact

logger = logging.getLogger(__name__)

Emit = Callable[[Alert], None]

_TOLD = ("video_id", "facet", "label", "start_s", "end_s", "score", "evidence")


@dataclass(frozen=True)
class AlertReport:
    """What one run did.

    Attributes:
        raised: New alerts.
        sent: Alerts that their target took.
        failed: Alerts that it did not take; they are tried again, or given up.
    """

    raised: int = 0
    sent: int = 0
    failed: int = 0


def raise_alerts(tables: Tables, config: AlertsConfig, outbox: AlertOutbox) -> int:
    """Note an alert for each occurrence that a rule matches; returns how many are new."""
    if not config.rules:
        return 0
    names = {rule.label.lower() for rule in config.rules}
    lowered = pl.col("label").str.to_lowercase()
    named = pl.col("facet").str.to_lowercase() + ": " + lowered
    found = (
        tables.scan("occurrences")
        .explode("occurrences", empty_as_null=False)
        .unnest("occurrences")
        .filter(lowered.is_in(names) | named.is_in(names))
        .select(_TOLD)
        .sort("video_id", "start_s")
        .collect()
    )
    alerts = [
        Alert.of(target, row)
        for row in found.iter_rows(named=True)
        for rule in config.rules
        if rule.matches(row["facet"], row["label"], row["score"])
        for target in filter(None, (rule.webhook, PREFECT if rule.event else ""))
    ]
    return outbox.add(alerts)


def tell(config: AlertsConfig, outbox: AlertOutbox, emit: Emit) -> AlertReport:
    """Tell each alert that waits to its target, once; what fails waits for the next run.

    A webhook that fails is not asked again in this run: its other alerts wait too, untried.

    Args:
        config: Limits, and which addresses may be reached.
        outbox: The alerts.
        emit: Makes an event of an alert.
    """
    sent, failed, away = 0, 0, set[str]()
    allowed = {PREFECT, *(rule.webhook for rule in config.rules)}
    for alert in outbox.waiting(limit=config.per_run):
        if alert.target in away:
            continue
        if alert.target not in allowed:  # no rule names it any more
            outbox.note_failed(alert, "no rule names its target", tries=1)
            failed += 1
            continue
        try:
            if alert.target == PREFECT:
                emit(alert)
            else:
                _post(config, alert)
        except MediaError as err:
            logger.warning("alert to %s failed: %s", redact(alert.target), err)
            outbox.note_failed(alert, str(err), tries=config.tries)
            away.add(alert.target)
            failed += 1
        else:
            outbox.note_sent(alert)
            sent += 1
    return AlertReport(sent=sent, failed=failed)


def _post(config: AlertsConfig, alert: Alert) -> None:
    access = config.access(alert.target)
    connector = Connector(access, lambda _: None)
    headers = {"Content-Type": "application/json", "Idempotency-Key": alert.key}
    post(alert.target, alert.body.encode(), headers, access=access, connector=connector)
