"""What the features of videos are worth on the sample: none, classical, packaged, and joined.

    python -m benchmarks.features [--folder features] [--kinds concat_match sequence] [--seeds 0]
    python -m benchmarks.features --variants packaged joint "joint alone"   # the learned fusion

Each variant fits the same recommenders on the same split as retrain does (validation 3 days, test
4) and prints, per kind and with 95 % intervals of the paired difference to the first variant:
NDCG@10 of the test window; of its targets that nobody had watched in training (cold start); and
the share of the best possible enjoyment of slates of six, which the sample's oracle knows. Without
a ranker. Values are means over the seeds. Before that, of the ten videos most similar to each one,
the share that has its topic. `none` has neither vectors nor labels, only words of the catalogue;
`joint` adds the learned joint vector (`[fusion.contrastive]`) to the packaged vectors, `joint
alone` has it in their place. Videos are extracted once, into the folder.

Needs: the sample (`dvc pull`)
"""

import argparse
import json
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.harness.sample_tables import PSEUDONYMS, SAMPLE, described
from kinoloop.data.catalogue import CONTENT, Catalogue, load_catalogue
from kinoloop.data.fusion import FusionConfig, fuse
from kinoloop.data.histories import Histories
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.joint import JOINT
from kinoloop.data.sampling import evenly_spaced
from kinoloop.evaluation.compare import paired
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.split import Split, temporal_split
from kinoloop.models.base import Recommender, build
from kinoloop.models.top_k import best_columns
from kinoloop.release.availability import Availability
from kinoloop.sample import Truth, build_world
from kinoloop.training.contrastive import ContrastiveConfig, learn

VARIANTS = ("packaged", "classical", "none", "joint", "joint alone")
SLATE, SIMILAR = 6, 10
Values = dict[str, NDArray[np.float64]]


def main() -> None:
    """Measure each variant."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("features"))
    parser.add_argument("--sample", type=Path, default=SAMPLE)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--kinds", nargs="+", default=["concat_match", "sequence"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--users", type=int, default=300, help="whose slates are judged")
    parser.add_argument("--joint", default="{}", help="settings of [fusion.contrastive], as JSON")
    given = parser.parse_args()
    joint = ContrastiveConfig(**json.loads(given.joint))
    worlds = {name: _world(name, given, joint) for name in given.variants}
    for name, (catalogue, _) in worlds.items():
        weights = FusionConfig(joint=float(JOINT in catalogue.modalities))
        print(f"{name}: {_same_topic(catalogue, weights)}", flush=True)
    for kind in given.kinds:
        reference: Values = {}
        for name, (catalogue, histories) in worlds.items():
            split = temporal_split(histories, validation_days=3, test_days=4)
            runs, started = [], time.process_time()
            for seed in given.seeds:
                with threadpool_limits(limits=1):
                    model = build({"kind": kind}, seed=seed).fit(
                        split.train, catalogue, validation=split.validation
                    )
                    runs.append(_measured(model, split, histories, users=given.users))
            found = {m: np.mean([run[m] for run in runs], axis=0) for m in runs[0]}
            reference = reference or found
            spent = time.process_time() - started
            print(f"{kind}, {name} ({spent:.0f} CPU s): {_told(found, reference)}", flush=True)


def _world(
    name: str, given: argparse.Namespace, joint: ContrastiveConfig
) -> tuple[Catalogue, Histories]:
    encoders = "classical" if name == "classical" else "packaged"
    tables = described(given.sample, given.folder, encoders)
    catalogue = load_catalogue(tables)
    histories = load_histories(tables, catalogue.ids, InterestConfig())
    if name == "none":
        bare = [column for column in CONTENT if column in catalogue.videos.columns]
        catalogue = replace(catalogue, modalities={}, videos=catalogue.videos.drop(bare))
    if name.startswith("joint"):
        learned = learn(catalogue.modalities, joint)
        if learned is None:
            raise SystemExit("too few videos have two modalities")
        print(f"{name}: {learned.fingerprint}, {dict(learned.measured)}", flush=True)
        catalogue = learned.added_to(catalogue)
        if name == "joint alone":
            catalogue = replace(catalogue, modalities={JOINT: catalogue.modalities[JOINT]})
    return catalogue, histories


def _same_topic(catalogue: Catalogue, weights: FusionConfig) -> str:
    """Share of the nearest ten that have the topic of a video."""
    if not catalogue.modalities:
        return "nothing to be similar by"
    topics = {video.video_id: video.topic for video in build_world().videos}
    topic = np.array([topics.get(video_id, -1) for video_id in catalogue.ids.ids])
    shares = {}
    for label, one in (("[fusion]", FusionConfig()), ("joint alone", FusionConfig(
        text=0, visual=0, audio=0, joint=1))):  # fmt: skip
        if label == "joint alone" and not weights.joint:
            continue
        if not any(one.of(modality) for modality in catalogue.modalities):
            continue
        fused = fuse(catalogue.modalities, one)
        scores = fused.vectors @ fused.vectors.T
        np.fill_diagonal(scores, -np.inf)
        nearest = best_columns(scores, SIMILAR)
        known = np.flatnonzero((topic >= 0) & fused.masks.any(axis=1))
        shares[label] = float((topic[nearest[known]] == topic[known][:, None]).mean())
    told = ", ".join(f"{label} {share:.3f}" for label, share in shares.items())
    return f"same topic among the nearest {SIMILAR}: {told}"


def _measured(model: Recommender, split: Split, histories: Histories, *, users: int) -> Values:
    counts = np.bincount(split.train.videos, minlength=len(model.catalogue))
    new = counts[split.test.targets.videos] == 0
    found = evaluate(model, split.test, metrics=("ndcg",), ks=(10,), parts={"new": new})
    values = {"NDCG@10": found.per_user["ndcg@10"].to_numpy()}
    if "new" in found.parts:
        values["of new videos"] = found.parts["new"]["ndcg@10"]
    values["enjoyment"] = _enjoyment(model, histories, users=users)
    return values


def _enjoyment(model: Recommender, histories: Histories, *, users: int) -> NDArray[np.float64]:
    """Share of the best possible enjoyment of each user's slate at the end of the sample."""
    world = build_world()
    truth, now = Truth(world), world.config.at(world.config.days)
    raw = {PSEUDONYMS.of(user): user for user in world.user_ids}
    asking = histories.rows(evenly_spaced(len(histories), users))
    scores = model.score(asking)
    scores[asking.row_of, asking.videos] = -np.inf
    scores[:, Availability(model.catalogue).closed(_microseconds(now))] = -np.inf
    ids, found = model.catalogue.ids.ids, []
    for row, slate in enumerate(best_columns(scores, SLATE)):
        seen = {ids[video] for video in asking.videos[asking.row(row)].tolist()}
        shown = [ids[video] for video in slate.tolist()]
        user = raw[(asking.user_ids or [""])[row] or ""]
        found.append(truth.closeness(user, shown, now, exclude=seen))
    return np.array(found)


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)


def _told(found: Values, reference: Values) -> str:
    parts = []
    for name, values in found.items():
        change = paired(values, reference[name], seed=0)
        difference = f" {change.mean:+.4f} [{change.low:+.4f}, {change.high:+.4f}]"
        parts.append(
            f"{name} {values.mean():.4f}{'' if found is reference else difference} "
            f"({len(values)} users)"
        )
    return "; ".join(parts)


if __name__ == "__main__":
    main()
