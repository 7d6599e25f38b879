"""Writing a catalogue version: what a model serves with when the catalogue has moved on.

It is a bundle like the model's own, with the model, its ranker and the users' histories unchanged
(hard links of the same files) and everything that depends on the catalogue brought up to date:
rows, times, vectors, indexes, thumbnails, and what model and ranker know of videos that they were
not trained on. What is not changed is copied or linked; what is new is computed.

Before it counts, it must answer the model's golden requests as the model does where both leave out
what is new or changed and know the popularity of training: a catalogue must not change what was
proven. (The written answers do not tell: a changed video in no answer may have kept another from
being re-ranked into one.)
"""

import copy
import json
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import save_file

from kinoloop import durable
from kinoloop.data.fusion import scales_of
from kinoloop.data.growth import Growth
from kinoloop.data.joint import FILE as JOINT_FILE
from kinoloop.data.video_text import texts_of
from kinoloop.models.anchors import Anchors
from kinoloop.models.base import EXTENSION
from kinoloop.release.asking import ask
from kinoloop.release.bundle import SEARCHED
from kinoloop.release.files import digests_of, link, open_array, write_array
from kinoloop.release.golden import check_golden, write_golden
from kinoloop.release.index_writing import write_indexes
from kinoloop.release.info import BundleInfo, CatalogueVersion, write_info
from kinoloop.release.lexical import grow_index
from kinoloop.release.moments import write_moments
from kinoloop.release.popularity import FILE as POPULARITY
from kinoloop.release.release import Release
from kinoloop.release.thumbnails import grow_thumbnails
from kinoloop.retrieval.config import RetrievalConfig
from kinoloop.schema import MOMENTS

logger = logging.getLogger(__name__)


def write_version(
    directory: Path,
    *,
    model: Release,
    before: Release,
    growth: Growth,
    thumbnails: Iterable[tuple[str, bytes | None]],
    made_of: Mapping[str, Any],
    moments: pl.DataFrame | None = None,
    retrieval: RetrievalConfig | None = None,
) -> BundleInfo:
    """Write the next catalogue version of a model.

    Args:
        directory: Must not exist, on the disk of `before`.
        model: The model's own bundle.
        before: Its newest catalogue version, or `model`.
        growth: The catalogue of `before` as it is now.
        thumbnails: Of new and changed videos.
        moments: Likewise, `data.catalogue.load_moments`.
        retrieval: From which size on it gets indexes, and how good ones.
        made_of: `dataset_version` and `table_versions` of the tables that were read.

    Returns:
        What its `bundle.json` holds.

    Raises:
        BundleError: With this catalogue the model answers otherwise about videos it knew before.
    """
    with durable.appearing(directory) as fresh:
        fresh.mkdir()
        kept = _link_unchanged(before, fresh)
        _grow_model(before, growth, fresh)
        _grow_catalogue(before, growth, fresh)
        if growth.popularity is not None:
            write_array(fresh / POPULARITY, growth.popularity)
        kept |= grow_thumbnails(
            before.directory / "thumbnails", fresh / "thumbnails", growth.catalogue.ids, thumbnails
        )
        if moments is None:
            moments = pl.DataFrame(schema={name: MOMENTS[name] for name in ("video_id", "moments")})
        old = before.directory / "moments"
        write_moments(fresh / "moments", growth.catalogue.ids, moments, before=old)
        number = 1 if before.info.catalogue is None else before.info.catalogue.number + 1
        info = before.info.model_copy(
            update={
                "videos": len(growth.catalogue),
                "created_at": datetime.now(UTC),
                "files": {},
                "catalogue": CatalogueVersion(
                    number=number,
                    model=model.info.digest,
                    trained=model.info.videos,
                    extracted_until=growth.extracted_until,
                    **made_of,
                ),
            }
        )
        write_info(fresh, info)
        release = Release.read(fresh, info)
        _check_proven(model, release)
        config = retrieval or RetrievalConfig()
        write_indexes(release, config, before=before, changed=growth.touched)
        write_golden(fresh / "golden.json", release.golden_requests(), partial(ask, release))
        known = {name: digest for name, digest in before.info.files.items() if name in kept}
        info = info.model_copy(update={"files": digests_of(fresh, known=known)})
        write_info(fresh, info)
    logger.info(
        "wrote %s: catalogue version %d, %d videos, %d new, %d changed, %d withdrawn",
        *(directory, number, info.videos, growth.new, len(growth.changed), growth.withdrawn),
    )
    return info


