"""What people may be not interested in beside videos and creators: labels by all their names.

A video is about its labels (`dog`, or with the facet `shows:dog`), its category and its tags. Names
are compared without case and the blanks around them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

import polars as pl

from kinoloop.data.tables import Tables

Labels = Iterable[Mapping[str, str]]


def folded(name: str) -> str:
    """Return a name as it is compared."""
    return name.strip().casefold()


def names_of(labels: Labels | None, category: str | None, tags: Iterable[str] | None) -> list[str]:
    """Return what a video is about: each label plain and with its facet, category and tags."""
    found = [category] if category else []
    found += tags or []
    for one in labels or []:
        found += [one["label"], f"{one['facet']}:{one['label']}"]
    return found


def known_names(tables: Tables) -> frozenset[str]:
    """Every name of what some video is about, folded; empty where nothing is known of any."""
    labels = (
        tables.scan("labels").select("labels").explode("labels").unnest("labels")
        .select("facet", "label").drop_nulls().unique().collect()
    )  # fmt: skip
    videos = tables.scan("videos")
    categories = videos.select("category").drop_nulls().unique().collect()
    tags = videos.select("tags").explode("tags").drop_nulls().unique().collect()
    names = names_of(labels.to_dicts(), None, [*categories["category"], *tags["tags"]])
    return frozenset(map(folded, names))


def with_known_label(events: pl.DataFrame, known: Callable[[], Collection[str]]) -> pl.DataFrame:
    """Add `known_label`: whether some video is about what an event names; null where none is named.

    Args:
        events: With `event` and `label`.
        known: Gives the folded names; asked only where an event names one. Without any, nothing
            is known of videos, and every name may be right.
    """
    refuses = pl.col("event") == "not_interested"
    asked = events.filter(refuses)["label"].drop_nulls().unique().to_list()
    names = known() if asked else ()
    right = [one for one in asked if not names or folded(one) in names]
    there = pl.Series(right, dtype=pl.String).implode()
    return events.with_columns(known_label=pl.col("label").is_in(there) | ~refuses)
