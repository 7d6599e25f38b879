import contextlib
import logging
import socket
import threading

import polars as pl
import pytest
from mlflow import MlflowClient

import tasks.training
from flows.retrain import retrain
from kinoloop.errors import ConfigError, DataError, KinoloopError, RegistryError
from tasks.results import KEPT
from tests.flows.conftest import SETTINGS, open_release
from tests.flows.toy_tables import write_toy_tables


def test_the_best_candidate_becomes_challenger_with_its_lineage(environment, registry):
    done = retrain()
    challenger = registry.by_alias("challenger")
    assert (done.outcome, done.version) == ("trained", challenger.version)
    assert set(done.competed) == {"popularity", "item_knn"}
    best = max(done.competed, key=lambda name: done.competed[name]["validation"])
    assert done.candidate == best
    release = open_release(environment, challenger)
    release.check()
    info = release.info
    assert info.dataset_version.startswith("tables-")
    assert info.trained_until < info.known_until
    assert info.split["split"] == "temporal"
    assert info.competed == done.competed
    assert info.metrics["ndcg@10"] == pytest.approx(done.competed[best]["test"])
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
    winner = runs[done.candidate].info.run_id
    assert "plots/candidates.png" in {f.path for f in client.list_artifacts(winner, "plots")}


def test_finished_work_is_not_repeated(environment, registry):
    first = retrain()
    again = retrain()
    assert (again.outcome, again.version) == ("nothing new", first.version)
    assert retrain(force=True).outcome == "trained"


def test_a_retrain_that_had_to_wait_takes_the_result_of_the_first(environment, registry, caplog):
    holds, waits = threading.Event(), threading.Event()
    real, done = tasks.training.write_bundle, []

    def write_bundle(*given, **named):
        holds.set()
        assert waits.wait(60)
        return real(*given, **named)

    class Told(logging.Handler):
        def emit(self, record):
            waits.set()

    told, logger = Told(), logging.getLogger("kinoloop.locks")
    logger.addHandler(told)
    first = threading.Thread(target=lambda: done.append(retrain()))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tasks.training, "write_bundle", write_bundle)
            first.start()
            assert holds.wait(60)
            second = retrain()
    finally:
        first.join()
        logger.removeHandler(told)
    assert "another retrain runs; waiting for it" in caplog.text
    assert (done[0].outcome, second.outcome) == ("trained", "nothing new")
    assert second.version == done[0].version


def test_other_settings_or_other_data_are_new_work(environment, registry, settings):
    retrain()
    settings(
        SETTINGS.replace('{ kind = "item_knn" }', '{ kind = "item_knn", prior_half_life_days = 7 }')
    )
    assert retrain().outcome == "trained"
    write_toy_tables(environment.data_dir, users=10, seed=1)
    assert retrain().outcome == "trained"


def test_a_killed_run_goes_on_where_it_stopped(environment, registry, monkeypatch):
    fitted = []

    def fit_and_evaluate(candidate, data, **rest):
        fitted.append(candidate["kind"])
        return real(candidate, data, **rest)

    real = tasks.training.fit_and_evaluate
    monkeypatch.setattr(tasks.training, "fit_and_evaluate", fit_and_evaluate)
    monkeypatch.setattr(
        tasks.training, "write_bundle", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(BaseException):  # noqa: B017, PT011 (Prefect dresses the interrupt)
        retrain()
    monkeypatch.undo()
    monkeypatch.setattr(tasks.training, "fit_and_evaluate", fit_and_evaluate)
    monkeypatch.setenv("KINOLOOP_DATA_DIR", str(environment.data_dir))
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(environment.state_dir))
    monkeypatch.setenv("KINOLOOP_SETTINGS_FILE", str(environment.settings_file))
    assert retrain().outcome == "trained"
    assert fitted == ["popularity", "item_knn"]
    assert list((environment.state_dir / "retrain").glob("[!.]*")) == []


def test_a_candidate_that_fails_is_reported_and_does_not_stop_the_others(
    environment, registry, monkeypatch
):
    from kinoloop.models.item_knn import ItemKnn

    monkeypatch.setattr(ItemKnn, "_fit", lambda *_: (_ for _ in ()).throw(ValueError("too odd")))
    done = retrain()
    assert done.candidate == "popularity"
    assert "too odd" in done.failed["item_knn"]


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
    says = r"\[\[retrain.candidates\]\] popularity: .*there is no setting 'half'"
    with pytest.raises(ConfigError, match=says):
        retrain()


