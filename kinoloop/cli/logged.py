"""`kinoloop evaluate --logged`: what policies would bring, by what was shown with known chances."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from kinoloop.cli.tables import show

if TYPE_CHECKING:
    from kinoloop.environment import Environment
    from kinoloop.evaluation.off_policy import Estimated
    from kinoloop.promotion.off_policy import LoggedConfig, LoggedWindow
    from kinoloop.release.release import Release
    from kinoloop.training.model_selection import TrainingData

WITHOUT = "without exploration"
NOTHING = "–"
"""Stands where there is nothing to estimate from."""

FEW_USERS = 50
FEW_SHARE = 0.02  # of the places, as an effective sample


def evaluate_logged(
    environment: "Environment",
    data: "TrainingData",
    candidates: Sequence[dict[str, Any]],
    champion: "tuple[str, Release] | None",
    *,
    config: "LoggedConfig",
    out: Path,
) -> None:
    """Estimate what each policy would have brought, print it and write it down.

    Args:
        environment: Whose tables and settings.
        data: Catalogue, histories and windows.
        candidates: Settings of each.
        champion: Name and release; None leaves it out.
        config: How the log is read.
        out: Folder of `logged.json`.
    """
    from kinoloop.data.tables import Tables
    from kinoloop.policy.config import PolicyConfig
    from kinoloop.promotion.off_policy import LoggedWindow
    from kinoloop.ranking.config import RankerConfig
    from kinoloop.settings import read_section

    console = Console(highlight=False)
    ranker = read_section("ranker", RankerConfig, environment.settings_file)
    policy = read_section("policy", PolicyConfig, environment.settings_file)
    info = None if champion is None else champion[1].info
    since = None if info is None else info.trained_until
    if info is not None and info.lineage is not None and info.lineage.chosen_until is not None:
        since = info.lineage.chosen_until
    tables = Tables(environment.data_dir)
    window = LoggedWindow.read(tables, data, config, ranker, since=since)
    _show_logged(console, window)
    found = {WITHOUT: window.without_chance()}
    with console.status("Asking") as status:
        if champion is not None:
            status.update(f"Asking {escape(champion[0])}")
            found[champion[0]] = window.of_release(champion[1], policy)
        for settings in candidates:
            name = str(settings.get("name") or settings["kind"])
            status.update(f"Fitting and asking {escape(name)}")
            found[name] = _candidate(window, settings, seed=config.seed)
    _show_estimates(console, found)
    for line in _doubts(window, found):
        console.print(f"[yellow]{escape(line)}[/yellow]", soft_wrap=True)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "logged.json"
    document = {
        "config": config.model_dump(mode="json"),
        "estimates": {name: asdict(one) for name, one in found.items()},
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    console.print(escape(str(path)), soft_wrap=True)


def _candidate(window: "LoggedWindow", settings: dict[str, Any], *, seed: int) -> "Estimated":
    from threadpoolctl import threadpool_limits

    from kinoloop.training.model_selection import build_candidate

    split = window.data.split
    with threadpool_limits(limits=1):
        model = build_candidate(settings, seed=seed)
        model.fit(split.train, window.data.catalogue, validation=split.validation)
        return window.of_recommender(model)


def _show_logged(console: Console, window: "LoggedWindow") -> None:
    rows = [
        [escape(name), f"{answers:,}", str(brought)]
        for name, (answers, brought) in window.as_it_was().items()
    ]
    show(console, ["shown by", "answers", f"{window.config.reward} per answer"], rows)
    console.print()


def _show_estimates(console: Console, found: "dict[str, Estimated]") -> None:
    estimators = ("ips", "snips", "dr")
    rows = []
    for name, one in found.items():
        values = [str(one.values[estimator]) for estimator in estimators]
        model = f"{one.values['dm'].value:.4f}"
        gain = f"{one.gain.value:+.4f} [{one.gain.low:+.4f}, {one.gain.high:+.4f}]"
        if not one.support.matched:  # dr is then the model's word, and its interval that of nothing
            values, gain = [NOTHING] * len(estimators), NOTHING
        rows.append([escape(name), *values, gain, model])
    columns = [*(estimator.upper() for estimator in estimators), "DR − logged", "model alone"]
    show(console, ["would have brought", *columns], rows)
    console.print()
    rows = []
    for name, one in found.items():
        support = one.support
        cells = [f"{support.answers:,}", f"{support.matched:,}", f"{support.effective:,.0f}"]
        cells += [str(support.mean_weight), f"{support.largest:.1f}", f"{support.clipped:.1%}"]
        rows.append([escape(name), *cells])
    columns = ["answers", "places matched", "effective", "mean weight", "largest", "clipped"]
    show(console, ["rests on", *columns], rows)


def _doubts(window: "LoggedWindow", found: "dict[str, Estimated]") -> list[str]:
    """Sentences that a careful reader would want to read first."""
    lines = []
    users = len({*window.logged.users.tolist()})
    if users < FEW_USERS:
        lines.append(f"{users} users only: the intervals are too narrow; gather more answers.")
    left = len(window.logged) - len(window.asked)
    if left:
        lines.append(
            f"{left} of {len(window.logged)} answers are left out where policies are asked: "
            "narrowed by their requests, or more than --answers."
        )
    for name, one in found.items():
        support = one.support
        if not support.matched:
            lines.append(
                f"{name}: no place showed what it would have shown there, so nothing that was seen "
                f"speaks for or against it; {_more_support(window)}."
            )
            continue
        mean, doubtful = support.mean_weight, not support.clipped and not support.whole
        if doubtful and mean.high < 1:
            lines.append(
                f"{name}: the mean weight is {mean.value:.2f} and not 1: what it would show was "
                "not always given a chance. IPS lacks that part, SNIPS takes the rest for it, DR "
                f"its model's word; {_more_support(window)} before believing them."
            )
        if doubtful and mean.low > 1:
            lines.append(
                f"{name}: the mean weight is {mean.value:.2f}, more than the 1 that is expected at "
                f"most: by chance, by a few heavy weights (the largest is {support.largest:.1f}), "
                "or chances on record that were not those of the draw. IPS is too high by that "
                "much, SNIPS is not."
            )
        if support.effective < FEW_SHARE * max(1, len(window.rewards)) and name != WITHOUT:
            lines.append(
                f"{name}: the weights are worth {support.effective:,.0f} places of "
                f"{len(window.rewards):,}; wide intervals are honest here."
            )
    return lines


def _more_support(window: "LoggedWindow") -> str:
    """Say what would give more of what policies show a chance."""
    if all(":softmax:" in policy for policy in window.logged.policies.tolist()):
        return "gather more answers, or explore more of them ([policy] explore)"
    return 'explore the head ([policy] explore_by = "softmax") longer'
