import mlflow
import pandas as pd
import pytest

from kinoloop.release.release import Release
from tests.release import tiny


@pytest.fixture
def model(registry, runs, make_bundle, tracking_uri):
    run_id = runs.start("winner", key="k", params={}, tags={})
    version = registry.register(make_bundle("one"), run_id=run_id, tags={})
    registry.set_alias("champion", version.version)
    mlflow.set_tracking_uri(tracking_uri)
    return mlflow.pyfunc.load_model("models:/kinoloop@champion")


def test_anyone_can_load_the_champion_and_predict(model, make_bundle):
    release = Release.open(make_bundle("two"))
    slates = model.predict(pd.DataFrame({"history": [["v0"], []], "top_k": [3, 2]}))
    history = tiny.Interaction(0)
    assert slates["video_ids"][0] == [p.video_id for p in release.recommend([history], top_k=3)]
    assert slates["video_ids"][1] == [p.video_id for p in release.recommend([], top_k=2)]
    assert len(slates["scores"][0]) == 3


def test_a_pseudonym_brings_its_stored_history(model):
    (row,) = model.predict(pd.DataFrame({"user_id": [tiny.USERS[0]]}))["video_ids"]
    assert {"v0", "v1", "v2"}.isdisjoint(row)


def test_it_has_a_signature_and_an_input_example(model):
    assert {c.name for c in model.metadata.signature.inputs} == {"user_id", "history", "top_k"}
    assert model.metadata.saved_input_example_info is not None


def test_no_file_of_the_logged_model_is_a_pickle(model, tmp_path):
    stored = tmp_path / "state" / "mlartifacts"
    assert not [p for p in stored.rglob("*") if p.suffix in {".pkl", ".pickle", ".pt", ".bin"}
                and p.name != "packed.bin"]  # fmt: skip
