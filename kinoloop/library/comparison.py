"""Several models on one test set: a table, with what is chance and what is not."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from kinoloop.errors import ConfigError, DataError, NotFittedError
from kinoloop.evaluation.compare import Difference, paired
from kinoloop.evaluation.evaluate import Evaluation
from kinoloop.evaluation.evaluate import evaluate as measure
from kinoloop.evaluation.leaderboard import leaderboard, per_user
from kinoloop.evaluation.metrics.base import ACCURACY
from kinoloop.evaluation.ranks import UNKNOWN
from kinoloop.evaluation.split import Holdout
from kinoloop.library.expected import expect, listed, whole
from kinoloop.library.model import Model
from kinoloop.library.test_set import TestSet


@dataclass(frozen=True, repr=False)
class Comparison:
    """What models achieved on the same users; prints as a table.

    Attributes:
        evaluations: By name of the model: `metrics`, `slices` and `per_user`.
        baseline: Name of the one that the others are compared with.
        decided_by: The metric that orders the table and is compared.
        seed: Of the bootstrap.
    """

    evaluations: Mapping[str, Evaluation]
    baseline: str
    decided_by: str
    seed: int

    @property
    def frame(self) -> pl.DataFrame:
        """One row per model, best first: means, and the difference to the baseline.

        `difference`, `low` and `high` are the mean of the paired differences per user and its
        95 % interval by bootstrap; null for the baseline itself.
        """
        rows = leaderboard(
            self.evaluations, reference=self.baseline, metric=self.decided_by, seed=self.seed
        )
        return pl.DataFrame(
            [{"model": row.name, **row.metrics, **_difference(row.against)} for row in rows]
        )

    @property
    def pairs(self) -> pl.DataFrame:
        """Every model against every other: `model`, `other`, `difference`, `low`, `high`."""
        values = {name: one.per_user[self.decided_by] for name, one in self.evaluations.items()}
        rows = [
            {"model": a, "other": b, **_difference(paired(values[a], values[b], seed=self.seed))}
            for a in values
            for b in values
            if a != b
        ]
        schema = {"model": pl.String, "other": pl.String, **dict.fromkeys(_DIFFERENCE, pl.Float64)}
        return pl.DataFrame(rows, schema=schema)

    @property
    def per_user(self) -> pl.DataFrame:
        """The accuracy metrics of every user under every model."""
        return per_user(self.evaluations).rename({"recommender": "model"})

    @property
    def slices(self) -> pl.DataFrame:
        """`model`, `slice` (such as `new_users`), `rows`, and the accuracy metrics there."""
        return pl.DataFrame(
            [
                {"model": name, "slice": part, **means}
                for name, one in self.evaluations.items()
                for part, means in one.slices.items()
            ]
        )

    def __repr__(self) -> str:
        with pl.Config(
            tbl_hide_dataframe_shape=True,
            tbl_hide_column_data_types=True,
            tbl_formatting="ASCII_MARKDOWN",
            tbl_rows=-1,
            tbl_cols=-1,
            tbl_width_chars=200,
            fmt_str_lengths=80,
        ):
            return str(self._shown)

    def _repr_html_(self) -> str:
        with pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, tbl_rows=-1):
            return str(self._shown._repr_html_())

    @property
    def _shown(self) -> pl.DataFrame:
        """The means that fit a line, and the difference as one text."""
        frame = self.frame
        cut = self.decided_by.partition("@")[2]
        kept = [name for name in frame.columns if name.endswith(f"@{cut}") or name == "auc"]
        means = [_text(name, "{:.4f}") for name in kept]
        difference = pl.format("{} [{}, {}]", *[_text(name, "{:+.4f}") for name in _DIFFERENCE])
        return frame.select(
            "model", *means, difference.fill_null("").alias(f"{self.decided_by} − {self.baseline}")
        )


_DIFFERENCE = ("difference", "low", "high")


def evaluate(
    models: Mapping[str, Model],
    test: TestSet,
    *,
    baseline: str | None = None,
    ks: Sequence[int] = (10, 20),
    metrics: Sequence[str] = ACCURACY,
    seed: int = 0,
) -> Comparison:
    """Measure models on a test set: full ranking, every user, nothing sampled.

    Args:
        models: Fitted models by name.
        test: The second part of `Dataset.split`.
        baseline: Name of the one that the others are compared with; None: the best of them.
        ks: Cut-offs.
        metrics: Accuracy metrics by name; the first one at the first cut-off decides.
        seed: Of the bootstrap.

    Raises:
        ConfigError: An argument is of another kind, there is no model, metric or cut-off, or no
            model is called `baseline`.
        NotFittedError: A model is not fitted; names it.
        DataError: A model has none of the videos to find.
    """
    expect(models, Mapping, "evaluate takes models by name")
    expect(test, TestSet, "evaluate takes the second part of `Dataset.split`")
    ks = [whole(k, "ks: a cut-off", least=1) for k in listed(ks, "ks")]
    metrics = [metrics] if isinstance(metrics, str) else listed(metrics, "metrics")
    whole(seed, "seed", least=0)
    for name, model in models.items():
        expect(name, str, "evaluate takes models by name")
        expect(model, Model, f"{name} is made by `build` or `load`")
    if not models or not metrics or not ks:
        raise ConfigError(
            f"evaluate needs a model, a metric and cut-offs, got {list(models)}, {metrics}, {ks}"
        )
    if baseline is not None and baseline not in list(models):
        raise ConfigError(f"no model is called {baseline!r}; there are {', '.join(models)}")
    found = {name: _measured(name, model, test, ks, metrics) for name, model in models.items()}
    decided_by = f"{metrics[0]}@{ks[0]}"
    best = max(found, key=lambda name: found[name].metrics[decided_by])
    return Comparison(found, baseline or best, decided_by, seed)


def _measured(
    name: str, model: Model, test: TestSet, ks: Sequence[int], metrics: Sequence[str]
) -> Evaluation:
    try:
        holdout = test.within(model.recommender.catalogue.ids)
    except NotFittedError as err:
        raise NotFittedError(f"{name}: {err}") from err
    targets = holdout.targets.videos
    if len(targets) and (targets == UNKNOWN).all():
        raise DataError(
            f"{name} has none of the {len(targets):,} videos to find: its ids are others; measure "
            "it on a part of the data that it was fitted with"
        )
    if seen := _learned(model, holdout):
        warnings.warn(
            f"{name} was fitted on {seen:,} of the {len(targets):,} videos to find: what it knows "
            "by heart is no forecast; fit it on the first part of the split",
            stacklevel=3,
        )
    ranked = model.as_it_answers(holdout)
    return measure(ranked, holdout, train=model.trained_on, ks=ks, metrics=metrics)


def _learned(model: Model, holdout: Holdout) -> int:
    """How many of the videos to find `fit` was shown as their user's."""
    train, targets, users = model.trained_on, holdout.targets, holdout.histories.user_ids
    if train is None or not users:
        return 0
    row_of = {user: row for row, user in enumerate(train.user_ids)}
    rows = np.array([row_of.get(user, -1) for user in users], dtype=np.int64)[targets.row_of]
    width = len(model.recommender.catalogue)
    known = (rows >= 0) & (targets.videos != UNKNOWN)
    shown = train.row_of.astype(np.int64) * width + train.videos
    return int(np.isin(rows[known] * width + targets.videos[known], shown).sum())


def _text(column: str, form: str) -> pl.Expr:
    return pl.col(column).map_elements(form.format, return_dtype=pl.String)


def _difference(difference: Difference | None) -> dict[str, float | None]:
    if difference is None:
        return dict.fromkeys(_DIFFERENCE)
    return {"difference": difference.mean, "low": difference.low, "high": difference.high}
