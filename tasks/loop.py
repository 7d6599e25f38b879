"""What the loop decides between its flows, and what it leaves for people."""

from collections.abc import Mapping
from dataclasses import fields

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from kinoloop.environment import Environment
from kinoloop.registry.client import ModelRegistry
from kinoloop.release.signature import load_trust
from tasks.results import ExtractSummary, LoopSummary
from tasks.versioning import dataset_version

NO_CHAMPION = "there is no champion yet"


@task(name="decide to retrain", retries=2, retry_delay_seconds=10, cache_policy=NO_CACHE)
def reason_to_retrain(environment: Environment, *, drift_fired: bool) -> str:
    """Why a retrain run is due; "" where none is.

    Data that the champion was not made with is a reason of its own: a video can be recommended
    only by a release that knows it. The retrain flow itself skips what it has done before, so a
    challenger that was refused is not trained again on the same data.

    Raises:
        RegistryError: MLflow is away.
    """
    champion = ModelRegistry(environment.tracking_uri).champion()
    if champion is None:
        return NO_CHAMPION
    if champion.signed_by not in load_trust(environment).keys:
        return f"the champion, version {champion.version}, is not signed by a key trusted here"
    if drift_fired:
        return "drift was found"
    known, current = champion.tags.get("dataset_version", ""), dataset_version(environment)
    if known != current:
        return f"the champion was made with dataset {known[:12]}, now there is {current[:12]}"
    return ""


@task(name="report the loop", retries=1, cache_policy=NO_CACHE)
def report_loop(done: LoopSummary, reason: str) -> None:
    """Leave one artifact with what each flow did."""
    flows = [step.name for step in fields(done)]
    rows = "\n".join(f"| {name} | {_brief(_facts(getattr(done, name)))} |" for name in flows)
    why = f"Retrained, because {reason}." if reason else "No retrain was due."
    refused = "".join(f"- promote refused by {why_not}\n" for why_not in done.promote.refused_by)
    create_markdown_artifact(
        key="loop",
        markdown=f"## The loop\n\n{why}\n\n| flow | result |\n|---|---|\n{rows}\n\n{refused}",
        description="What each flow of the loop did",
    )


def _facts(result: object) -> Mapping[str, object]:
    if isinstance(result, ExtractSummary):
        return {**result.extraction.to_dict(), "dataset_version": result.dataset_version}
    return {} if result is None else vars(result)


def _brief(facts: Mapping[str, object]) -> str:
    """Show the plain values of a result; what is nested has an artifact of its own."""
    if not facts:
        return "not due"
    told = bool | int | float | str
    plain = {name: fact for name, fact in facts.items() if isinstance(fact, told) and fact != ""}
    return ", ".join(f"{name} {value}" for name, value in plain.items()) or "done"
