"""What rules of slates cost, in time and in what people get, against what they buy.

    python -m benchmarks.policy [--kind item_knn] [--users 600] [--only price]

Time: `Release.recommend` on a generated release of 19,220 videos, by turns with each policy and
without, CPU milliseconds per answer. Quality: the sample's world and its simulated events, a
recommender that learned all but the last seven days, slates of ten for everybody who liked
something in them. NDCG@10 on what came next; enjoyment: true affinity of the slate as a share of
the best possible slate's; diversity: mean of 1 − cos over the text vectors of a slate; creators: in
a slate; coverage: share of the videos in any slate; Gini: of how often videos are shown (0: all
alike); calibration: mean KL from the topics of the history to those of the slate, lower is better;
new: share of places with a video of the last seven days.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

import kinoloop as kl
from kinoloop.data.fusion import FusionConfig
from kinoloop.data.histories import Histories, Interaction
from kinoloop.encoders.minilm import MiniLm, MiniLmConfig
from kinoloop.evaluation.metrics.coverage import coverage
from kinoloop.evaluation.metrics.diversity import diversity
from kinoloop.models.base import build
from kinoloop.models.top_k import best
from kinoloop.policy.calibration import divergence
from kinoloop.policy.config import RulesConfig
from kinoloop.policy.filters import VideoFilters
from kinoloop.policy.head import Context
from kinoloop.policy.policy import Best, Policies, Policy
from kinoloop.policy.ruling import Ruling
from kinoloop.release.given import Given
from kinoloop.release.release import Release
from kinoloop.sample import Truth, World, build_world
from kinoloop.sample.behaviour import simulate
from kinoloop.sample.topics import TOPICS
from kinoloop.schema import DAY_US
from kinoloop.testing.service import synthetic_bundle

TOP_K, DAYS = 10, 7
POLICIES: Mapping[str, dict[str, Any]] = {
    "off": {},
    "limit: 1 per creator": {"limits": [{"column": "creator_id", "most": 1}]},
    "decay .5": {"decay": {"factor": 0.5}},
    "calibration .1": {"calibration": {"weight": 0.1}},
    "calibration .5": {"calibration": {"weight": 0.5}},
    "mmr .1": {"mmr": {"weight": 0.1}},
    "mmr .5": {"mmr": {"weight": 0.5}},
    "dpp .05": {"dpp": {"weight": 0.05}},
    "dpp .3": {"dpp": {"weight": 0.3}},
    "fresh: 1 of 10": {"fresh": {"places": 1}},
    "whole": {
        "limits": [{"column": "creator_id", "most": 2}],
        "decay": {"factor": 0.7},
        "calibration": {"weight": 0.1},
        "mmr": {"weight": 0.1},
        "fresh": {"places": 1},
        "boosts": [{"where": {"category": TOPICS[0].name}, "by": 0.1}],
        "pins": [{"video_id": "nobody's", "place": 3}],
    },
}


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", default="item_knn")
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("price", "quality"), help="measure this alone")
    arguments = parser.parse_args()
    with threadpool_limits(limits=1):
        if arguments.only != "quality":
            price(arguments.seed)
        if arguments.only != "price":
            quality(arguments.kind, arguments.users, arguments.seed)


def price(seed: int, *, answers: int = 40, rounds: int = 5) -> None:
    """CPU time of an answer with each policy, in turns."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        bundle = synthetic_bundle(Path(folder) / "release", kind="item_knn", users=5000, seed=seed)
        release = Release.open(bundle)
        policies = described(release, rng)
        asked = [
            [Interaction(int(v)) for v in rng.integers(0, len(release.catalogue), 7)]
            for _ in range(answers)
        ]
        spent: dict[str, list[float]] = {name: [] for name in POLICIES}
        for _ in range(rounds + 1):  # the first one warms up
            for name, rules in POLICIES.items():
                policy = policies.of(RulesConfig(**rules)) if rules else None
                started = time.process_time()
                for history in asked:
                    ruling = None if policy is None else Ruling(policy)
                    release.recommend(history, top_k=TOP_K, given=Given(ruling=ruling))
                spent[name].append(1e3 * (time.process_time() - started) / answers)
    table = Table("policy", "CPU ms per answer", "over off, ms", "ratio", title="19,220 videos")
    off = statistics.median(spent["off"][1:])
    for name, values in spent.items():
        mine = statistics.median(values[1:])
        table.add_row(name, f"{mine:.2f}", f"{mine - off:+.2f}", f"{mine / off:.2f}")
    Console().print(table)


def described(release: Release, rng: np.random.Generator) -> Policies:
    """Rules of a release whose videos have creators, categories and tags besides."""
    n = len(release.catalogue)
    topics = np.array([topic.name for topic in TOPICS])
    videos = release.catalogue.videos.with_columns(
        creator_id=pl.Series([f"creator {code}" for code in rng.zipf(1.3, n) % 3000]),
        category=pl.Series(topics[rng.integers(0, len(topics), n)]),
        tags=pl.Series([[f"tag {code}" for code in rng.integers(0, 500, 4)] for _ in range(n)]),
    )
    catalogue = replace(release.catalogue, videos=videos)
    return Policies(catalogue, VideoFilters(videos), release.info.fusion)


