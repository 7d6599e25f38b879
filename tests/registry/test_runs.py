import pytest
from mlflow import MlflowClient

from kinoloop.errors import RegistryError
from kinoloop.registry.runs import Runs


def test_a_run_holds_params_tags_and_metrics_by_step(runs, tracking_uri):
    run_id = runs.start(
        "mf", key="a", params={"kind": "mf", "optimizer": {"lr": 0.1}}, tags={"dataset": "d"}
    )
    runs.log_metrics(run_id, [("loss", 1.0, 0), ("loss", 0.5, 1), ("ndcg@10", 0.3, 0)])
    runs.finish(run_id)
    client = MlflowClient(tracking_uri)
    run = client.get_run(run_id)
    assert run.data.params == {"kind": "mf", "optimizer.lr": "0.1"}
    assert run.data.tags["dataset"] == "d"
    assert run.data.metrics == {"loss": 0.5, "ndcg_at_10": 0.3}
    assert [m.value for m in client.get_metric_history(run_id, "loss")] == [1.0, 0.5]
    assert run.info.status == "FINISHED"


def test_metrics_that_are_logged_twice_at_one_time_are_there_once(runs, tracking_uri):
    run_id = runs.start("mf", key="a", params={}, tags={})
    for _ in range(2):
        runs.log_metrics(run_id, [("loss", 1.0, 0), ("loss", 0.5, 1)], at_ms=1_780_000_000_000)
    history = MlflowClient(tracking_uri).get_metric_history(run_id, "loss")
    assert [point.value for point in history] == [1.0, 0.5]


def test_the_same_key_finds_its_run_again(runs):
    first = runs.start("a", key="same", params={"x": 1}, tags={})
    assert runs.start("a", key="same", params={"x": 1}, tags={}) == first
    assert runs.start("a", key="other", params={"x": 1}, tags={}) != first


def test_more_metrics_and_params_than_a_call_takes_are_split(runs, tracking_uri):
    run_id = runs.start("many", key="m", params={f"p{i}": i for i in range(250)}, tags={})
    runs.log_metrics(run_id, [("loss", float(i), i) for i in range(2_500)])
    client = MlflowClient(tracking_uri)
    assert len(client.get_run(run_id).data.params) == 250
    assert client.get_run(run_id).data.metrics["loss"] == 2499.0


def test_artifacts_lie_beside_the_database(runs, tmp_path):
    run_id = runs.start("a", key="a", params={}, tags={})
    runs.log_text(run_id, "hello", "notes/hello.md")
    picture = tmp_path / "plot.png"
    picture.write_bytes(b"png")
    runs.log_file(run_id, picture, "plots")
    kept = {p.name for p in (tmp_path / "state" / "mlartifacts").rglob("*") if p.is_file()}
    assert kept == {"hello.md", "plot.png"}


def test_a_failed_run_says_so(runs, tracking_uri):
    run_id = runs.start("a", key="a", params={}, tags={})
    runs.finish(run_id, failed=True)
    assert MlflowClient(tracking_uri).get_run(run_id).info.status == "FAILED"


def test_an_unknown_run_is_a_registry_error(runs):
    with pytest.raises(RegistryError, match="end run"):
        runs.finish("0" * 32)


def test_a_database_that_is_none_is_a_registry_error(tmp_path):
    (tmp_path / "mlflow.db").write_text("this is no database, however long it may be")
    with pytest.raises(RegistryError, match="start run a"):
        Runs(f"sqlite:///{tmp_path / 'mlflow.db'}").start("a", key="a", params={}, tags={})
