"""Loop: everything once, in order, for a batch that has just arrived and for a first day."""

from typing import Any

from prefect import flow, get_run_logger

from flows.drift import drift
from flows.extract import extract
from flows.ingest import ingest
from flows.promote import promote
from flows.retrain import retrain
from kinoloop.environment import Environment
from kinoloop.errors import DataError
from tasks.failures import explain_failure
from tasks.loop import NO_CHAMPION, reason_to_retrain, report_loop


@flow(name="loop", on_failure=[explain_failure], on_crashed=[explain_failure])
def loop(*, always_retrain: bool = False) -> dict[str, Any]:
    """Ingest, extract, look for drift, retrain where it is due, promote what proves better.

    Each step does only what is missing, so that a loop over nothing new changes nothing.

    Args:
        always_retrain: Train without a reason, too, such as after a change of settings; data and
            settings that were trained on are not trained on again.

    Returns:
        What each flow returned, by its name; `retrain` is None where none was due.

    Raises:
        BatchError: Ingest refused a batch; nothing was changed, and no later flow ran.
        DataError: There is too little data to train the first champion on.
        RegistryError: MLflow is away.
    """
    environment, logger = Environment(), get_run_logger()
    done: dict[str, Any] = {"ingest": ingest(), "extract": extract()}
    done["drift"] = drift(trigger=False)
    reason = reason_to_retrain(environment, drift_fired=done["drift"]["fired"])
    if always_retrain:
        reason = "it was asked for"
    logger.info("retrain: %s", reason or "not due, the champion was made with this data")
    done["retrain"] = _retrain(must=reason == NO_CHAMPION) if reason else None
    done["promote"] = promote()
    report_loop(done, reason)
    return done


def _retrain(*, must: bool) -> dict[str, Any]:
    """Retrain; too little new data to prove anything is a failure only without a champion."""
    try:
        return retrain()
    except DataError as err:
        if must:
            raise
        get_run_logger().warning("retrain is put off, the champion stays: %s", err)
        return {"outcome": "put off, too little new data", "version": "", "candidate": ""}
