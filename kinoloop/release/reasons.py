"""Why a video is in a slate, in words: facts only, such as what it shows and when."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.release.moments import Moment
from kinoloop.schema import SHOWS

WORDS_MATCH = 0.1
"""Lexical score from which a video is said to match the words of a query."""

FEW = 100
"""Positions of which a set is made in every answer; in more, the few that matter are sought."""

QUOTED = 60
"""Characters of words that are quoted."""


class Reasons:
    """Says why a video follows from one that was watched.

    Args:
        titles: Of each video.
        videos: Of the catalogue; its column `labels` may be missing.
    """

    def __init__(self, titles: Sequence[str], videos: pl.DataFrame) -> None:
        self._titles = titles
        self._shows: pl.Series | None = None
        if "labels" in videos.columns and videos["labels"].dtype != pl.Null:
            shown = pl.element().filter(pl.element().struct.field("facet") == SHOWS)
            shows = pl.col("labels").list.eval(shown.struct.field("label"))
            self._shows = videos.select(shows.fill_null([])).to_series()

    def of(
        self,
        watched: Sequence[int | None],
        videos: Sequence[int],
        *,
        unnamed: NDArray[np.integer],
    ) -> list[str]:
        """Give a reason for each video.

        Args:
            watched: For each video, the index of the one that it follows from; None: of none.
            videos: Their indices.
            unnamed: (n,) indices whose titles are shown to nobody, since they were taken down.
        """
        if len(unnamed) <= FEW:
            hidden = set(unnamed.tolist())
        else:
            hidden = {one for one in watched if one is not None and (unnamed == one).any()}
        named = [None if one in hidden else one for one in watched]
        return [self._reason(w, v) for w, v in zip(named, videos, strict=True)]

    def _reason(self, watched: int | None, video: int) -> str:
        if watched is None:
            return "Recommended for you"
        because = f"Because you watched “{self._titles[watched]}”"
        both = self._shown(watched)
        common = next((word for word in self._shown(video) if word in both), None)
        return because if common is None else f"{because}: it shows {common}, too"

    def _shown(self, video: int) -> list[str]:
        found: list[str] = self._shows[video].to_list() if self._shows is not None else []
        return found


def why_alike(title: str, *, by_words: bool) -> str:
    """Say why videos are like one, by its title.

    Args:
        title: Of the one.
        by_words: Whether words decided, because its content was not extracted.
    """
    if by_words:
        return f"Shares words with “{title}”, whose content was not extracted"
    return f"Similar to “{title}”"


def why_found(
    query: str, lexical: NDArray[np.floating], when: Sequence[Moment | None]
) -> list[str]:
    """Say why videos answer a search: by a moment where one does, else by words or by meaning.

    Args:
        query: What was looked for.
        lexical: (n,) score of each by words alone.
        when: The moment of each that answers; None where none does.

    Example:
        >>> why_found("a dog", np.zeros(1), [Moment(72.5, 80.0, ["Pomeranian", "dog"], "", "")])
        ['Shows dog at 1:12']
    """
    return [
        ("Matches your words" if score > WORDS_MATCH else "Close in meaning")
        if moment is None
        else _told(moment, query.lower())
        for score, moment in zip(lexical.tolist(), when, strict=True)
    ]


def _told(moment: Moment, query: str) -> str:
    at = f"at {int(moment.start_s) // 60}:{int(moment.start_s) % 60:02d}"
    if moment.shows:
        word = next((word for word in moment.shows if word.lower() in query), moment.shows[0])
        return f"Shows {word} {at}"
    kind, words = ("Reads", moment.reads) if moment.reads else ("Says", moment.says)
    quoted = words if len(words) <= QUOTED else words[: QUOTED - 1].rsplit(" ", 1)[0] + "…"
    return f"{kind} “{quoted}” {at}"
