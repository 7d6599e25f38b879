"""From which rating on somebody liked a video, by the scale that people rate on.

Three of five stars are a yes, three of ten points are a no, and one of "0 or 1" is a yes. Nobody
says which scale a data set has, but its ratings do.
"""

import polars as pl

USUAL = 3.0
"""Of five stars; what counts where nobody has rated yet."""


def found_in(events: pl.LazyFrame) -> float | None:
    """From which rating on events (`event`, `value`) like; None where none is a rating."""
    values = events.filter(pl.col("event") == "rating").select("value")
    ends = values.select(lowest=pl.col("value").min(), highest=pl.col("value").max())
    lowest, highest = ends.collect(engine="streaming").row(0)
    return None if lowest is None else liked_from(lowest, highest)


def liked_from(lowest: float, highest: float) -> float:
    """Return the lowest rating that is a yes: the middle of the scale that the ratings lie on.

    Args:
        lowest: Of all ratings.
        highest: Of all ratings.

    >>> [liked_from(0.5, 5), liked_from(1, 10), liked_from(0, 100), liked_from(0, 1)]
    [3.0, 5.5, 50.0, 0.5]
    >>> [liked_from(-1, 1), liked_from(1, 1), liked_from(1, 2)]
    [0.0, 1, 1.5]
    """
    if lowest == highest <= 2:  # only ever "yes"
        return lowest
    if lowest < 0 or highest <= 2 or highest > 100:
        return (lowest + highest) / 2
    return USUAL if highest <= 5 else 5.5 if highest <= 10 else 50.0
