"""Before and after fine-tuning, as MLflow and the retrain report have it."""

from collections.abc import Sequence

from kinoloop.training.outcome import Interval, Outcome, Stage


def tuning_params(outcome: Outcome) -> dict[str, str | int]:
    """Return what is on record of a fine-tuned candidate; empty of all others."""
    facts = outcome.stages[-1].facts if outcome.stages else None
    if facts is None:
        return {}
    return {f"tuning.{name}": value for name, value in facts.model_dump().items()}


def stage_metrics(outcome: Outcome) -> list[tuple[str, float, int]]:
    """List the deciding metric of each stage on both windows, with its interval, for MLflow."""
    found = []
    for stage in outcome.stages:
        named = {"validation": stage.validation, "test": stage.test, "gain": stage.gain}
        for window, interval in named.items():
            if interval is not None:
                key = f"stages/{stage.name}/{window}"
                found += [(f"{key}/{end}", value, 0) for end, value in interval]
        if stage.facts is not None:
            found.append((f"stages/{stage.name}/trainable", float(stage.facts.trainable), 0))
    return found


def stages_table(outcomes: Sequence[Outcome], metric: str) -> list[str]:
    """Lines of Markdown that say what fine-tuning brought; none where nothing was fine-tuned."""
    tuned = [outcome for outcome in outcomes if outcome.stages]
    if not tuned:
        return []
    lines = [
        "",
        "## Before and after fine-tuning",
        "",
        f"{metric} with 95 % intervals; equal batches and steps. The gain is that of fine-tuning "
        "on the test window, user by user.",
        "",
        "| candidate | stage | policy | trained | validation | test | gain | adapter |",
        "| --- " * 8 + "|",
    ]
    for outcome in tuned:
        lines += [_line(outcome.name, stage) for stage in outcome.stages]
    return lines


def _line(name: str, stage: Stage) -> str:
    facts = stage.facts
    cells = [
        *(name, stage.name),
        *(("", "0") if facts is None else (facts.policy, f"{facts.trainable:,}")),
        *(_cell(stage.validation), _cell(stage.test), _cell(stage.gain)),
        "" if facts is None else f"`{facts.adapter[:12]}`",
    ]
    return "| " + " | ".join(cells) + " |"


def _cell(interval: Interval | None) -> str:
    if interval is None:
        return ""
    return f"{interval.mean:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
