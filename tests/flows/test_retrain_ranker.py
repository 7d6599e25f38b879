import polars as pl
from mlflow import MlflowClient

from flows.retrain import retrain
from kinoloop.data.tables import Tables
from tests.flows.conftest import SETTINGS, open_release

RANKER = """
[ranker]
groups = ["content", "behaviour", "popularity", "user", "video", "context"]
epochs = 3
hidden = 8
length = 5
"""
WITH_RANKER = SETTINGS.replace("\n[ranker]\nenabled = false\n", RANKER)


def test_the_release_carries_a_ranker_as_it_does_by_default(environment, registry, settings):
    settings(WITH_RANKER)
    done = retrain()
    challenger = registry.by_alias("challenger")
    release = open_release(environment, challenger)
    release.check()
    assert release.reranking is not None
    assert {"test/auc", "test/ece", "slates/ndcg@10", "blend"} <= set(release.info.ranker)
    run = MlflowClient(environment.tracking_uri).get_run(challenger.run_id)
    assert run.data.metrics["ranker/test/auc"] == release.info.ranker["test/auc"]
    plots = MlflowClient(environment.tracking_uri).list_artifacts(challenger.run_id, "plots")
    assert "plots/reliability.png" in {file.path for file in plots}
    assert done.outcome == "trained"
    assert done.ranker == release.info.ranker
    assert release.recommend([], top_k=3)


def test_data_without_both_labels_goes_without_a_ranker(environment, registry, settings):
    path = str(Tables(environment.data_dir).path("events"))
    skipped = pl.read_delta(path).with_columns(watch_s=pl.lit(20.0), event=pl.lit("view"))
    skipped.write_delta(path, mode="overwrite")
    settings(WITH_RANKER + '[ranker.label]\nnegative = ["view"]\n')
    assert retrain().outcome == "trained"
    release = open_release(environment, registry.by_alias("challenger"))
    assert release.reranking is None
    assert release.info.ranker == {}
