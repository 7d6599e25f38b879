"""A catalogue version: the same model, the tables as they are now."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.fusion import FusionConfig
from kinoloop.data.growth import grow
from kinoloop.data.histories import Interaction
from kinoloop.data.tables import Tables
from kinoloop.data.upsert import upsert
from kinoloop.errors import BundleError
from kinoloop.models.base import build
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.release.bundle import write_bundle
from kinoloop.release.catalogue import open_joint
from kinoloop.release.info import Provenance, read_info
from kinoloop.release.release import Release
from kinoloop.release.version import write_version
from kinoloop.schema import DAY_US, FEATURES
from kinoloop.testing.shown import toy_exposures
from kinoloop.testing.toy import START_US, toy_histories
from kinoloop.training.contrastive import ContrastiveConfig, with_joint
from tests.flows.toy_tables import write_toy_tables

MADE_OF = {"dataset_version": "data-2", "table_versions": {"videos": 2}}


@pytest.fixture
def tables(tmp_path):
    write_toy_tables(tmp_path / "data")
    return Tables(tmp_path / "data")


@pytest.fixture
def model(tables, tmp_path):
    catalogue = load_catalogue(tables)
    histories = toy_histories(catalogue)
    directory = tmp_path / "releases" / "model"
    write_bundle(
        directory,
        recommender=build({"kind": "item_knn"}).fit(histories, catalogue),
        catalogue=catalogue,
        histories=histories,
        thumbnails=[("v001", b"one"), ("v003", b"three")],
    )
    return Release.open(directory)


def published(tables, model, *, before=None, name="next", thumbnails=()):
    before = before or model
    known = before.info.catalogue
    joint = open_joint(before.directory, before.info)
    since = known.extracted_until if known else 0
    growth = grow(tables, before.catalogue, since=since, joint=joint)
    directory = model.directory.with_name(name)
    write_version(
        directory,
        model=model,
        before=before,
        growth=growth,
        thumbnails=thumbnails,
        made_of=MADE_OF,
    )
    release = Release.open(directory)
    release.ask_golden()
    return release


def ids(slate):
    return {place.video_id for place in slate}


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_joint_vectors_of_new_videos_are_computed_without_training_again(tables, tmp_path, weight):
    config = ContrastiveConfig(enabled=True, dim=8, epochs=2, min_videos=20)
    catalogue, joint = with_joint(load_catalogue(tables), config)
    histories, directory = toy_histories(catalogue), tmp_path / "releases" / "model"
    write_bundle(
        directory,
        recommender=build({"kind": "concat_match", "epochs": 1}).fit(histories, catalogue),
        catalogue=catalogue,
        histories=histories,
        joint=joint,
        provenance=Provenance(fusion=FusionConfig(joint=weight)),
    )
    model = Release.open(directory)
    write_toy_tables(tables.root, users=1, seed=9, videos=42)
    release = published(tables, model)
    made = release.catalogue.modalities["joint"]
    assert made.fingerprint == joint.fingerprint == model.info.fingerprints["joint"]
    (_, scales), (_, grown) = (r.catalogue.modalities["joint"].centred for r in (model, release))
    np.testing.assert_allclose(grown[: len(scales)], scales, rtol=1e-5)  # centred as in training
    expected, present = joint.of(release.catalogue.modalities, np.array([40, 41]))
    assert np.array_equal(made.vectors[40:], expected)
    assert present.all()
    mean, scales = made.centred
    old_mean, old_scales = model.catalogue.modalities["joint"].centred
    assert np.array_equal(mean, old_mean)
    assert np.array_equal(scales[:40], old_scales)
    lengths = np.linalg.norm(expected - mean, axis=1)
    assert scales[40:] == pytest.approx(1 / lengths, rel=1e-3)
    before = catalogue.modalities["joint"].vectors
    assert np.array_equal(made.vectors[:40], before)
    own = directory / "joint.safetensors"
    assert own.samefile(release.directory / "joint.safetensors")
    assert len(release.recommend([Interaction(0)], top_k=42)) == 41


def test_new_and_corrected_videos_are_in_every_answer_and_old_scores_stay(tables, model):
    write_toy_tables(tables.root, users=1, seed=9, videos=43)
    row = tables.scan("videos").filter(pl.col("video_id") == "v000").collect()
    upsert(tables, "videos", row.with_columns(title=pl.lit("corrected zebra")))
    release = published(tables, model, thumbnails=[("v040", b"new"), ("v001", b"uno")])
    assert release.info.catalogue.model == model.info.digest
    assert (release.info.catalogue.number, release.info.catalogue.trained) == (1, 40)
    assert ids(release.search("corrected zebra", top_k=1)) == {"v000"}
    assert "v042" in ids(release.search("soup part 42", top_k=3))
    assert {"v040", "v042"} <= ids(release.similar("v002", top_k=43))
    history = [Interaction(video) for video in (0, 2, 4)]
    old = {p.video_id: p.score for p in model.recommend(history, top_k=43)}
    now = {p.video_id: p.score for p in release.recommend(history, top_k=43)}
    assert set(now) - set(old) == {"v040", "v041", "v042"}
    assert {v: now[v] for v in old} == pytest.approx(old, abs=1e-6)
    assert now["v042"] > now["v041"]  # who likes even videos gets the even one
    pictures = [release.thumbnail(v) for v in ("v001", "v003", "v040", "v041")]
    assert pictures == [b"uno", b"three", b"new", None]


def test_versions_follow_one_another_and_give_what_one_step_gives(tables, model):
    write_toy_tables(tables.root, users=1, seed=9, videos=42)
    first = published(tables, model, name="first")
    write_toy_tables(tables.root, users=1, seed=9, videos=45)
    second = published(tables, model, before=first, name="second")
    at_once = published(tables, model, name="at-once")
    assert second.info.catalogue.number == 2
    assert second.catalogue.ids.ids == at_once.catalogue.ids.ids
    for name, digest in second.info.files.items():
        if name.endswith(".npy"):
            assert digest == at_once.info.files[name], name
    history = [Interaction(video) for video in (0, 2, 4)]
    scores = [
        {p.video_id: p.score for p in r.recommend(history, top_k=45)} for r in (second, at_once)
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)


def test_what_is_not_changed_is_the_same_file(tables, model):
    write_toy_tables(tables.root, users=1, seed=9, videos=41)
    release = published(tables, model)
    for name in ("model/state.safetensors", "histories/videos.npy", "thumbnails/packed.bin"):
        assert (release.directory / name).samefile(model.directory / name)
    assert not (release.directory / "videos.parquet").samefile(model.directory / "videos.parquet")


def test_a_withdrawn_video_is_in_no_answer_and_moves_no_other(tables, model):
    rest = tables.scan("videos").filter(pl.col("video_id") != "v002").collect()
    rest.write_delta(str(tables.path("videos")), mode="overwrite")
    release = published(tables, model)
    history = [Interaction(0), Interaction(2)]
    old = {p.video_id: p.score for p in model.recommend(history, top_k=43, seen=())}
    now = {p.video_id: p.score for p in release.recommend(history, top_k=43, seen=())}
    assert set(old) - set(now) == {"v002"}
    assert now == pytest.approx({v: old[v] for v in now}, abs=1e-6)
    assert "v002" not in ids(release.similar("v000", top_k=43))
    assert "v002" not in ids(release.search("cooking soup part 2", top_k=43))


def test_a_video_that_comes_back_is_shown_again(tables, model):
    whole = tables.scan("videos").collect()
    path = str(tables.path("videos"))
    whole.filter(pl.col("video_id") != "v002").write_delta(path, mode="overwrite")
    gone = published(tables, model, name="gone")
    whole.write_delta(path, mode="overwrite")
    back = published(tables, model, before=gone, name="back")
    assert "v002" in ids(back.similar("v000", top_k=43))


def test_vectors_of_another_encoder_are_left_alone(tables, model):
    growth = grow(tables, model.catalogue)
    assert growth.new == len(growth.changed) == 0
    rows = tables.scan("features").collect()
    other = rows.with_columns(fingerprint=pl.lit("another"), video_id=pl.lit("v000"))[:1]
    other.select(*FEATURES).write_delta(str(tables.path("features")), mode="append")
    assert len(grow(tables, model.catalogue).touched) == 0


def test_a_catalogue_with_which_the_model_answers_otherwise_is_refused(tables, model, tmp_path):
    write_toy_tables(tables.root, users=1, seed=9, videos=41)
    catalogue = model.catalogue
    histories = toy_histories(catalogue)
    other = tmp_path / "releases" / "other"
    recommender = build({"kind": "popularity"}).fit(histories, catalogue)
    write_bundle(other, recommender=recommender, catalogue=catalogue, histories=histories)
    with pytest.raises(BundleError, match="golden request"):
        published(tables, model, before=Release.open(other))
    assert not model.directory.with_name("next").exists()


def test_a_corrected_candidate_of_the_ranker_holds_nothing_up(tables, tmp_path):
    catalogue = load_catalogue(tables)
    exposures, histories = toy_exposures(catalogue)
    windows = RankerData(exposures, histories, START_US + 18 * DAY_US, START_US + 24 * DAY_US)
    config = RankerConfig(groups=("content", "user"), epochs=2, hidden=8, candidates=20)
    bundle = tmp_path / "releases" / "ranked"
    write_bundle(
        bundle,
        recommender=build({"kind": "item_knn"}).fit(histories, catalogue),
        catalogue=catalogue,
        histories=histories,
        ranker=fit_ranker(config, windows, catalogue).ranker,
    )
    model = Release.open(bundle)
    rows = tables.scan("videos").filter(pl.col("video_id").is_in(["v000", "v004"])).collect()
    upsert(tables, "videos", rows.with_columns(title=pl.lit("corrected zebra")))
    release = published(tables, model)
    assert ids(release.search("corrected zebra", top_k=2)) == {"v000", "v004"}


def test_a_bundle_without_a_catalogue_version_keeps_its_digest(model):
    info = read_info(model.directory)
    assert "catalogue" not in info.document()
    assert replace_catalogue(info).digest == info.digest


def replace_catalogue(info):
    return info.model_copy(update={"catalogue": None, "created_at": info.created_at.min})


def test_grown_vectors_are_read_where_something_was_extracted_since(tables, model):
    write_toy_tables(tables.root, users=1, seed=9, videos=42)
    growth = grow(tables, model.catalogue)
    loaded = load_catalogue(tables, model.catalogue.fingerprints)
    for name, modality in growth.catalogue.modalities.items():
        order = loaded.ids.indices(growth.catalogue.ids.ids)
        np.testing.assert_array_equal(modality.vectors, loaded.modalities[name].vectors[order])
    lost = replace(model.catalogue, modalities={})
    assert grow(tables, lost).catalogue.modalities == {}
