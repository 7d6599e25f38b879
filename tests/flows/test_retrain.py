import polars as pl
import pytest
from mlflow import MlflowClient

from flows.retrain import retrain
from kinoloop.errors import ConfigError, DataError, KinoloopError, RegistryError
from tests.flows.conftest import SETTINGS, open_release
from tests.flows.toy_tables import write_toy_tables


def test_the_best_candidate_becomes_challenger_with_its_lineage(environment, registry):
    done = retrain()
    challenger = registry.by_alias("challenger")
    assert (done["outcome"], done["version"]) == ("trained", challenger.version)
    assert set(done["competed"]) == {"popularity", "item_knn"}
    best = max(done["competed"], key=lambda name: done["competed"][name]["validation"])
    assert done["candidate"] == best
    release = open_release(environment, challenger)
    release.check()
    info = release.info
    assert info.dataset_version.startswith("tables-")
    assert info.trained_until < info.known_until
    assert info.split["split"] == "temporal"
    assert info.competed == done["competed"]
    assert info.metrics["ndcg@10"] == pytest.approx(done["competed"][best]["test"])
    assert len(info.key_id) == 16


def test_each_candidate_is_one_run_with_params_metrics_tags_and_plots(environment, registry):
    done = retrain()
    client = MlflowClient(environment.tracking_uri)
    experiment = client.get_experiment_by_name("kinoloop").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert set(runs) == {"popularity", "item_knn"}
    for run in runs.values():
        assert run.info.status == "FINISHED"
        assert run.data.params["kind"] == run.info.run_name
        assert {"validation/ndcg_at_10", "test/ndcg_at_10", "fit_seconds"} <= set(run.data.metrics)
        assert run.data.tags["dataset_version"].startswith("tables-")
        assert run.data.tags["fingerprint.text"].startswith("toy-")
        kept = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert "per_user.parquet" in kept
    winner = runs[done["candidate"]].info.run_id
    assert "plots/candidates.png" in {f.path for f in client.list_artifacts(winner, "plots")}


def test_finished_work_is_not_repeated(environment, registry):
    first = retrain()
    again = retrain()
    assert (again["outcome"], again["version"]) == ("nothing new", first["version"])
    assert retrain(force=True)["outcome"] == "trained"


def test_other_settings_or_other_data_are_new_work(environment, registry, settings):
    retrain()
    settings(
        SETTINGS.replace('{ kind = "item_knn" }', '{ kind = "item_knn", prior_half_life_days = 7 }')
    )
    assert retrain()["outcome"] == "trained"
    write_toy_tables(environment.data_dir, users=10, seed=1)
    assert retrain()["outcome"] == "trained"


def test_a_killed_run_goes_on_where_it_stopped(environment, registry, monkeypatch):
    import tasks.training

    fitted = []

    def compete(candidate, problem, **rest):
        fitted.append(candidate["kind"])
        return real(candidate, problem, **rest)

    real = tasks.training.compete
    monkeypatch.setattr(tasks.training, "compete", compete)
    monkeypatch.setattr(
        tasks.training, "write_bundle", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(BaseException):  # noqa: B017, PT011 (Prefect dresses the interrupt)
        retrain()
    monkeypatch.undo()
    monkeypatch.setattr(tasks.training, "compete", compete)
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(environment.data_dir))
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(environment.state_dir))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(environment.settings_file))
    assert retrain()["outcome"] == "trained"
    assert fitted == ["popularity", "item_knn"]
    assert list((environment.state_dir / "retrain").glob("[!.]*")) == []


def test_a_candidate_that_fails_is_reported_and_does_not_stop_the_others(
    environment, registry, monkeypatch
):
    from kinoloop.models.item_knn import ItemKnn

    monkeypatch.setattr(ItemKnn, "_fit", lambda *_: (_ for _ in ()).throw(ValueError("too odd")))
    done = retrain()
    assert done["candidate"] == "popularity"
    assert "too odd" in done["failed"]["item_knn"]


def test_it_fails_when_every_candidate_fails(environment, registry, settings, monkeypatch):
    from kinoloop.models.item_knn import ItemKnn

    settings(SETTINGS.replace('{ kind = "popularity" }, ', ""))
    monkeypatch.setattr(ItemKnn, "_fit", lambda *_: (_ for _ in ()).throw(ValueError("too odd")))
    with pytest.raises(KinoloopError, match=r"every candidate failed: item_knn: .*too odd"):
        retrain()


def test_too_few_events_fail_clearly(environment, settings):
    settings(SETTINGS.replace("min_interactions = 50", "min_interactions = 5000"))
    with pytest.raises(DataError, match=r"interactions of 60 users .* expected at least 5000"):
        retrain()


def test_a_wrong_setting_names_its_candidate_before_anything_is_trained(environment, settings):
    settings(SETTINGS.replace('{ kind = "popularity" }', '{ kind = "popularity", half = 1 }'))
    with pytest.raises(ConfigError, match=r"\[\[retrain.candidates\]\] popularity: half: Extra"):
        retrain()


def test_an_absent_registry_is_named_within_seconds(environment, monkeypatch):
    monkeypatch.setenv("KINOLOOP_MLFLOW_URI", "http://127.0.0.1:9")
    with pytest.raises(RegistryError, match=r"http://127\.0\.0\.1:9 is away"):
        retrain()


def test_the_challenger_scores_as_the_candidate_that_was_measured(environment, registry):
    """What is proven is what is served: no refit between test and release."""
    done = retrain()
    challenger = registry.by_alias("challenger")
    run = MlflowClient(environment.tracking_uri).get_run(challenger.run_id)
    assert run.data.metrics["test/ndcg_at_10"] == pytest.approx(
        done["competed"][done["candidate"]]["test"]
    )
    bundle = environment.state_dir / "releases" / challenger.digest
    assert pl.read_parquet(bundle / "videos.parquet").height == 40
