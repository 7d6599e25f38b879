"""A new encoder comes: step by step, and at each of them training has complete vectors."""

import json

import polars as pl
import pytest

from kinoloop.data.catalogue import chosen_fingerprints, load_catalogue
from kinoloop.extraction.prune import prune
from tests.encoders import tiny_models


class StoppedError(Exception):
    """The machine went away."""


@pytest.fixture
def grown(world, tmp_path):
    """A catalogue that was extracted, and settings that name another text encoder since then."""
    world.put(**{f"v{i}": f"red fox {i}" for i in range(6)})
    world.before = world.extract().fingerprints["text"]
    model = tiny_models.text(tmp_path / "other", seed=1)
    replaced = ({"kind": "hf_text", "model": str(model), "max_tokens": 32},)
    world.config = world.config.model_copy(
        update={"encoders": replaced + world.config.encoders[1:], "shard_texts": 2}
    )
    return world


def stop(done, pending):
    raise StoppedError


def test_half_way_the_old_encoder_stays_in_force(grown):
    with pytest.raises(StoppedError):
        grown.extract(progress=stop)
    rows = grown.rows("features").filter(pl.col("modality") == "text")
    beside = rows.group_by("fingerprint").len().filter(pl.col("fingerprint") != grown.before)
    assert 0 < beside["len"].item() < 6
    assert chosen_fingerprints(grown.tables)["text"] == grown.before
    assert load_catalogue(grown.tables).modalities["text"].present.all()


def test_video_that_comes_half_way_is_encoded_by_the_new_one_only(grown):
    with pytest.raises(StoppedError):
        grown.extract(progress=stop)
    grown.put(late="jazz")
    with pytest.raises(StoppedError):
        grown.extract(progress=stop)
    assert chosen_fingerprints(grown.tables)["text"] == grown.before
    after = grown.extract().fingerprints["text"]
    assert chosen_fingerprints(grown.tables)["text"] == after
    assert load_catalogue(grown.tables).modalities["text"].present.all()


def test_when_it_is_complete_the_new_one_takes_over_and_the_old_stays_beside(grown):
    after = grown.extract().fingerprints["text"]
    assert chosen_fingerprints(grown.tables)["text"] == after != grown.before
    assert set(grown.rows("features").filter(pl.col("modality") == "text")["fingerprint"]) == {
        grown.before,
        after,
    }


def test_who_made_the_vectors_is_recorded_for_both(grown):
    report = grown.extract()
    recorded = {
        row["fingerprint"]: json.loads(row["settings"]) for row in grown.rows("encoders").to_dicts()
    }
    assert recorded[report.fingerprints["text"]] == grown.config.encoders[0]
    assert recorded[grown.before]["model"] != grown.config.encoders[0]["model"]
    assert len(grown.rows("encoders")) == len(recorded) == 4


def test_pruning_half_way_removes_nothing(grown):
    with pytest.raises(StoppedError):
        grown.extract(progress=stop)
    assert prune(grown.tables, grown.config, keep=()) == {}


def test_pruning_spares_what_a_release_uses_and_then_removes_it(grown):
    grown.extract()
    assert prune(grown.tables, grown.config, keep={grown.before}) == {}
    before = load_catalogue(grown.tables)
    config = grown.config.model_copy(update={"prune_keep_h": 0})
    assert prune(grown.tables, config, keep=()) == {grown.before: 6}
    assert grown.before not in set(grown.rows("features")["fingerprint"])
    after = load_catalogue(grown.tables)
    assert (after.modalities["text"].vectors == before.modalities["text"].vectors).all()
    assert grown.extract().pending == 0


def test_pruned_vectors_leave_the_disk_when_no_run_can_still_read_them(grown):
    grown.extract()

    def size():
        files = grown.tables.path("features").glob("*.parquet")
        return sum(file.stat().st_size for file in files)

    before = size()
    prune(grown.tables, grown.config, keep=())
    assert size() >= before  # a run that reads the old files goes on
    prune(grown.tables, grown.config.model_copy(update={"prune_keep_h": 0}), keep=())
    assert size() < before


def test_pruning_before_anything_was_extracted_does_nothing(world):
    assert prune(world.tables, world.config, keep=()) == {}