def quality(kind: str, users: int, seed: int) -> None:
    """Measure the slates of the sample with each policy."""
    world = build_world()
    data = sample(world)
    catalogue = data.catalogue
    cut = round(world.config.at(world.config.days - DAYS).timestamp() * 1e6)
    known = data.histories.select(data.histories.timestamps < cut)
    came = data.histories.select((data.histories.timestamps >= cut) & (data.histories.weights > 0))
    recommender = build({"kind": kind}, seed=seed).fit(known, catalogue)
    filters, truth = VideoFilters(catalogue.videos), Truth(world)
    moment = world.config.at(world.config.days - DAYS / 2)
    now = round(moment.timestamp() * 1e6)
    open_now = np.asarray(catalogue.published_at) <= now
    rows = [row for row in range(len(came)) if came.lengths[row]][:users]
    at = {name: row for row, name in enumerate(known.user_ids)}
    rows = [row for row in rows if came.user_ids[row] in at]
    table = Table("policy", *MEASURES, title=f"{kind}, {len(rows)} users of the sample")
    for name, rules in POLICIES.items():
        policy = Policy(RulesConfig(**rules), catalogue, filters, FusionConfig())
        found: list[list[float]] = []
        slates = []
        for row in rows:
            user = came.user_ids[row]
            history = known.rows(np.array([at[user]]))
            scores = recommender.score(history)[0]
            scores[history.videos] = -np.inf
            scores[~open_now] = -np.inf
            context = Context(now, TOP_K, history)
            top = best(scores, policy.candidates(TOP_K))
            slate = policy.arrange(Best(top, scores[top]), scores, context).videos[:TOP_K]
            slates.append(slate)
            targets = came.videos[came.offsets[row] : came.offsets[row + 1]]
            seen = set(catalogue.ids.externals(history.videos.tolist()))
            shown = catalogue.ids.externals(slate.tolist())
            found.append(
                [
                    ndcg(slate, targets),
                    truth.closeness(user, shown, moment, exclude=seen),
                    len({world.videos[v].creator for v in order(world, shown)}),
                    mix(catalogue.videos["category"].to_list(), history, slate),
                    float((np.asarray(catalogue.published_at)[slate] > now - DAYS * DAY_US).mean()),
                ]
            )
        shown_by = np.array(slates)
        means = np.mean(found, axis=0)
        alike = float(np.nanmean(diversity(shown_by, catalogue.modalities["text"])))
        values = (
            *means[:2], alike, means[2], coverage(shown_by, len(catalogue)),
            gini(np.bincount(shown_by.ravel(), minlength=len(catalogue))), *means[3:],
        )  # fmt: skip
        table.add_row(name, *(f"{value:.3f}" for value in values))
    Console(width=140).print(table)


MEASURES = (
    *("NDCG@10", "enjoyment", "diversity", "creators", "coverage", "Gini"),
    *("calibration", "new"),
)


def sample(world: World) -> kl.Dataset:
    """Return the sample without its media: words, vectors of titles and tags, simulated events."""
    titles = [f"{video.title}. {' '.join(video.tags)}" for video in world.videos]
    vectors = MiniLm(MiniLmConfig()).encode_text(titles)
    ids = [video.video_id for video in world.videos]
    videos = pl.DataFrame(
        {
            "video_id": ids,
            "title": [video.title for video in world.videos],
            "tags": [video.tags for video in world.videos],
            "category": [TOPICS[video.topic].name for video in world.videos],
            "creator_id": [world.creators[video.creator] for video in world.videos],
            "published_at": [world.config.at(video.published) for video in world.videos],
            "duration_s": [video.seconds for video in world.videos],
        }
    )
    events = simulate(world).drop_nulls("video_id")
    wanted = ["user_id", "video_id", "timestamp", "event", "watch_s", "value"]
    events = events.filter(~pl.col("event").is_in(["impression", "search"])).select(wanted)
    features = {"text": pl.DataFrame({"video_id": ids, "vector": vectors.tolist()})}
    return kl.Dataset.from_frames(events, videos, features=features)


def order(world: World, shown: list[str]) -> list[int]:
    """Positions in the world of some videos."""
    at = {video.video_id: index for index, video in enumerate(world.videos)}
    return [at[video] for video in shown]


def ndcg(slate: np.ndarray, targets: np.ndarray) -> float:
    """NDCG of one slate, each target equally good."""
    gains = np.isin(slate, targets) / np.log2(np.arange(len(slate)) + 2)
    ideal = (1 / np.log2(np.arange(min(len(slate), len(targets))) + 2)).sum()
    return float(gains.sum() / ideal)


def gini(counts: np.ndarray) -> float:
    """Gini coefficient of exposure: 0 where all are shown alike, towards 1 where one is alone."""
    ordered = np.sort(counts).astype(float)
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def mix(topics: list[str], history: Histories, slate: np.ndarray) -> float:
    """KL from the shares of topics in what was liked to those in the slate."""
    names = sorted(set(topics))
    code = np.array([names.index(topic) for topic in topics])
    liked = history.weights > 0
    wanted = np.bincount(code[history.videos[liked]], history.weights[liked], len(names))
    there = wanted > 0
    if not there.any():
        return 0.0
    shares = np.bincount(code[slate], minlength=len(names)) / len(slate)
    return float(divergence(wanted[there] / wanted.sum(), shares[None, there])[0])


if __name__ == "__main__":
    main()
