"""Promote: the challenger becomes champion if it proves better, and passes the gates."""

from typing import Any, TypedDict

from prefect import flow, get_run_logger

from kinoloop.environment import Environment
from tasks.failures import explain_failure
from tasks.promotion import (
    find_challenge,
    known_refusals,
    move_champion,
    one_promotion,
    record_decision,
    weigh,
)
from tasks.pruning import prune_releases


class PromoteSummary(TypedDict):
    """What became of the challenger.

    Attributes:
        outcome: `promoted`, `refused` or `nothing to do`.
        version: Of the challenger; None where none waits.
        decision: Its record, `Decision` as JSON; None where nothing was weighed.
        refused_by: A sentence for each gate that refuses, also where it did so before.
    """

    outcome: str
    version: str | None
    decision: dict[str, Any] | None
    refused_by: list[str]


@flow(name="promote", on_failure=[explain_failure], on_crashed=[explain_failure])
def promote(*, force: bool = False) -> PromoteSummary:
    """Weigh the challenger against the champion and promote or refuse it.

    Args:
        force: Weigh again even where nothing changed since the challenger was refused.

    Returns:
        `outcome` (`promoted`, `refused` or `nothing to do`), `version`, the `decision`, and
        `refused_by`: a sentence for each gate that refuses, also where it did so before.

    Raises:
        RegistryError: MLflow is away, or an alias moved meanwhile.
        BundleError: A release is damaged.
    """
    environment, logger = Environment(), get_run_logger()
    with one_promotion(environment):
        challenge = find_challenge(environment)
        if challenge is None:
            logger.info("no challenger waits; `kinoloop retrain` makes one")
            return {"outcome": "nothing to do", "version": None, "decision": None, "refused_by": []}
        version, known = challenge.challenger.version, known_refusals(challenge)
        if known and not force:
            for refusal in known:
                logger.warning("version %s was refused before by %s", version, refusal)
            return {
                "outcome": "nothing to do",
                "version": version,
                "decision": None,
                "refused_by": known,
            }
        decision = weigh(challenge)
        record_decision(challenge, decision)  # first: no champion is without its record
        if decision.promoted:
            move_champion(challenge)
        prune_releases(environment)
    outcome = "promoted" if decision.promoted else "refused"
    logger.info("version %s is %s", version, outcome)
    for refusal in decision.refusals:
        logger.warning("version %s was refused by %s", version, refusal)
    return {
        "outcome": outcome,
        "version": version,
        "decision": decision.model_dump(mode="json"),
        "refused_by": decision.refusals,
    }
