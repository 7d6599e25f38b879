"""Who watches a training."""

from typing import Protocol


class Report(Protocol):
    """Receives metrics while a recommender is fitted."""

    def __call__(self, name: str, value: float, step: int) -> None:
        """Report `value` of metric `name` at `step` (an epoch)."""


def silent(name: str, value: float, step: int) -> None:
    """Drop everything: a `Report` that says nothing."""
