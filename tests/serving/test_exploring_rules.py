"""Chances are true where limits, filters and videos that show the same leave little to draw."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from kinoloop.data.catalogue import Catalogue
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.models.base import build
from kinoloop.policy.config import RulesConfig
from kinoloop.policy.limits import Limit
from kinoloop.release.bundle import write_bundle
from kinoloop.release.release import Release
from kinoloop.retrieval.config import RetrievalConfig
from kinoloop.schema import DAY_US
from serving.exploring import Draw, explored
from serving.fatigue import NONE
from serving.slates import Asked, slate_of
from tests.serving.test_exploring import slate

N, USERS, NOW = 600, 80, 400 * DAY_US
ONE_OF_EACH = RulesConfig(limits=[Limit(column="creator_id", most=1)], candidates=10)
TEN, FORTY = {"language": "ten"}, {"language": "forty"}


@pytest.fixture(scope="module", params=[100, N + 1], ids=["index", "all"])
def release(request, tmp_path_factory):
    """Ten videos of which three show the same; forty, 37 of one creator; and many others."""
    rng = np.random.default_rng(0)
    names = [f"v{n}" for n in range(N)]
    videos = pl.DataFrame(
        {
            "video_id": names,
            "title": names,
            "language": ["ten"] * 10 + ["forty"] * 40 + ["en"] * (N - 50),
            "creator_id": [f"c{n}" for n in range(10)] + ["a"] * 37 + [*"bcd"] + ["e"] * (N - 50),
            "group_id": pl.Series(["same"] * 3 + [None] * (N - 3), dtype=pl.String),
        }
    )
    catalogue = Catalogue(IdMap(names), np.zeros(N, dtype=np.int64), videos, {})
    rows = [
        [Interaction(int(v), timestamp=NOW - DAY_US) for v in rng.choice(N, 30, replace=False)]
        for _ in range(USERS)
    ]
    histories = Histories.from_rows(rows, user_ids=[f"{user:032d}" for user in range(USERS)])
    folder = tmp_path_factory.mktemp("ruled") / "bundle"
    write_bundle(
        folder,
        recommender=build({"kind": "biased_mf", "factors": 4, "iterations": 1}).fit(
            histories, catalogue
        ),
        catalogue=catalogue,
        histories=histories,
        retrieval=RetrievalConfig(exact_below=request.param, queries=8),
    )
    made = Release.open(folder)
    assert (made.indexes.get("recommend") is not None) == (request.param < N)
    return made


def frequencies(draw, n):
    """Draw n times, and compare how often each place shows what with the one chance it is given.

    Returns:
        How often, by place and video, and the chances.
    """
    seen: Counter[tuple[int, str]] = Counter()
    said: dict[tuple[int, str], float] = {}
    for seed in range(n):
        found = draw(seed)
        for at, (place, chance) in enumerate(zip(found, found.propensities, strict=True)):
            seen[at, place.video_id] += 1
            assert said.setdefault((at, place.video_id), chance) == pytest.approx(chance, rel=1e-9)
    for cell, times in seen.items():
        low, high = binom.ppf(1e-6, n, said[cell]), binom.isf(1e-6, n, said[cell])
        assert low <= times <= high
    return seen, said


@pytest.mark.parametrize("temperature", [0.0, 3.0])
@pytest.mark.parametrize(
    ("top_k", "filters", "rules", "drawable"),
    [
        (500, TEN, None, False),
        (8, TEN, None, False),
        (6, TEN, None, True),
        (8, TEN, ONE_OF_EACH, False),
        (4, FORTY, ONE_OF_EACH, False),
        (6, FORTY, ONE_OF_EACH, False),
        (3, FORTY, ONE_OF_EACH, True),
        (4, {}, None, True),
        (4, {}, ONE_OF_EACH, True),
    ],
)
@pytest.mark.parametrize("watched", [[], [300, 301]])
def test_places_show_what_they_show_as_often_as_is_said(
    release, top_k, filters, rules, drawable, temperature, watched
):
    history = [Interaction(video, timestamp=NOW - DAY_US) for video in watched]
    asked = Asked(history, NONE, NONE, [], top_k, NOW, filters=filters, rules=rules)

    def draw(seed):
        found = slate_of(release, asked._replace(draw=Draw(0.5, 5, seed, temperature)))
        assert len(found) == length
        return found

    length = len(slate_of(release, asked))
    seen, said = frequencies(draw, 60)
    assert drawable == (max(said.values()) < 1)
    if not drawable:
        assert set(seen.values()) == {60}


@pytest.mark.parametrize("rules", [None, ONE_OF_EACH])
@pytest.mark.parametrize("filters", [{}, FORTY])
def test_where_nothing_is_drawn_the_release_is_asked_once_as_long_as_much_is_left(
    release, rules, filters, monkeypatch
):
    asked, recommend = [], release.recommend

    def counted(*args, **more):
        asked.append(more["top_k"])
        return recommend(*args, **more)

    monkeypatch.setattr(release, "recommend", counted)
    wanted = Asked([], NONE, NONE, [], 3, NOW, filters=filters, rules=rules)
    found = slate_of(release, wanted._replace(draw=Draw(1e-9, 5, 0)))
    assert max(found.propensities) < 1
    assert asked == [3]


@pytest.mark.parametrize("free", [[499], [450, 499], [498, 499]])
def test_with_nearly_all_places_held_a_draw_is_as_likely_as_it_says(free):
    best = slate([f"v{n}" for n in range(500)], more=True)
    held = set(range(500)) - set(free)

    def rest(_, n):
        return slate(["w0", "w1"][:n])

    seen, said = frequencies(
        lambda seed: explored(best, Draw(0.9, 2, seed, 0.5), rest, held=held), 100
    )
    assert min(said.values()) > 0
    for at in range(500):
        assert (said[at, best[at].video_id] == 1) == (at in held)
        assert at in free or seen[at, best[at].video_id] == 100
