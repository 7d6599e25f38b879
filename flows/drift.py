"""Drift: does today still look like what the champion was trained on? If not, retrain."""

from prefect import flow

from kinoloop.drift.report import judged, lacking, verdict
from kinoloop.environment import Environment
from tasks.drift import fetch_champion, look_for_drift, trigger_retrain, write_report
from tasks.failures import explain_failure
from tasks.results import DriftSummary


@flow(name="drift", on_failure=[explain_failure], on_crashed=[explain_failure])
def drift(*, trigger: bool = True) -> DriftSummary:
    """Run the drift tests, leave a report, and start a retrain run where they fire.

    Args:
        trigger: Start the retrain deployment when drift is found; the loop flow retrains itself.

    Raises:
        ConfigError: A test is unknown or one of its settings is wrong.
    """
    environment = Environment()
    found = look_for_drift(environment, fetch_champion(environment))
    if not judged(found.drift):
        action = "Nothing was decided; the champion stays as it is."
    elif not found.drift.fired:
        action = "There is nothing to do."
    elif trigger:
        action = trigger_retrain(found)
    else:
        action = "The loop that asked for this report retrains next."
    report = write_report(environment, found, action)
    tests: dict[str, str] = {result.name: result.outcome for result in found.drift.results}
    return DriftSummary(
        fired=found.drift.fired,
        verdict=verdict(found.drift),
        tests=tests,
        lacking=lacking(found.drift),
        report=report,
    )
