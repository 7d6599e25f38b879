"""Cold start: videos that nobody has watched yet, ranked among their like and among all.

    python -m benchmarks.cold_start DATA_DIR [--phase tune] [--places 0 1 2 3] [--set '{…}']
    python -m benchmarks.cold_start DATA_DIR --unknown   # they come after training

A share of the videos, drawn by seed, is held out of every history. Rows are users with something
left before their last video. Where that last video is held out, it is ranked among the held-out
ones and among all; where it is not, among all, and among those that are not held out, which is the
catalogue before the new videos came. Videos of the history are excluded. Every value of `--places`
(`new_video_places`) is one served recommender; title TF-IDF kNN stands beside it. `--phase
tune` chooses on other users' targets: every last event is cut off first, the held-out videos are
taken out altogether, and other ones are drawn among the rest. `--unknown` trains a second model
on a catalogue without the held-out videos and extends it by them, as a catalogue version does.
`--text FILE` gives every video the dense vector of its title, too.

Needs: a directory with the Delta tables of an ingest, or the folder of MicroLens (DATA_DIR)
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinoloop.data.catalogue import Catalogue, Modality, load_catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.ids import IdMap
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.encoders.minilm import MiniLm, MiniLmConfig
from kinoloop.library.public_data import load_microlens
from kinoloop.models.base import Recommender, build
from kinoloop.models.lexical import tfidf
from kinoloop.models.neighbours import Neighbours

ROWS = 400  # scored at a time
TITLE_DECAY = 0.7  # of the title kNN that is the mark to beat


def main() -> None:
    """Fit once, measure every number of places."""
    parser = argparse.ArgumentParser(description="Cold start.")
    parser.add_argument("data", type=Path, help="directory with the Delta tables")
    parser.add_argument("--phase", choices=("test", "tune"), default="test")
    parser.add_argument("--share", type=float, default=0.2, help="of the videos held out")
    parser.add_argument("--places", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--match", type=float, nargs="+", default=[2.0])
    parser.add_argument("--set", default="{}", help="settings that differ, as JSON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unknown", action="store_true", help="held out of training, too")
    parser.add_argument("--text", type=Path, help="file that keeps vectors of titles, as made here")
    parser.add_argument("--limit", type=int, default=10_000, help="rows of each kind")
    arguments = parser.parse_args()
    catalogue, histories = _data(arguments.data)
    if arguments.text is not None:
        catalogue = _with_text(catalogue, arguments.text)
    rng = np.random.default_rng(arguments.seed)
    order = rng.permutation(len(catalogue))
    cold = _mask(order[: int(arguments.share * len(order))], len(order))
    if arguments.phase == "tune":
        histories, catalogue = _without(cold, histories.select(histories.ages > 0), catalogue)
        order = rng.permutation(len(catalogue))
        cold = _mask(order[: int(arguments.share * len(order))], len(order))
    known = histories.select((histories.ages > 0) & ~cold[histories.videos])
    last = histories.select(histories.ages == 0)
    rows = np.flatnonzero((known.lengths > 0) & (last.lengths > 0))
    targets = last.rows(rows).videos
    kinds = [np.flatnonzero(cold[targets] == is_cold) for is_cold in (True, False)]
    picked = [rng.permutation(kind)[: arguments.limit] for kind in kinds]
    settings = json.loads(arguments.set)
    name = settings.setdefault("kind", "sequence")
    if name == "sequence":
        settings.setdefault("length", 20)
    print(f"{cold.sum()} cold videos; {len(picked[0])} cold and {len(picked[1])} warm rows")
    print(settings, flush=True)
    started = time.process_time()
    titles = Neighbours.of(tfidf(catalogue.videos), top_n=200)
    measure = _Measure(known.rows(rows), targets, cold)
    measure("title TF-IDF kNN", lambda part: titles.score(part, decay=TITLE_DECAY), picked)
    model = build(settings, seed=arguments.seed).fit(known, catalogue)
    print(f"fitted in {time.process_time() - started:.0f} CPU s", flush=True)
    for weight in arguments.match if name == "sequence" else [0.0]:
        model.match_weight = weight
        for places in arguments.places:
            model.config = model.config.model_copy(update={"new_video_places": places})
            measure(f"{name}, match {weight:g}, places {places}", model.score, picked)
    if arguments.unknown:
        score = _extended(build(settings, seed=arguments.seed), cold, known, catalogue)
        measure(f"{name}, extended by them after training", score, picked)


def _data(folder: Path) -> tuple[Catalogue, Histories]:
    if not (folder / "videos" / "_delta_log").exists():
        dataset = load_microlens(path=folder)
        return dataset.catalogue, dataset.histories
    tables = Tables(folder)
    catalogue = load_catalogue(tables)
    interest = InterestConfig(rating_liked_from=0)
    return catalogue, load_histories(tables, catalogue.ids, interest)


def _with_text(catalogue: Catalogue, path: Path) -> Catalogue:
    """Add vectors of the titles by MiniLM; they are made once and kept in a file."""
    encoder = MiniLm(MiniLmConfig(kind="minilm"))
    titles = catalogue.videos["title"].fill_null("").to_list()
    if not path.exists():
        started = time.process_time()
        np.save(path, encoder.encode_text(titles))
        print(f"{len(titles)} titles in {time.process_time() - started:.0f} CPU s", flush=True)
    vectors = np.load(path)
    text = Modality(vectors, vectors.any(axis=1), encoder.fingerprint)
    return replace(catalogue, modalities={**catalogue.modalities, "text": text})


def _extended(
    model: Recommender, cold: NDArray[np.bool_], known: Histories, catalogue: Catalogue
) -> Callable[[Histories], NDArray[np.float32]]:
    """Train without the cold videos, extend by them; positions stay those of `catalogue`."""
    order = np.concatenate([np.flatnonzero(~cold), np.flatnonzero(cold)])
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order))
    histories, trained = _without(cold, known, catalogue)
    grown = model.fit(histories, trained).extended(_ordered(catalogue, order))

    def score(part: Histories) -> NDArray[np.float32]:
        return grown.score(replace(part, videos=place[part.videos]))[:, place]

    return score


class _Measure:
    """Ranks and prints one scorer."""

    def __init__(
        self,
        histories: Histories,
        targets: NDArray[np.int32],
        cold: NDArray[np.bool_],
    ) -> None:
        self._histories, self._targets, self._cold = histories, targets, cold

    def __call__(
        self,
        name: str,
        score: Callable[[Histories], NDArray[np.float32]],
        picked: list[NDArray[np.int64]],
    ) -> None:
        """Print HR@10 / NDCG@10 of both kinds of targets, among their like and among all."""
        cold, cold_among_all = self._ranks(score, picked[0], self._cold)
        warm, warm_among_all = self._ranks(score, picked[1], ~self._cold)
        found = (
            ("cold among cold", cold),
            ("among all", cold_among_all),
            ("warm among warm", warm),
            ("among all", warm_among_all),
        )
        parts = [f"{what} {_hr(ranks):.4f} / {_ndcg(ranks):.4f}" for what, ranks in found]
        print(f"{name}: " + ", ".join(parts), flush=True)

    def _ranks(
        self,
        score: Callable[[Histories], NDArray[np.float32]],
        rows: NDArray[np.int64],
        like: NDArray[np.bool_],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ranks among the like and among all; a tie counts against the target."""
        among_like, among_all = [], []
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            histories, targets = self._histories.rows(part), self._targets[part]
            scores = score(histories)
            scores[histories.row_of, histories.videos] = -np.inf
            reached = scores >= scores[np.arange(len(part)), targets][:, None]
            among_all.append(reached.sum(axis=1))
            among_like.append(reached[:, like].sum(axis=1))
        return np.concatenate(among_like), np.concatenate(among_all)


