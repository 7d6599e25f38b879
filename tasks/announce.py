"""Announce a completed run as an event of our own, so that the next flow starts at once.

Prefect announces every state change by itself, but a run that its scheduler made has no "Scheduled"
event, and the server holds back what follows the missing one for fifteen minutes. An event that
follows nothing is not held back.
"""

from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event

from kinoloop.environment import Environment
from tasks.due import is_extraction_due


def announce_videos(flow: Flow[..., Any], flow_run: FlowRun, state: State) -> None:
    """Emit `kinoloop.ingest.completed` where extraction has work; ingest's `on_completion` hook."""
    if flow_run.deployment_id is not None and is_extraction_due(Environment()):
        announce_completion(flow, flow_run, state)


def announce_completion(flow: Flow[..., Any], flow_run: FlowRun, state: State) -> None:  # noqa: ARG001 (Prefect's signature)
    """Emit `kinoloop.<flow>.completed`; flows name it as their `on_completion` hook.

    Only a run of a deployment is announced: inside the loop flow, the next flow comes anyway.
    """
    if flow_run.deployment_id is None:
        return
    emit_event(
        f"kinoloop.{flow.name}.completed",
        resource={
            "prefect.resource.id": f"kinoloop.{flow.name}",
            "prefect.resource.name": f"kinoloop {flow.name}",
        },
        related=[
            {
                "prefect.resource.id": f"prefect.flow-run.{flow_run.id}",
                "prefect.resource.role": "flow-run",
                "prefect.resource.name": flow_run.name,
            }
        ],
    )
