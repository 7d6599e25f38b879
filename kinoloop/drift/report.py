"""The drift report: one HTML file that a person can open, mail and print; it loads nothing.

It holds aggregates only: shares, counts and test results, no user and no event.
"""

import html
import math
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from string import Template

from kinoloop import durable
from kinoloop.drift.detect import Drift, Result
from kinoloop.drift.windows import Windows

ORDER = {"fired": 0, "quiet": 1, "not enough data": 2}


@dataclass(frozen=True)
class ReportFacts:
    """What the report says beside the results.

    Attributes:
        created: When the tests ran, UTC.
        compared: Facts of what was compared, by name; see `facts_of`.
        champion: Version and kind of the model in service; "" without one.
        dataset: Version of the data.
        false_alarms: Chance of a false alarm that the settings allow.
        action: What follows, for people.
    """

    created: datetime
    compared: dict[str, str]
    champion: str
    dataset: str
    false_alarms: float
    action: str


def verdict(drift: Drift) -> str:
    """Sum up the result in one sentence."""
    enough = [result for result in drift.results if result.outcome != "not enough data"]
    fired = [result for result in enough if result.outcome == "fired"]
    if not judged(drift):
        why = drift.nothing or (
            f"none of the {len(drift.results)} tests had enough; next: kinoloop ingest of more "
            "events, or lower min_users of [[drift.tests]]"
        )
        return f"Not enough data to look for drift: {why}."
    without = len(drift.results) - len(enough)
    rest = f" {without} more had not enough data." if without else ""
    if drift.fired:
        return f"Drift: {len(fired)} of {len(enough)} tests fired.{rest}"
    if fired:
        return f"No drift is called: {len(fired)} of {len(enough)} tests fired, too few.{rest}"
    return f"No drift: all {len(enough)} tests stayed quiet.{rest}"


def judged(drift: Drift) -> bool:
    """Whether any test had enough data to say something."""
    return any(result.outcome != "not enough data" for result in drift.results)


def lacking(drift: Drift) -> dict[str, str]:
    """Return what each test without enough data lacks, by its name."""
    return {r.name: r.measurement.said for r in drift.results if r.outcome == "not enough data"}


def render(drift: Drift, about: ReportFacts) -> str:
    """Render the report as HTML."""
    fired = [result for result in drift.results if result.outcome == "fired"]
    reasons = "".join(
        f"<li><b>{_text(result.title)}:</b> {_text(result.measurement.said)}</li>"
        for result in fired
    )
    pictured = sorted(
        (result for result in drift.results if result.measurement.plot is not None),
        key=lambda result: ORDER[result.outcome],
    )
    template = Template(files("kinoloop.drift").joinpath("report.html").read_text("utf-8"))
    return template.substitute(
        created=f"{about.created:%Y-%m-%d %H:%M} UTC",
        colour="fired" if drift.fired else "quiet" if judged(drift) else "none",
        verdict=_text(verdict(drift)),
        advice=_text(about.action),
        reasons=f"<ul>{reasons}</ul>" if reasons else "",
        facts=_facts(about),
        rows=_rows(drift.results),
        cards="".join(_card(result) for result in pictured) or "<p>There is nothing to show.</p>",
        alpha=f"{drift.results[0].alpha:.4f}" if drift.results else "the limit",
        false_alarms=f"{about.false_alarms:.0%}",
    )


def write(directory: Path, document: str, *, created: datetime) -> Path:
    """Write the report as `drift-<time>.html`; it appears whole or not at all."""
    path = directory / f"drift-{created:%Y%m%dT%H%M%S%f}.html"
    durable.write_text(path, document)
    return path


def facts_of(windows: Windows | None) -> dict[str, str]:
    """Describe what was compared, for people; empty where there was nothing to compare."""
    if windows is None:
        return {}
    users = windows.events.get_column("user").n_unique()
    return {
        "Current window": str(windows.periods[-1]),
        "Reference": f"{windows.reference_span}, in {windows.current} periods",
        "Compared": f"{windows.events.height:,} events of {users:,} users",
    }


def _facts(about: ReportFacts) -> str:
    facts = {
        "Created": f"{about.created:%Y-%m-%d %H:%M} UTC",
        "Champion": about.champion or "none yet",
        "Dataset version": about.dataset,
        **about.compared,
    }
    return "".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in facts.items()
    )


def _rows(results: tuple[Result, ...]) -> str:
    parts = []
    for level in ("tables", "embeddings", "predictions"):
        chosen = [result for result in results if result.level == level]
        if chosen:
            parts.append(f'<tr class="level"><td colspan="7">{level.capitalize()}</td></tr>')
            parts += [_row(result) for result in chosen]
    return "".join(parts)


def _row(result: Result) -> str:
    evidence, (before, now) = result.measurement.evidence, result.measurement.users
    badge = "none" if evidence is None else result.outcome
    effect, p = (
        ("–", "–") if evidence is None else (_number(evidence.statistic), f"{evidence.p_value:.3f}")
    )
    return (
        f"<tr><td>{_text(result.title)}<small>{_text(result.measurement.said)}</small></td>"
        f'<td><span class="badge {badge}">{result.outcome}</span></td>'
        f"<td>{_scale(result)}</td>"
        f'<td class="number">{effect}'
        f"<small>{_text(result.effect)}, fires at {_number(result.threshold)}</small></td>"
        f'<td class="number">{p}</td>'
        f'<td class="number">{before:,} / {now:,}</td>'
        f'<td class="number">{result.seconds:.1f}</td></tr>'
    )


def _scale(result: Result) -> str:
    """Draw a bar whose middle is the threshold; its right end is twice the way there, or more."""
    evidence = result.measurement.evidence
    if evidence is None:
        return ""

    def percent(value: float) -> float:
        share = (value - result.floor) / (result.threshold - result.floor) / 2
        return 100 * min(max(share, 0.0), 1.0)

    marks = {"chance": evidence.chance, "ordinary": evidence.ordinary}
    drawn = "".join(
        f'<b class="{name}" style="left:{percent(value):.1f}%"></b>'
        for name, value in marks.items()
        if not math.isnan(value)
    )
    return (
        f'<div class="scale"><i class="{result.outcome}" '
        f'style="width:{percent(evidence.statistic):.1f}%"></i>'
        f'<b class="threshold"></b>{drawn}</div>'
    )


def _card(result: Result) -> str:
    from kinoloop.drift.plots import draw

    plot = result.measurement.plot
    assert plot is not None
    return (
        f'<div class="card {result.outcome}"><h3>{_text(result.title)}</h3>'
        f"<p>{_text(result.measurement.said)}</p>"
        f'<img alt="{_text(result.title)}: reference and current window" src="{draw(plot)}"></div>'
    )


def _number(value: float) -> str:
    return f"{value:.3g}"


def _text(words: str) -> str:
    return html.escape(str(words))
