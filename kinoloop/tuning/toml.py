"""Settings of a candidate as a TOML block that `kinoloop.toml` takes as it is."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from kinoloop.tuning.study import Tuned


def candidate_block(tuned: Tuned) -> str:
    """`[[retrain.candidates]]` with the settings of a study, and where they come from.

    Examples:
        >>> tuned = Tuned(
        ...     name="s", settings={"kind": "item_knn", "top_n": 90}, best=0.12, default=0.1,
        ...     trials=7, pruned=2,
        ... )
        >>> print(candidate_block(tuned))
        # kinoloop tune, study s: 7 trials, 2 pruned; validation NDCG@10 0.1200, by default 0.1000
        [[retrain.candidates]]
        kind = "item_knn"
        top_n = 90
    """
    default = "unknown" if tuned.default is None else f"{tuned.default:.4f}"
    lines = [
        f"# kinoloop tune, study {tuned.name}: {tuned.trials} trials, {tuned.pruned} pruned"
        f"{want_of_time(tuned)}; "
        f"validation NDCG@10 {tuned.best:.4f}, by default {default}",
        "[[retrain.candidates]]",
        *(f"{name} = {_value(value)}" for name, value in tuned.settings.items()),
    ]
    block = "\n".join(lines)
    assert tomllib.loads(block)["retrain"]["candidates"] == [tuned.settings]
    return block


def want_of_time(tuned: Tuned) -> str:
    """Say what a faster machine would have done in the same minutes; "" where nothing was left."""
    parts = [
        f", {tuned.out_of_time} stopped by the time budget" * (tuned.out_of_time > 0),
        f", {tuned.left_out} not begun for lack of time" * (tuned.left_out > 0),
    ]
    return "".join(parts)


def _value(value: Any) -> str:  # noqa: ANN401 (any setting)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(v) for v in value)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
