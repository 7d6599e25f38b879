"""A release that many threads ask at once answers as one thread is answered."""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import polars as pl
import pytest

from kinoloop.data.catalogue import Modality
from kinoloop.data.video_text import texts_of
from kinoloop.encoders import base as encoders
from kinoloop.encoders.fingerprint import text_space
from kinoloop.models.base import build
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.release.bundle import write_bundle
from kinoloop.release.given import Given
from kinoloop.release.info import Provenance
from kinoloop.release.release import Release
from kinoloop.schema import DAY_US, LABELS
from kinoloop.testing.shown import toy_exposures
from kinoloop.testing.toy import START_US, toy_catalogue
from tests.encoders import tiny_models
from tests.release.test_reranking import CONFIG, NOW

THREADS = 8
SEQUENCE = {"kind": "sequence", "epochs": 1, "dim": 16, "layers": 1, "heads": 2}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A catalogue with text vectors of a real encoder, labels, and what users did."""
    model = tiny_models.text(tmp_path_factory.mktemp("threads") / "model")
    settings = {"kind": "hf_text", "model": str(model)}
    encoder, catalogue = encoders.build(settings), toy_catalogue()
    vectors = encoder.encode_documents(texts_of(catalogue.videos))
    text = Modality(vectors, vectors.any(axis=1), text_space(encoder.fingerprint))
    labels = [
        [{"facet": "style", "label": ("calm", "loud")[i % 2], "score": 0.9, "evidence": ""}]
        for i in range(len(catalogue))
    ]
    videos = catalogue.videos.with_columns(pl.Series("labels", labels, dtype=LABELS["labels"]))
    modalities = {**catalogue.modalities, "text": text}
    return settings, replace(catalogue, videos=videos, modalities=modalities)


@pytest.fixture(scope="module", params=["item_knn", "user_knn", "sequence"])
def bundle(world, tmp_path_factory, request):
    settings, catalogue = world
    exposures, histories = toy_exposures(catalogue)
    data = RankerData(exposures, histories, START_US + 18 * DAY_US, START_US + 24 * DAY_US)
    kind = SEQUENCE if request.param == "sequence" else {"kind": request.param}
    folder = tmp_path_factory.mktemp("threads") / "bundle"
    write_bundle(
        folder,
        recommender=build(kind).fit(histories, catalogue),
        catalogue=catalogue,
        histories=histories,
        provenance=Provenance(encoders={"text": settings}),
        ranker=fit_ranker(CONFIG, data, catalogue).ranker,
    )
    return folder, histories


def answers(release, histories):
    """What a release says to users, of videos and to queries, in full."""
    slates = [
        release.recommend(release.history_of(user), top_k=8, given=Given(NOW))
        for user in histories.user_ids[:12]
    ]
    slates += [release.similar(video, top_k=8) for video in release.catalogue.ids.ids[:6]]
    slates += [release.search(query, top_k=8) for query in ("calm soup", "loud goal", "part")]
    return [(list(slate), slate.reranked) for slate in slates]


def test_many_threads_get_the_slates_that_one_gets(bundle):
    folder, histories = bundle
    expected = answers(Release.open(folder), histories)
    assert any(reranked for _, reranked in expected)
    cold, together = Release.open(folder), Barrier(THREADS)  # nothing is loaded yet

    def ask(_):
        together.wait()
        return answers(cold, histories)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            for found in pool.map(ask, range(THREADS)):
                assert found == expected
    finally:
        sys.setswitchinterval(interval)
