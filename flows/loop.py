"""Loop: everything once, in order, for a batch that has just arrived and for a first day."""

from prefect import flow, get_run_logger

from flows.drift import drift
from flows.extract import extract
from flows.ingest import ingest
from flows.promote import promote
from flows.publish import publish
from flows.retrain import retrain
from kinoloop.environment import Environment
from kinoloop.errors import DataError
from tasks.failures import explain_failure
from tasks.loop import NO_CHAMPION, reason_to_retrain, report_loop
from tasks.results import LoopSummary, RetrainSummary


@flow(name="loop", on_failure=[explain_failure], on_crashed=[explain_failure])
def loop(*, always_retrain: bool = False) -> LoopSummary:
    """Ingest, extract, publish, look for drift, retrain where due, promote what proves better.

    Each step does only what is missing, so that a loop over nothing new changes nothing.

    Args:
        always_retrain: Train without a reason, too, such as after a change of settings; data and
            settings that were trained on are not trained on again.

    Raises:
        BatchError: Ingest refused a batch; nothing was changed, and no later flow ran.
        DataError: There is too little data to train the first champion on.
        RegistryError: MLflow is away.
    """
    environment, logger = Environment(), get_run_logger()
    ingested, extracted, published, drifted = ingest(), extract(), publish(), drift(trigger=False)
    reason = reason_to_retrain(environment, drift_fired=drifted.fired)
    if always_retrain:
        reason = "it was asked for"
    logger.info("retrain: %s", reason or "not due, the champion was made with this data")
    done = LoopSummary(
        ingest=ingested,
        extract=extracted,
        publish=published,
        drift=drifted,
        retrain=_retrain(must=reason == NO_CHAMPION) if reason else None,
        promote=promote(),
    )
    report_loop(done, reason)
    return done


def _retrain(*, must: bool) -> RetrainSummary:
    """Retrain; too little new data to prove anything is a failure only without a champion."""
    try:
        return retrain()
    except DataError as err:
        if must:
            raise
        get_run_logger().warning("retrain is put off, the champion stays: %s", err)
        return RetrainSummary(outcome="put off, too little new data")
