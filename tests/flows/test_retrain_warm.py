"""A periodic retrain goes on from the champion, and says so everywhere a person looks."""

import pytest
from mlflow import MlflowClient

from flows.promote import promote
from flows.retrain import retrain
from kinoloop.registry import aliases
from tests.flows.conftest import SETTINGS, damage, open_release
from tests.flows.toy_tables import write_toy_tables

WARM = SETTINGS.replace(
    '{ kind = "popularity" }, { kind = "item_knn" }',
    '{ kind = "popularity" }, { kind = "concat_match", dim = 8, hidden = 8, epochs = 4, '
    "negatives = 16 }",
)


@pytest.fixture
def champion(environment, registry, settings):
    """The first release, whatever won, in service; and two weeks more of events."""
    settings(WARM.replace("[ranker]", "scratch_every = 2\n\n[ranker]", 1))
    challenger = registry.version(retrain().version)
    aliases.promote(registry, challenger.version)
    write_toy_tables(environment.data_dir, users=60, seed=1, videos=42, later_days=12)
    return challenger


def runs_of(environment, version):
    client = MlflowClient(environment.tracking_uri)
    experiment = client.get_experiment_by_name("kinoloop").experiment_id
    made_of = version.tags["dataset_version"]
    found = client.search_runs([experiment], f"tags.dataset_version = '{made_of}'")
    return {run.info.run_name: run for run in found}


def test_a_retrain_goes_on_from_the_champion_and_the_lineage_names_it(
    environment, registry, champion
):
    first = open_release(environment, champion).info
    assert first.lineage.parent_version == ""
    assert first.trained_until < first.lineage.chosen_until < first.known_until
    second = registry.version(retrain().version)
    info = open_release(environment, second).info
    run = runs_of(environment, second)["concat_match"]
    assert run.data.tags["started_from"] == f"version {champion.version} ({champion.digest[:12]})"
    assert run.data.metrics["fit_cpu_seconds"] > 0
    assert info.lineage.since_scratch == 1
    if info.name == "concat_match":
        parent = (info.lineage.parent_version, info.lineage.parent_digest)
        assert parent == (champion.version, champion.digest)
    # the turn has come: what goes on competes from scratch as well
    aliases.promote(registry, second.version)
    write_toy_tables(environment.data_dir, users=60, seed=2, videos=42, later_days=24)
    done = retrain()
    assert set(done.competed) == {"popularity", "concat_match", "concat_match-scratch"}
    third = registry.version(done.version)
    tags = runs_of(environment, third)["concat_match-scratch"].data.tags
    assert tags["scratch_because"] == "its turn has come ([retrain] scratch_every = 2)"
    release = open_release(environment, third)
    assert release.info.lineage.since_scratch == 0
    kept = release.directory / "learned"
    assert [path.name for path in kept.iterdir()] == ["concat_match.safetensors"]


def test_a_champion_that_cannot_be_read_is_a_line_and_not_a_failure(
    environment, registry, champion
):
    damage(environment, champion)
    version = registry.version(retrain().version)
    tags = runs_of(environment, version)["concat_match"].data.tags
    assert tags["started_from"] == "scratch"
    assert "the champion cannot be read" in tags["scratch_because"]
    assert open_release(environment, version).info.lineage.since_scratch == 0


def refreshing(text):
    return text.replace(
        "[ranker]", "refresh = true\nrefresh_margin = 0.99\nrefresh_holdout = 0.5\n\n[ranker]", 1
    )


def test_a_promoted_release_is_taught_the_newest_window_and_both_stages_are_on_record(
    environment, registry, settings
):
    settings(refreshing(WARM).replace('{ kind = "popularity" }, ', ""))
    retrain()
    done = promote()
    champion, proven = registry.champion(), registry.version(done.version)
    assert (done.outcome, done.refreshed) == ("promoted", champion.version)
    assert registry.by_alias("previous").version == proven.version
    info, before = (open_release(environment, v).info for v in (champion, proven))
    assert (info.lineage.proven_version, info.lineage.proven_digest) == (
        proven.version, proven.digest
    )  # fmt: skip
    assert before.trained_until < info.trained_until <= info.known_until
    assert info.lineage.refresh["users"] > 0
    assert champion.tags["stage"] == "refreshed"
    assert "who were not taught" in registry.version(proven.version).tags["refresh"]
    open_release(environment, champion).check()
    assert retrain().outcome == "nothing new"
    # what is newer now may be learned from the proven one, which has not seen these windows
    write_toy_tables(environment.data_dir, users=60, seed=1, later_days=2)
    version = registry.version(retrain().version)
    tags = runs_of(environment, version)["concat_match"].data.tags
    assert tags.get("scratch_because") is None
    assert tags["started_from"] == f"version {proven.version} ({proven.digest[:12]})"


def test_a_refresh_that_is_refused_keeps_the_proven_release_and_says_why(
    environment, registry, settings
):
    settings(refreshing(SETTINGS).replace("[retrain]", '[retrain]\nsplit = "leave_one_out"'))
    retrain()
    done = promote()
    assert (done.outcome, done.refreshed) == ("promoted", "")
    assert done.refresh.startswith("refused: it was not split in time")
    assert registry.champion().version == done.version
    assert registry.champion().tags["refresh"] == done.refresh
