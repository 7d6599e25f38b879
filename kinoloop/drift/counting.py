"""From rows to blocks: count levels, or bins of a number, by (user, period)."""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.drift.blocks import Blocks

NONE = "(none)"
OTHER = "(other)"


class Counted(NamedTuple):
    """Blocks of counts with the names of their columns."""

    blocks: Blocks
    labels: tuple[str, ...]


def count_levels(
    rows: pl.DataFrame, column: str, *, unit: str, current: int, max_levels: int
) -> Counted:
    """Count the levels of a column by (unit, period).

    Args:
        rows: Columns `unit`, `period` and `column`.
        column: Any type that can be written as text; null is a level of its own.
        unit: Column whose rows belong together, such as `user`.
        current: Number of the current period.
        max_levels: The rarest levels beyond this number are counted together.

    Returns:
        Blocks, and the levels in falling order of frequency.
    """
    level = pl.col(column).cast(pl.String).fill_null(NONE)
    rows = rows.select(unit, "period", level=level)
    ranked = rows.group_by("level").len().sort("len", "level", descending=[True, False])
    kept = ranked.get_column("level").to_list()[:max_levels]
    labels = (*kept, OTHER) if ranked.height > max_levels else tuple(kept)
    codes = pl.DataFrame(
        {"level": kept, "code": range(len(kept))}, schema_overrides={"code": pl.Int64}
    )
    coded = rows.join(codes, on="level", how="left").with_columns(
        pl.col("code").fill_null(len(labels) - 1)
    )
    return Counted(_blocks(coded, unit, len(labels), current), labels)


class Binned(NamedTuple):
    """Blocks of bin counts with the upper edge of each bin."""

    blocks: Blocks
    edges: NDArray[np.float64]


def count_bins(rows: pl.DataFrame, column: str, *, unit: str, current: int, bins: int) -> Binned:
    """Count a number by (unit, period) in quantile bins of both windows; nulls are left out."""
    rows = rows.select(unit, "period", value=pl.col(column).cast(pl.Float64)).filter(
        pl.col("value").is_not_null() & pl.col("value").is_finite()
    )
    values = rows.get_column("value").to_numpy()
    quantiles = np.linspace(0, 1, bins + 1)[1:]
    edges = np.unique(np.quantile(values, quantiles)) if len(values) else np.zeros(1)
    codes = np.minimum(np.searchsorted(edges, values, side="left"), len(edges) - 1)
    coded = rows.with_columns(code=pl.Series(codes, dtype=pl.Int64))
    return Binned(_blocks(coded, unit, len(edges), current), edges)


def units(rows: pl.DataFrame, unit: str, current: int) -> tuple[int, int]:
    """Distinct units in the reference and in the current window."""
    now = pl.col("period") == current
    return (
        rows.filter(~now).get_column(unit).n_unique(),
        rows.filter(now).get_column(unit).n_unique(),
    )


def sum_vectors(
    rows: pl.DataFrame, vectors: NDArray[np.floating], *, unit: str, current: int
) -> Blocks:
    """Sum the vectors of the videos (column `video`, internal index) by (unit, period)."""
    block, keys = _block_numbers(rows, unit)
    order = np.argsort(block, kind="stable")
    picked = vectors[rows.get_column("video").to_numpy()[order]].astype(np.float64)
    starts = np.searchsorted(block[order], np.arange(keys.height))
    sums = np.add.reduceat(picked, starts, axis=0)
    return Blocks(sums, keys.get_column("period").to_numpy().astype(np.int64), current)


def _blocks(coded: pl.DataFrame, unit: str, width: int, current: int) -> Blocks:
    block, keys = _block_numbers(coded, unit)
    sums = np.zeros((keys.height, width))
    np.add.at(sums, (block, coded.get_column("code").to_numpy()), 1.0)
    return Blocks(sums, keys.get_column("period").to_numpy().astype(np.int64), current)


def _block_numbers(rows: pl.DataFrame, unit: str) -> tuple[NDArray[np.int64], pl.DataFrame]:
    keys = rows.select(unit, "period").unique().sort("period", unit)
    numbered = keys.with_columns(block=pl.int_range(keys.height, dtype=pl.Int64))
    block = rows.join(numbered, on=[unit, "period"], how="left", maintain_order="left")
    return block.get_column("block").to_numpy(), keys