def _without(
    gone: NDArray[np.bool_], histories: Histories, catalogue: Catalogue
) -> tuple[Histories, Catalogue]:
    """Return the world without some videos."""
    kept, place = np.flatnonzero(~gone), np.cumsum(~gone, dtype=np.int32) - 1
    histories = histories.select(~gone[histories.videos])
    histories = replace(histories, videos=place[histories.videos])
    return histories, _ordered(catalogue, kept)


def _ordered(catalogue: Catalogue, kept: NDArray[np.intp]) -> Catalogue:
    modalities = {
        name: replace(modality, vectors=modality.vectors[kept], present=modality.present[kept])
        for name, modality in catalogue.modalities.items()
    }
    videos = catalogue.videos[kept]
    ids, published_at = IdMap(videos["video_id"]), catalogue.published_at[kept]
    return Catalogue(ids, published_at, videos, modalities)


def _mask(videos: NDArray[np.int64], n_videos: int) -> NDArray[np.bool_]:
    mask = np.zeros(n_videos, dtype=np.bool_)
    mask[videos] = True
    return mask


def _hr(ranks: NDArray[np.int64]) -> float:
    return float((ranks <= 10).mean())


def _ndcg(ranks: NDArray[np.int64]) -> float:
    return float(np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0.0).mean())


if __name__ == "__main__":
    main()
