"""Where the right clip ranks for a text query: by words, by sound and frames, and by all of it.

    python -m benchmarks.retrieval FOLDER [QUERIES] [--titles file|subject|none]
        [--speech tiny.en] [--keep DATA]

FOLDER holds manifest.csv and media/. Titles are the files' names as an upload would have them;
`--titles none` takes them away, so that content alone answers, and `--titles subject` takes the
manifest's subject, which is the easier case: queries were written from it. Extraction, labels and
moments run with their defaults, as the extract flow runs them; with `--keep` what was extracted
stays in DATA and is not extracted again. `more_clip_queries.toml` holds queries for the other
clips: rules are chosen by those, and reported by the shipped ones. Columns:

    words          search over titles and subtitles, without labels
    sound, frames  labels of sound and frames: what was measured, and what the pictures show
    shown          the nearest moment by what its pictures show, and nothing else
    read           likewise, by the words in its pictures
    said           likewise, by subtitles and, with `--speech`, by what is heard
    fused          search as the service does it: meaning (text, things shown, moments),
                   words, labels

Ends with the moment that the fused answer gives for the right clip.

Clips that a query does not reach share the mean of the ranks that are left.

Needs: a folder with manifest.csv and media/ (FOLDER)
"""

import argparse
import csv
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kinoloop.data.catalogue import CONTENT, Catalogue, load_catalogue, load_moments
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.tables import Tables
from kinoloop.encoders import base as encoders
from kinoloop.encoders.base import TextEncoder
from kinoloop.extraction.config import ExtractConfig, SpeechConfig
from kinoloop.extraction.inventory import Roots
from kinoloop.extraction.products import VectorProduct as Product
from kinoloop.extraction.products import make_products
from kinoloop.extraction.run import extract
from kinoloop.models.base import build
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Provenance
from kinoloop.release.label_search import LabelSearch
from kinoloop.release.release import Release
from kinoloop.schema import VIDEOS
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.label import label
from kinoloop.semantics.moments import describe_moments
from kinoloop.semantics.spaces import VectorSpace

QUERIES = Path(__file__).with_name("clip_queries.toml")
CONFIG = ExtractConfig()