def _link_unchanged(before: Release, fresh: Path) -> set[str]:
    """Link what no catalogue changes; returns the names."""
    kept = {
        name
        for name in before.info.files
        if (name.startswith(("histories/", "model/", "ranker/")) and not name.endswith(EXTENSION))
        or name.endswith(".mean.npy")
        or name == JOINT_FILE
    }
    for name in sorted(kept):
        link(before.directory / name, fresh / name)
    return kept


def _grow_model(before: Release, growth: Growth, fresh: Path) -> None:
    recommender = before.recommender.extended(growth.catalogue, changed=growth.touched)
    save_file(recommender.extension, fresh / "model" / EXTENSION)
    if before.reranking is not None:
        anchors = Anchors.from_state(recommender.extension)
        ranker = before.reranking.ranker.extended(growth.catalogue, anchors)
        save_file(ranker.extension, fresh / "ranker" / EXTENSION)


def _grow_catalogue(before: Release, growth: Growth, fresh: Path) -> None:
    catalogue, touched = growth.catalogue, growth.touched
    catalogue.videos.write_parquet(fresh / "videos.parquet")
    write_array(fresh / "published_at.npy", catalogue.published_at)
    texts = texts_of(catalogue.videos[touched.tolist()], SEARCHED)
    grow_index(
        before.directory / "lexical",
        fresh / "lexical",
        n_documents=len(catalogue),
        changed=touched,
        documents=texts,
    )
    for name, modality in catalogue.modalities.items():
        vectors = fresh / "vectors"
        write_array(vectors / f"{name}.npy", modality.vectors)
        write_array(vectors / f"{name}.present.npy", modality.present)
        if modality.centred is not None:
            _, scales = modality.centred
        else:  # the mean stays that of training
            mean = open_array(vectors / f"{name}.mean.npy")
            scales = scales_of(modality.vectors, modality.present, mean)
        write_array(vectors / f"{name}.scales.npy", scales)


def _check_proven(model: Release, release: Release) -> None:
    """Ask the model its golden requests with and without this catalogue, on untouched videos.

    Where a video that it was trained on is another one now, the model is asked anew without it:
    a ranker weighs candidates against each other, and one that is gone shifts all of them.

    Raises:
        BundleError: The answers differ.
    """
    touched, release = _touched_since(model, release), copy.copy(release)
    release.recommender = release.recommender.proven
    trained = touched[touched < len(model.catalogue)]
    if len(trained):
        model.ask_golden()
    check_golden(
        model.directory / "golden.json",
        partial(ask, release, without=touched),
        before=partial(ask, model, without=trained) if len(trained) else None,
        unless=partial(_names, ids=set(release.catalogue.ids.externals(touched))),
    )


def _touched_since(model: Release, release: Release) -> NDArray[np.intp]:
    """Positions that the model's own bundle does not have, or has otherwise."""
    known, now = model.catalogue, release.catalogue.first(len(model.catalogue))
    differs = np.zeros(len(release.catalogue), dtype=np.bool_)
    differs[len(known) :] = True
    for column in set(known.videos.columns) & set(now.videos.columns):
        theirs = known.videos[column].cast(now.videos.schema[column], strict=False)
        differs[: len(known)] |= theirs.ne_missing(now.videos[column]).to_numpy()
    if "withdrawn" in now.videos.columns:
        differs[: len(known)] |= now.videos["withdrawn"].to_numpy()
    for name, modality in known.modalities.items():
        differs[: len(known)] |= (modality.vectors != now.modalities[name].vectors).any(axis=1)
    return np.flatnonzero(differs)


def _names(request: Mapping[str, Any], *, ids: set[str]) -> bool:
    """Whether a golden request is about one of some videos."""
    said = json.dumps(request)
    return any(json.dumps(video_id) in said for video_id in ids)
