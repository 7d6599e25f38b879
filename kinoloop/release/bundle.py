"""Writing a release bundle: one immutable directory with all that serving needs.

    bundle.json          what it is, where it comes from, SHA-256 of every other file
    bundle.sig           who made it: a signature of bundle.json, once it leaves its machine
    model/               the recommender: config.json + state.safetensors
    learned/             what a later training goes on from, per candidate; may be missing
    ranker/              what orders its best: config.json + state.safetensors; may be missing
    videos.parquet       what the API shows and filters on
    published_at.npy     (n_videos,) int64
    vectors/             per modality: vectors, mask, and what similarity needs
    lexical/             inverted tf-idf index of titles, tags and descriptions
    histories/           pseudonym → newest interactions, the videos of older ones, and vectors of
                         the newest searches and comments where the ranker reads them
    thumbnails/          one packed file and its table
    retrieval/           what finds the best of many videos; of few there is none
    moments/             what videos show, read and say when; may be missing
    joint.safetensors    projections of the joint vectors; may be missing
    golden.json          requests with expected answers

Arrays are `.npy`, read memory-mapped. No file is a pickle. The directory appears whole or never.
"""

import logging
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import polars as pl

from kinoloop import durable
from kinoloop.data.catalogue import CONTENT, SHOWN, Catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.joint import FILE as JOINT_FILE
from kinoloop.data.joint import Joint
from kinoloop.data.search_log import SearchLog
from kinoloop.data.video_text import texts_of
from kinoloop.errors import BundleError
from kinoloop.models.base import Recommender
from kinoloop.ranking.ranker import Ranker
from kinoloop.release.asking import ask
from kinoloop.release.files import digests, write_array
from kinoloop.release.golden import write_golden
from kinoloop.release.index_writing import write_indexes
from kinoloop.release.info import BundleInfo, Provenance, write_info
from kinoloop.release.lexical import write_index
from kinoloop.release.moments import Moments, write_moments
from kinoloop.release.release import Release
from kinoloop.release.search import Search
from kinoloop.release.search_training import learn_weights
from kinoloop.release.similarity import write_centres
from kinoloop.release.texts import write_texts
from kinoloop.release.thumbnails import write_thumbnails
from kinoloop.release.user_histories import HISTORY_LIMIT, write_histories
from kinoloop.retrieval.config import RetrievalConfig

logger = logging.getLogger(__name__)

WRITTEN = (*SHOWN, *CONTENT)
"""Columns of `videos.parquet`; paths of media stay at home."""

LEARNED = "learned"
"""Folder of what later trainings go on from; a service never reads it."""

SEARCHED = (
    *("title", "tags", "labels", "free_tags", "occurrences"),
    *("creator_id", "description", "category"),
)
"""Columns whose words find a video."""


def write_bundle(
    directory: Path,
    *,
    recommender: Recommender,
    catalogue: Catalogue,
    histories: Histories,
    provenance: Provenance | None = None,
    thumbnails: Iterable[tuple[str, bytes | None]] = (),
    ranker: Ranker | None = None,
    learned: Mapping[str, Path] | None = None,
    searches: SearchLog | None = None,
    moments: pl.DataFrame | None = None,
    joint: Joint | None = None,
    retrieval: RetrievalConfig | None = None,
) -> BundleInfo:
    """Write a bundle.

    Args:
        directory: Must not exist.
        recommender: Fitted on `catalogue`.
        catalogue: The videos that can be recommended.
        histories: What the users did, newest included; rows without a pseudonym are not stored.
        provenance: Where the release comes from.
        thumbnails: Video ids with their JPEG, in any order, streamed.
        ranker: Fitted on `catalogue`; None for slates as retrieval orders them.
        searches: What the shares of a search are learned from; None leaves them as they are.
        learned: Files that later trainings go on from, by the name of the candidate.
        moments: `data.catalogue.load_moments` for the text vectors of `catalogue`.
        joint: What made the joint vectors of `catalogue`; None where it has none.
        retrieval: From which size on it gets indexes, and how good ones.

    Returns:
        What `bundle.json` now holds.

    Raises:
        BundleError: The directory exists, or a pseudonym is there twice.
        NotFittedError: The recommender is not fitted.
    """
    provenance = provenance or Provenance()
    if directory.exists():
        raise BundleError(f"{directory} exists already; bundles are immutable, choose a new path")
    with durable.appearing(directory) as fresh:
        fresh.mkdir()
        recommender.save(fresh / "model")
        if ranker is not None:
            ranker.save(fresh / "ranker")
        for name, path in (learned or {}).items():
            (fresh / LEARNED).mkdir(exist_ok=True)
            shutil.copyfile(path, fresh / LEARNED / f"{name}.safetensors")
        _write_catalogue(fresh, catalogue)
        known = write_histories(fresh / "histories", histories, limit=HISTORY_LIMIT)
        if known.written is not None and ranker is not None and ranker.config.reads_written:
            write_texts(fresh / "histories", known)
        write_thumbnails(fresh / "thumbnails", catalogue.ids, thumbnails)
        if joint is not None:
            joint.save(fresh / JOINT_FILE)
        if moments is not None:
            write_moments(fresh / "moments", catalogue.ids, moments)
        info = BundleInfo(
            **provenance.model_dump(),
            kind=recommender.config.kind,
            settings=recommender.config.model_dump(mode="json"),
            fingerprints=catalogue.fingerprints,
            videos=len(catalogue),
            users=len(known),
            created_at=datetime.now(UTC),
            files={},
        )
        write_info(fresh, info)
        if searches is not None:
            found = Moments(fresh / "moments", len(catalogue))
            weights = learn_weights(Search(fresh, info, catalogue, found), searches)
            info = info.model_copy(update={"search": weights})
        release = Release.read(fresh, info)
        write_indexes(release, retrieval or RetrievalConfig())
        write_golden(fresh / "golden.json", release.golden_requests(), partial(ask, release))
        info = info.model_copy(update={"files": digests(fresh)})
        write_info(fresh, info)
    logger.info("wrote %s: %s, %d videos, %d users", directory, info.kind, info.videos, info.users)
    return info


def _write_catalogue(directory: Path, catalogue: Catalogue) -> None:
    videos = catalogue.videos
    videos.select([c for c in WRITTEN if c in videos.columns]).write_parquet(
        directory / "videos.parquet"
    )
    write_array(directory / "published_at.npy", catalogue.published_at)
    write_index(directory / "lexical", texts_of(videos, SEARCHED))
    (directory / "vectors").mkdir()
    for name, modality in catalogue.modalities.items():
        write_array(directory / "vectors" / f"{name}.npy", modality.vectors)
        write_array(directory / "vectors" / f"{name}.present.npy", modality.present)
        write_centres(directory / "vectors", name, modality)
