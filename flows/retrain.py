"""Retrain: every candidate on the same split, the best one becomes the challenger."""

from dataclasses import replace

from prefect import flow, get_run_logger

from kinoloop.environment import Environment
from kinoloop.errors import KinoloopError, RegistryError
from kinoloop.training.before_after import lacking
from kinoloop.training.blending import of_fitted, unproven
from kinoloop.training.model_selection import build_candidate, candidate_name
from kinoloop.training.outcome import Outcome, choose
from tasks.announce import announce_completion
from tasks.failures import explain_failure
from tasks.promotion import refusals_of
from tasks.publishing import publish
from tasks.ranker import train_ranker
from tasks.results import RetrainSummary
from tasks.retrain_plan import RetrainPlan, alone, plan_retrain
from tasks.training import find_finished_after_replay, load_data, release_winner, train_candidate
from tasks.warm_start import Start, choose_start, trainings_of


@flow(
    name="retrain",
    on_completion=[announce_completion],
    on_failure=[explain_failure],
    on_crashed=[explain_failure],
)
def retrain(*, force: bool = False) -> RetrainSummary:
    """Train all candidates of `[[retrain.candidates]]` and register the winner as challenger.

    Args:
        force: Train even if champion or challenger was made of the same data and settings.

    Raises:
        DataError: There is too little data.
        ConfigError: A candidate's settings are wrong.
    """
    plan, logger = plan_retrain(Environment(), force=force), get_run_logger()
    for candidate in plan.config.candidates:
        build_candidate(candidate, seed=plan.config.seed)
    with alone(plan) as plan:
        finished, away = find_finished_after_replay(plan, force=force)
        if finished is not None:
            logger.info("version %s was made of this data with these settings", finished.version)
            refused_by = refusals_of(finished.tags)
            for refusal in refused_by:
                logger.warning("version %s was refused by %s", finished.version, refusal)
            return RetrainSummary(
                outcome="nothing new",
                version=finished.version,
                candidate=finished.tags.get("candidate", ""),
                refused_by=refused_by,
            )
        load_data(plan)
        start = choose_start(plan, away=away)
        outcomes, failed = _train_all(plan, start)
        if not outcomes:
            reasons = "; ".join(f"{name}: {why}" for name, why in failed.items())
            raise KinoloopError(f"every candidate failed: {reasons}")
        if plan.ranker.enabled:
            train_ranker(plan, choose(outcomes))
        kept = release_winner(plan, outcomes, failed, start)
        try:
            version = publish(plan.environment, plan.work_dir).version
        except RegistryError as err:
            logger.warning("kept in %s for the next retrain to log: %s", plan.work_dir, err)
            return replace(kept, away=away or str(err))
    return replace(kept, outcome="trained", version=version)


def _train_all(plan: RetrainPlan, start: Start) -> tuple[list[Outcome], dict[str, str]]:
    """One candidate that fails, or lacks a package, is reported and does not stop the others."""
    outcomes: list[Outcome] = []
    failed: dict[str, str] = {}
    for given, anew in trainings_of(plan, start):
        name = candidate_name(given)
        candidate = of_fitted(given, {outcome.name for outcome in outcomes})
        lacks = lacking(build_candidate(candidate, seed=plan.config.seed))
        if lacks:
            get_run_logger().warning("candidate %s is left out: %s", name, lacks)
            failed[name] = f"left out: {lacks}"
            continue
        state = train_candidate(plan, candidate, name, start=start, anew=anew, return_state=True)
        why = unproven(state.result()) if state.is_completed() else str(state.message)
        if why:
            failed[name] = why
        else:
            outcomes.append(state.result())
    return outcomes, failed
