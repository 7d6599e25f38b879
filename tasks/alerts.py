"""Task after labelling: tell webhooks and Prefect what occurs in videos."""

import sqlite3

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from kinoloop.alerts.config import AlertsConfig
from kinoloop.alerts.outbox import Alert, AlertOutbox
from kinoloop.alerts.send import AlertReport, raise_alerts, tell
from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.settings import read_section

OUTBOX = "alerts.db"


@task(name="send alerts", cache_policy=NO_CACHE)
def send_alerts(environment: Environment) -> AlertReport:
    """Raise the alerts of `[alerts]` and tell those that wait; never fails the flow for it.

    Returns:
        What was done; zeros where no alert is set.
    """
    config = read_section("alerts", AlertsConfig, environment.settings_file)
    if not config.rules:
        return AlertReport()
    try:
        outbox = AlertOutbox(environment.private_state() / OUTBOX)
        raised = raise_alerts(Tables(environment.data_dir), config, outbox)
        told = tell(config, outbox, _emit)
    except (sqlite3.Error, OSError) as err:
        get_run_logger().warning("alerts wait for the next run: %s", err)
        return AlertReport()
    return AlertReport(raised=raised, sent=told.sent, failed=told.failed)


def _emit(alert: Alert) -> None:
    """Make a Prefect event of an alert, with its key, so that an automation can act on it."""
    emit_event(
        "kinoloop.alert",
        resource={"prefect.resource.id": f"kinoloop.alert.{alert.key}"},
        payload={"alert": alert.body},
    )