def main() -> None:
    """Print the table and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("queries", type=Path, nargs="?", default=QUERIES)
    parser.add_argument("--titles", choices=("file", "subject", "none"), default="file")
    parser.add_argument("--speech", default="", help="as [extract.speech] model")
    parser.add_argument("--keep", type=Path, help="where to leave what was extracted")
    options = parser.parse_args()
    config = CONFIG.model_copy(update={"speech": SpeechConfig(model=options.speech)})
    queries = tomllib.loads(options.queries.read_text())["query"]
    with tempfile.TemporaryDirectory() as folder:
        kept = options.keep or Path(folder)
        tables = Tables(kept / "data")
        _write_videos(tables, options.folder, options.titles)
        roots = Roots((options.folder / "media",))
        print(extract(tables, config, roots=roots, state_dir=kept / "state").to_dict())
        spaces = {
            product.modality: VectorSpace(product.settings, product.fingerprint)
            for product in make_products(CONFIG)
            if isinstance(product, Product)
        }
        seen_and_heard = {name: spaces[name] for name in ("visual", "audio")}
        print("measured:", label(tables, SemanticsConfig(), seen_and_heard).counts)
        measured = load_catalogue(tables)
        print("all:", label(tables, SemanticsConfig(), spaces).counts)
        everything = load_catalogue(tables)
        describe_moments(tables, SemanticsConfig(), spaces)
        moments = load_moments(tables, everything.fingerprints["text"])
        bare = replace(everything, videos=everything.videos.drop(CONTENT))
        ranks = {
            "words": _search_ranks(Path(folder) / "bare", bare, queries),
            "sound, frames": _label_ranks(measured, queries),
            **_moment_ranks(moments, everything, queries),
            "fused": _search_ranks(Path(folder) / "fused", everything, queries, moments),
        }
        _show(queries, ranks, len(everything))
        _show_moments(Release.open(Path(folder) / "fused"), queries)


def _write_videos(tables: Tables, folder: Path, titles: str) -> None:
    rows = []
    with (folder / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if not row["container"]:
                continue  # a subtitle file
            stem = Path(row["file"].split("__", 1)[1]).stem
            named = stem.replace("_", " ").replace("-", " ").replace(".", " ")
            given = {"file": named, "subject": row["subject"], "none": None}
            subtitles = row["subtitle_file"].split(" (")[0] or None
            rows.append(
                {
                    "video_id": row["file"],
                    "title": given[titles],
                    "media": row["file"],
                    "subtitles": subtitles,
                }
            )
    pl.DataFrame(rows, schema=VIDEOS).write_delta(str(tables.path("videos")), mode="overwrite")


def _search_ranks(
    directory: Path,
    catalogue: Catalogue,
    queries: Sequence[Mapping[str, object]],
    moments: pl.DataFrame | None = None,
) -> list[float]:
    """Rank of the right clip in the answer of a release."""
    watched = [Interaction(video, timestamp=video) for video in range(len(catalogue))]
    histories = Histories.from_rows([watched], ["0" * 32])
    write_bundle(
        directory,
        recommender=build({"kind": "popularity"}).fit(histories, catalogue),
        catalogue=catalogue,
        histories=histories,
        provenance=Provenance(encoders={"text": dict(CONFIG.encoders[0])}),
        moments=moments,
    )
    release = Release.open(directory)
    ranks = []
    for query in queries:
        slate = release.search(str(query["text"]), top_k=len(catalogue))
        order = [place.video_id for place in slate]
        found = [order.index(clip) + 1 for clip in _right(query) if clip in order]
        rest = (len(order) + 1 + len(catalogue)) / 2
        ranks.append(float(min(found, default=rest)))
    return ranks


def _label_ranks(catalogue: Catalogue, queries: Sequence[Mapping[str, object]]) -> list[float]:
    """Rank of the right clip by labels alone."""
    encoder = encoders.build(dict(CONFIG.encoders[0]))
    assert isinstance(encoder, TextEncoder)
    search = LabelSearch(catalogue.videos["labels"], len(catalogue))
    ranks = []
    for query in queries:
        scores = search.score(encoder.encode_text([str(query["text"])])[0], encoder.encode_text)
        of_right = [
            1 + (scores > scores[i]).sum() + ((scores == scores[i]).sum() - 1) / 2
            for i in map(catalogue.ids.index, _right(query))
        ]
        ranks.append(float(min(of_right)))
    return ranks


def _moment_ranks(
    moments: pl.DataFrame, catalogue: Catalogue, queries: Sequence[Mapping[str, object]]
) -> dict[str, list[float]]:
    """Rank of the right clip by its nearest moment of each kind; without one it is last."""
    encoder = encoders.build(dict(CONFIG.encoders[0]))
    assert isinstance(encoder, TextEncoder)
    asked = encoder.encode_text([str(query["text"]) for query in queries])
    rows = moments.explode("moments").drop_nulls("moments").unnest("moments")
    vectors = np.stack([np.frombuffer(v, np.float16) for v in rows["vector"]]).astype(np.float32)
    kinds = {"shown": pl.col("shows").list.len() > 0, "read": pl.col("reads") != ""}
    ranks = {}
    for kind, wanted in {**kinds, "said": pl.col("says") != ""}.items():
        chosen = np.flatnonzero(rows.select(wanted).to_series().to_numpy())
        scores = np.full((len(queries), len(catalogue)), -1.0)
        for i in chosen.tolist():
            video = catalogue.ids.index(rows["video_id"][i])
            scores[:, video] = np.maximum(scores[:, video], asked @ vectors[i])
        ranks[kind] = [
            float(min(_rank(row, catalogue.ids.index(clip)) for clip in _right(query)))
            for row, query in zip(scores, queries, strict=True)
        ]
        clips = rows[chosen]["video_id"].n_unique()
        print(f"{len(chosen)} moments say what is {kind}, of {clips} clips")
    return ranks


def _rank(scores: NDArray[np.float64], of: int) -> float:
    """Rank of one score; of equal ones, the middle of their ranks."""
    at = scores[of]
    return float(1 + (scores > at).sum() + ((scores == at).sum() - 1) / 2)


def _show_moments(release: Release, queries: Sequence[Mapping[str, object]]) -> None:
    print("\n| query | right clip | moment | why |\n|---|---|---|---|")
    for query in queries:
        slate = release.search(str(query["text"]), top_k=len(release.catalogue))
        for place in slate:
            if place.video_id in _right(query):
                when = "" if place.start_s is None else f"{place.start_s:.1f}–{place.end_s:.1f} s"
                print(f"| {query['text']} | {place.video_id} | {when} | {place.reason} |")


def _right(query: Mapping[str, object]) -> list[str]:
    also = query.get("also", [])
    assert isinstance(also, list)
    return [str(query["clip"]), *map(str, also)]


def _show(
    queries: Sequence[Mapping[str, object]], ranks: Mapping[str, Sequence[float]], clips: int
) -> None:
    print(f"\n| query | {' | '.join(ranks)} |\n|---|{'---|' * len(ranks)}")
    for i, query in enumerate(queries):
        print(f"| {query['text']} | {' | '.join(f'{r[i]:g}' for r in ranks.values())} |")
    chance = np.mean(1 / np.arange(1, clips + 1))
    print(f"\n{len(queries)} queries over {clips} clips; MRR by chance {chance:.3f}")
    for name, found in ranks.items():
        at = np.array(found)
        print(
            f"{name:14} MRR {np.mean(1 / at):.3f}  hits@1 {np.mean(at <= 1):.2f}  "
            f"hits@5 {np.mean(at <= 5):.2f}"
        )


if __name__ == "__main__":
    main()
