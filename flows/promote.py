"""Promote: the challenger becomes champion if it proves better, and passes the gates."""

from prefect import flow, get_run_logger

from kinoloop.environment import Environment
from tasks.announce import announce_completion
from tasks.failures import explain_failure
from tasks.promotion import (
    catch_up,
    find_challenge,
    known_refusals,
    move_champion,
    one_promotion,
    record_decision,
    weigh,
)
from tasks.pruning import prune_releases
from tasks.refresh import refresh_champion
from tasks.results import PromoteSummary


@flow(
    name="promote",
    on_completion=[announce_completion],
    on_failure=[explain_failure],
    on_crashed=[explain_failure],
)
def promote(*, force: bool = False) -> PromoteSummary:
    """Weigh the challenger against the champion and promote or refuse it.

    Args:
        force: Weigh again even where nothing changed since the challenger was refused.

    Raises:
        RegistryError: MLflow is away, or an alias moved meanwhile.
        BundleError: A release is damaged.
    """
    environment, logger = Environment(), get_run_logger()
    with one_promotion(environment):
        challenge = find_challenge(environment)
        if challenge is None:
            logger.info("no challenger waits; `kinoloop retrain` makes one")
            return PromoteSummary(outcome="nothing to do")
        version, known = challenge.challenger.version, known_refusals(challenge)
        if known and not force:
            for refusal in known:
                logger.warning("version %s was refused before by %s", version, refusal)
            return PromoteSummary(outcome="nothing to do", version=version, refused_by=known)
        challenge = catch_up(challenge)
        decision = weigh(challenge)
        record_decision(challenge, decision)  # first: no champion is without its record
        refreshed = None
        if decision.promoted:
            move_champion(challenge)
            refreshed = refresh_champion(challenge, decision)
        prune_releases(environment)
    outcome = "promoted" if decision.promoted else "refused"
    logger.info("version %s is %s", version, outcome)
    for refusal in decision.refusals:
        logger.warning("version %s was refused by %s", version, refusal)
    return PromoteSummary(
        outcome=outcome,
        version=version,
        decision=decision,
        refused_by=decision.refusals,
        refreshed=refreshed.version if refreshed else "",
        refresh=refreshed.told if refreshed else "",
    )
