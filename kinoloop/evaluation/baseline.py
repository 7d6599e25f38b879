"""Is a recommender better than recommending to everybody what everybody watches?"""

from collections.abc import Mapping

BASELINE = "popularity"


def popularity_warning(winner: str, scores: Mapping[str, float], *, window: str = "test") -> str:
    """Warn where plain popularity does better, or wins itself.

    Args:
        winner: Name of the recommender that is to serve.
        scores: NDCG@10 of each recommender by its name.
        window: That they were measured on.

    Returns:
        A sentence; "" where popularity is no better, or was not measured.

    Example:
        >>> popularity_warning("ease", {"ease": 0.2, "popularity": 0.1})
        ''
        >>> popularity_warning("ease", {"ease": 0.1, "popularity": 0.2})[:52]
        'Popularity beats ease on the test window: ndcg@10 0.'
    """
    advice = (
        "bring longer histories (kinoloop ingest), content (kinoloop extract) or other candidates"
    )
    if winner == BASELINE:
        return f"Popularity won: nobody gets a slate of their own; {advice}."
    if winner not in scores or scores.get(BASELINE, 0.0) <= scores[winner]:
        return ""
    return (
        f"Popularity beats {winner} on the {window} window: ndcg@10 {scores[BASELINE]:.4f} "
        f"against {scores[winner]:.4f}; {advice}."
    )
