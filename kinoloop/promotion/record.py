"""A decision as a page that a person reads."""

from collections.abc import Iterable
from datetime import datetime

from kinoloop.evaluation.evaluate import HEADLINE
from kinoloop.promotion.decision import Decision, MeasuredRelease
from kinoloop.promotion.gates import COMPARED_BY, Gate


def to_markdown(decision: Decision) -> str:
    """Report the candidates, the data, the gains with their confidence, and which gates passed."""
    verdict = "promoted to champion" if decision.promoted else "refused"
    lines = [
        f"# Version {decision.challenger.version} {verdict}",
        "",
        f"{decision.decided_at:%Y-%m-%d %H:%M} UTC · window "
        f"{_day(decision.window_from)} to {_day(decision.window_until)} · {decision.users} users",
        "",
        _gain_line(decision),
        *_WAYS[decision.way],
        "",
        *_table(["gate", "passed", "measured", "required"], map(_gate_row, decision.gates)),
        "",
        *(f"- Refused by {refusal}." for refusal in decision.refusals),
        *([""] if decision.refusals else []),
        *_sides(decision),
    ]
    if decision.slices:
        lines += ["", f"## Slices, {COMPARED_BY} of challenger − champion", ""]
        lines += _table(
            ["slice", "users", "champion", "difference", "interval"],
            (
                [
                    one.name,
                    str(one.users),
                    f"{one.champion:.4f}",
                    f"{one.mean:+.4f}",
                    f"[{one.low:+.4f}, {one.high:+.4f}]",
                ]
                for one in decision.slices
            ),
        )
    if decision.competed:
        lines += ["", "## Who competed for challenger", ""]
        rows = sorted(decision.competed.items(), key=lambda item: -item[1]["validation"])
        lines += _table(
            ["candidate", f"{COMPARED_BY} validation", f"{COMPARED_BY} test"],
            ([name, f"{m['validation']:.4f}", f"{m['test']:.4f}"] for name, m in rows),
        )
    if decision.notes:
        lines += ["", *(f"- {note}" for note in decision.notes)]
    return "\n".join(lines) + "\n"


_WAYS = {
    "": (),
    "first": (),
    "better": ("It is better.",),
    "fresher": ("It is fresher and not worse.",),
}


def _gain_line(decision: Decision) -> str:
    if decision.gain is None:
        return "There is no champion to compare with."
    gain = decision.gain
    return (
        f"{COMPARED_BY} of challenger − champion, paired over {gain.users} users: "
        f"**{gain.mean:+.4f}**, {gain.confidence:.0%} interval "
        f"[{gain.low:+.4f}, {gain.high:+.4f}]."
    )


def _gate_row(gate: Gate) -> list[str]:
    return [gate.name, "yes" if gate.passed else "**no**", gate.measured, gate.required]


def _sides(decision: Decision) -> list[str]:
    sides = [("challenger", decision.challenger), ("champion", decision.champion)]
    known = [(role, side) for role, side in sides if side is not None]
    return _table(["", *(role for role, _ in known)], _side_rows([side for _, side in known]))


def _side_rows(sides: list[MeasuredRelease]) -> list[list[str]]:
    facts = [
        ["version", *(side.version for side in sides)],
        ["recommender", *(f"{side.name or side.kind}" for side in sides)],
        ["dataset version", *(f"`{side.dataset_version}`" for side in sides)],
        ["trained until", *(_day(side.trained_until) for side in sides)],
        ["videos", *(str(side.videos) for side in sides)],
        ["catalogue version", *(str(side.catalogue) for side in sides)],
    ]
    return facts + [
        [name, *(f"{side.metrics[name]:.4f}" for side in sides)]
        for name in HEADLINE
        if all(name in side.metrics for side in sides)
    ]


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(row) + " |" for row in cells]


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "unknown"
