"""A failed run must be seen: what failed, what to do next, where to read more.

Flows name `explain_failure` as their `on_failure` and `on_crashed` hook. It leaves an artifact that
stands on the first page of the Prefect UI and one line in the log; a failed run never ends in
silence. To be called or mailed, add an automation in Prefect on the event
`prefect.flow-run.Failed` of the tag `kinoloop`.
"""

import logging
from typing import Any

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.objects import FlowRun, State

logger = logging.getLogger(__name__)

NEXT_STEP = {
    "ingest": "A batch is committed whole or not at all, and the reason says which. Fix what it "
    "names and run `kinoloop ingest`: what was accepted is skipped, and pinned if it is not yet.",
    "extract": "What was encoded is kept. Run `kinoloop extract`; it goes on where it stopped.",
    "drift": "The champion stays in service. Check `[drift]` in kinoloop.toml, then run "
    "`kinoloop drift`.",
    "retrain": "The champion stays in service. Read the log, then run `kinoloop retrain`.",
    "promote": "Aliases are moved at the very end, so the champion is unchanged or fully replaced. "
    "Run `kinoloop promote`; `kinoloop rollback` restores the previous one.",
    "rollback": "Run `kinoloop rollback` again when the registry answers.",
    "loop": "Finished stages are kept. Run `kinoloop loop`; it repeats only what is missing.",
}


def explain_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State) -> None:
    """Leave the reason and the next step of a failed run where people look."""
    reason = (state.message or state.name or "no reason was given").strip()
    step = NEXT_STEP.get(flow.name, f"Read the log of the run, then start {flow.name} again.")
    logger.error("%s failed: %s Next step: %s", flow.name, reason, step, extra={"next_step": step})
    markdown = (
        f"## {flow.name} failed\n\n> {reason}\n\n**Next step.** {step}\n\nRun: `{flow_run.name}`\n"
    )
    with get_client(sync_client=True) as client:
        client.create_artifact(
            ArtifactCreate(
                type="markdown",
                key=f"failed-{flow.name}",
                description=f"{flow.name} failed",
                data=markdown,
                flow_run_id=flow_run.id,
            )
        )
