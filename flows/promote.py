"""Promote: the challenger becomes champion if it proves better, and passes the gates."""

from prefect import flow, get_run_logger

from kinoloop.environment import Environment
from tasks.failures import explain_failure
from tasks.promotion import (
    REFUSED,
    find_contenders,
    move_champion,
    one_promotion,
    prune_cache,
    record_decision,
    weigh,
)


@flow(name="promote", on_failure=[explain_failure], on_crashed=[explain_failure])
def promote(*, force: bool = False) -> dict[str, object]:
    """Weigh the challenger against the champion and promote or refuse it.

    Args:
        force: Weigh again even where nothing changed since the challenger was refused.

    Returns:
        `outcome` (`promoted`, `refused` or `nothing to do`), `version`, and the `decision`.

    Raises:
        RegistryError: MLflow is away, or an alias moved meanwhile.
        BundleError: A release is damaged.
    """
    environment, logger = Environment(), get_run_logger()
    with one_promotion(environment):
        contest = find_contenders(environment)
        if contest is None:
            logger.info("no challenger waits; `kinoloop retrain` makes one")
            return {"outcome": "nothing to do", "version": None, "decision": None}
        version = contest.challenger.version
        if contest.challenger.tags.get(REFUSED) == contest.evidence and not force:
            logger.info("version %s was refused on the same evidence", version)
            return {"outcome": "nothing to do", "version": version, "decision": None}
        decision = weigh(contest)
        if decision.promoted:
            move_champion(contest)
        record_decision(contest, decision)
        prune_cache(environment)
    outcome = "promoted" if decision.promoted else "refused"
    logger.info("version %s is %s", version, outcome)
    return {
        "outcome": outcome,
        "version": version,
        "decision": decision.model_dump(mode="json"),
    }
