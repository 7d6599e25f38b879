"""Groups of videos that show the same, from pairs that were found to."""

from collections.abc import Iterable


def group(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name of the group by video, for the videos of the pairs; a group is named by its first id.

    Examples:
        >>> group([("b", "a"), ("c", "b"), ("x", "y")])
        {'a': 'a', 'b': 'a', 'c': 'a', 'x': 'x', 'y': 'x'}
    """
    from scipy.cluster.hierarchy import DisjointSet

    edges = list(pairs)
    sets = DisjointSet(sorted({video for edge in edges for video in edge}))
    for a, b in edges:
        sets.merge(a, b)
    return {video: min(members) for members in sets.subsets() for video in sorted(members)}