@contextlib.contextmanager
def _frozen():
    """A server that accepts connections and never answers; gives its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _story(environment):
    """All that MLflow knows: params, metrics with their history, files, versions."""
    client = MlflowClient(environment.tracking_uri)
    runs = client.search_runs([client.get_experiment_by_name("kinoloop").experiment_id])
    return {
        run.info.run_name: (
            run.info.status,
            sorted(run.data.params.items()),
            [
                (name, point.step, point.timestamp, point.value)
                for name in sorted(run.data.metrics)
                for point in client.get_metric_history(run.info.run_id, name)
            ],
        )
        for run in runs
    }, len(client.search_model_versions("name = 'kinoloop'"))


@pytest.mark.parametrize("how", ["absent", "frozen"])
def test_a_retrain_without_mlflow_trains_once_and_tells_it_once_when_it_is_back(
    environment, registry, monkeypatch, how
):
    fitted, real = [], tasks.training.fit_and_evaluate

    def fit_and_evaluate(candidate, data, **rest):
        fitted.append(candidate["kind"])
        return real(candidate, data, **rest)

    monkeypatch.setattr(tasks.training, "fit_and_evaluate", fit_and_evaluate)
    with _frozen() if how == "frozen" else contextlib.nullcontext("http://127.0.0.1:9") as uri:
        monkeypatch.setenv("KINOLOOP_MLFLOW_URI", uri)
        done = retrain()
        assert (done.outcome, done.version) == (KEPT, "")
        assert f"{uri} is away or refuses" in done.away
        assert set(done.competed) == {"popularity", "item_knn"}
    monkeypatch.delenv("KINOLOOP_MLFLOW_URI")
    assert registry.by_alias("challenger") is None
    again = retrain()
    assert (again.outcome, again.candidate) == ("nothing new", done.candidate)
    assert fitted == ["popularity", "item_knn"]
    told, versions = _story(environment)
    assert ({status for status, *_ in told.values()}, versions) == ({"FINISHED"}, 1)
    assert open_release(environment, registry.by_alias("challenger")).info.name == done.candidate
    assert retrain().outcome == "nothing new"
    assert _story(environment) == (told, versions)


def test_what_was_kept_outlives_newer_data(environment, registry, monkeypatch):
    monkeypatch.setenv("KINOLOOP_MLFLOW_URI", "http://127.0.0.1:9")
    retrain()
    write_toy_tables(environment.data_dir, users=10, seed=1)
    monkeypatch.delenv("KINOLOOP_MLFLOW_URI")
    assert retrain().outcome == "trained"
    assert _story(environment)[1] == 2
    assert registry.by_alias("challenger").version == "2"


@pytest.mark.parametrize("at", ["finish", "register", "keep"])
def test_a_replay_that_was_cut_off_anywhere_logs_nothing_twice(
    environment, registry, monkeypatch, at
):
    import tasks.publishing as publishing

    def cut(*_, **__):
        raise RegistryError("cut off")

    with monkeypatch.context() as broken:
        if at == "finish":
            broken.setattr(publishing.Runs, "finish", cut)
        elif at == "register":
            broken.setattr(publishing.ModelRegistry, "register", cut)
        else:
            broken.setattr(publishing, "_make_challenger", cut)
        assert retrain().outcome == KEPT
    assert retrain().outcome == "nothing new"
    (told, versions), names = _story(environment), {"popularity", "item_knn"}
    assert (set(told), versions) == (names, 1)
    for _, _, points in told.values():
        assert len({point[:2] for point in points}) == len(points)
    assert registry.by_alias("challenger").version == "1"
    assert list((environment.state_dir / "retrain").glob("[!.]*")) == []


def test_the_challenger_scores_as_the_candidate_that_was_measured(environment, registry):
    """What is proven is what is served: no refit between test and release."""
    done = retrain()
    challenger = registry.by_alias("challenger")
    run = MlflowClient(environment.tracking_uri).get_run(challenger.run_id)
    assert run.data.metrics["test/ndcg_at_10"] == pytest.approx(
        done.competed[done.candidate]["test"]
    )
    bundle = environment.releases / challenger.digest
    assert pl.read_parquet(bundle / "videos.parquet").height == 40


def test_a_blend_that_is_not_proven_does_not_compete_and_says_why(registry, settings):
    settings(
        SETTINGS.replace('{ kind = "popularity" }', '{ kind = "blend" }, { kind = "popularity" }')
    )
    done = retrain()
    assert set(done.competed) == {"popularity", "item_knn"}
    assert "left out: not proven better than" in done.failed["blend"]


def test_a_proven_blend_is_released_with_its_parts(environment, registry, settings, monkeypatch):
    monkeypatch.setattr("flows.retrain.unproven", lambda outcome: "")  # 40 users prove nothing
    monkeypatch.setattr("tasks.training.choose", lambda outcomes: outcomes[-1])
    blend = '{ kind = "blend", parts = ["popularity", "item_knn", "content_cosine"] }'
    others = '{ kind = "popularity" }, { kind = "item_knn" }, { kind = "content_cosine" }'
    settings(
        SETTINGS.replace('{ kind = "popularity" }, { kind = "item_knn" }', f"{blend}, {others}")
    )
    done = retrain()
    assert done.candidate == "blend"
    best = max(value["validation"] for value in done.competed.values())
    assert done.competed["blend"]["validation"] == best
    release = open_release(environment, registry.version(done.version))
    release.check()
    assert set(release.recommender.weights) == {"popularity", "item_knn", "content_cosine"}
