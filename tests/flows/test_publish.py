"""New, corrected and withdrawn videos reach the model's release without another training."""

import polars as pl
import pytest

from flows.promote import promote
from flows.publish import publish
from flows.retrain import retrain
from flows.rollback import rollback
from kinoloop.data.histories import Interaction
from kinoloop.data.tables import Tables
from kinoloop.data.upsert import upsert
from kinoloop.errors import BundleError
from kinoloop.registry.catalogues import fetch_catalogue
from kinoloop.release.release import Release
from kinoloop.release.signature import load_trust
from kinoloop.schema import VIDEOS
from tests.flows.toy_tables import write_toy_tables


@pytest.fixture
def champion(environment, registry):
    retrain()
    promote()
    return registry.champion()


def newest(environment, registry) -> Release:
    trust = load_trust(environment)
    folder = fetch_catalogue(registry, registry.champion(), environment.releases, trust=trust)
    release = Release.open(folder, trust)
    release.ask_golden()
    return release


def test_uploads_and_a_corrected_title_reach_every_answer(environment, registry, champion):
    write_toy_tables(environment.data_dir, users=1, seed=9, videos=43)
    tables = Tables(environment.data_dir)
    row = tables.scan("videos").filter(pl.col("video_id") == "v000").collect()
    upsert(tables, "videos", row.with_columns(title=pl.lit("corrected zebra")))
    before = Release.read(
        environment.releases / champion.digest,
        newest(environment, registry).info,
    )
    (done,) = publish().published
    assert (done.number, done.videos, done.new, done.changed) == (1, 43, 3, 1)
    release = newest(environment, registry)
    assert "v000" in {place.video_id for place in release.search("corrected zebra", top_k=5)}
    assert {"v040", "v042"} & {place.video_id for place in release.similar("v000", top_k=10)}
    known = [Interaction(video) for video in (0, 2, 4)]
    slate = release.recommend(known, top_k=43)
    assert {"v040", "v041", "v042"} <= {place.video_id for place in slate}
    old = {p.video_id: p.score for p in before.recommend(known, top_k=40)}
    now = {p.video_id: p.score for p in slate if p.video_id in old}
    assert now == pytest.approx(old, abs=1e-5)
    assert publish().outcome == "nothing new"


def test_a_video_that_left_the_tables_is_in_no_answer_but_stays_evidence(
    environment, registry, champion
):
    tables = Tables(environment.data_dir)
    rest = tables.scan("videos").filter(pl.col("video_id") != "v002").collect()
    rest.select(*VIDEOS).write_delta(str(tables.path("videos")), mode="overwrite")
    (done,) = publish().published
    assert (done.new, done.changed, done.withdrawn) == (0, 0, 1)
    release = newest(environment, registry)
    for slate in (
        release.recommend([Interaction(0)], top_k=40),
        release.similar("v000", top_k=40),
        release.search("cooking soup noodles", top_k=40),
    ):
        assert slate
        assert "v002" not in {place.video_id for place in slate}
    assert release.recommend([Interaction(2)], top_k=5)  # who watched it is still understood


def test_versions_follow_one_another_and_unchanged_files_are_stored_once(
    environment, registry, champion
):
    write_toy_tables(environment.data_dir, users=1, seed=9, videos=41)
    publish()
    write_toy_tables(environment.data_dir, users=1, seed=9, videos=44)
    (done,) = publish().published
    assert (done.number, done.new, done.videos) == (2, 3, 44)
    release = newest(environment, registry)
    own = environment.releases / champion.digest / "histories" / "users.npy"
    assert own.samefile(release.directory / "histories" / "users.npy")
    stored = list((environment.state_dir / "mlartifacts").glob("**/catalogues/*/histories"))
    assert not stored


def test_a_rollback_brings_the_catalogue_of_the_model_that_it_restores(
    environment, registry, champion, settings
):
    write_toy_tables(environment.data_dir, users=1, seed=9, videos=41)
    publish()
    catalogue = registry.champion().catalogue
    assert retrain(force=True).version != champion.version
    promote(force=True)
    if registry.champion().version == champion.version:
        registry.set_alias("previous", champion.version)
        registry.set_alias("champion", registry.by_alias("challenger").version)
    rollback()
    assert registry.champion().catalogue == catalogue


def test_a_catalogue_that_somebody_changed_in_the_store_is_refused_and_made_anew(
    environment, registry, champion
):
    write_toy_tables(environment.data_dir, users=1, seed=9, videos=41)
    publish()
    version = registry.champion()
    (environment.releases / version.catalogue / "golden.json").write_text("[]")
    (stored,) = (environment.state_dir / "mlartifacts").glob("**/catalogues/*/golden.json")
    stored.write_text("[]")
    with pytest.raises(BundleError, match=r"golden\.json changed"):
        newest(environment, registry)
    write_toy_tables(environment.data_dir, users=1, seed=9, videos=42)
    (done,) = publish().published
    assert (done.number, done.new) == (1, 2)
    assert len(newest(environment, registry).catalogue) == 42
