"""Warm starts: what may be gone on from, what is taken over, and that nothing leaks."""

from dataclasses import replace

import numpy as np
import pytest

from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.errors import BundleError
from kinoloop.evaluation.split import leave_one_out, temporal_split
from kinoloop.models.base import build
from kinoloop.models.warm_start import WarmStart
from kinoloop.schema import DAY_US
from kinoloop.testing.toy import START_US, toy_catalogue, toy_histories
from kinoloop.training.model_selection import TrainingData, fit_and_evaluate
from kinoloop.training.warm_start import (
    Seen,
    WarmStartConfig,
    read_parent,
    read_trained,
    save_trained,
    what_differs,
    why_not,
)

SEQUENCE = {"kind": "sequence", "dim": 16, "layers": 1, "length": 8, "epochs": 4}
MATCH = {"kind": "concat_match", "dim": 8, "hidden": 8, "epochs": 4, "negatives": 16}
TOWERS = {**MATCH, "kind": "two_tower"}
KINDS = (SEQUENCE, MATCH, TOWERS)


@pytest.fixture(scope="module")
def world():
    catalogue = toy_catalogue()
    histories = toy_histories(catalogue, 60)
    split = temporal_split(histories, validation_days=3, test_days=4)
    return TrainingData(catalogue, histories, split)


def cut_at(world, day):
    """The part of the training window that was there on some day, and when that was."""
    train, until = world.split.train, START_US + day * DAY_US
    return train.select(train.timestamps <= until), until


def grown(catalogue):
    """The same videos in another order, one gone and two new."""
    order = [*range(len(catalogue) - 1, 0, -1)]
    bigger = toy_catalogue(len(catalogue) + 2)
    keep = [*order, len(catalogue), len(catalogue) + 1]
    names = [bigger.ids.ids[i] for i in keep]
    modalities = {
        name: Modality(m.vectors[keep], m.present[keep], m.fingerprint)
        for name, m in bigger.modalities.items()
    }
    return Catalogue(
        IdMap(names), bigger.published_at[keep], bigger.videos[keep], modalities
    ), np.array(keep)


def parent_of(model, tmp_path, until, **settings):
    path = tmp_path / "learned.safetensors"
    assert save_trained(path, model, trained_until=until, scratch_cpu_s=9.0)
    return read_parent(path, WarmStartConfig(**settings), label="version 7")


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: s["kind"])
def test_the_same_champion_data_and_seed_give_the_same_weights(settings, world, tmp_path):
    old, until = cut_at(world, 12)
    parent = parent_of(build(settings).fit(old, world.catalogue), tmp_path, until)
    first, again = (fit_and_evaluate(settings, world, seed=3, start=parent) for _ in range(2))
    assert first.outcome.started_from == "version 7"
    assert first.outcome.scratch_cpu_seconds == 9.0
    for name, value in first.recommender.learned().items():
        np.testing.assert_array_equal(value, again.recommender.learned()[name])
    scratch = fit_and_evaluate(settings, world, seed=3, start="why")
    assert scratch.outcome.scratch_because == "why"
    assert any(
        not np.array_equal(value, scratch.recommender.learned()[name])
        for name, value in first.recommender.learned().items()
    )


def test_what_has_a_closed_form_says_nothing_of_where_it_started(world):
    outcome = fit_and_evaluate({"kind": "item_knn"}, world, seed=0, start="why").outcome
    assert (outcome.started_from, outcome.scratch_because) == ("", "")


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: s["kind"])
def test_a_warm_start_is_shorter(settings, world, tmp_path):
    old, until = cut_at(world, 12)
    parent = parent_of(build(settings).fit(old, world.catalogue), tmp_path, until, warm_epochs=0.25)
    model = build(settings)
    model.warm = parent.warm
    epochs = []
    model.fit(world.split.train, world.catalogue, report=lambda name, value, at: epochs.append(at))
    whole = []
    build(settings).fit(
        world.split.train, world.catalogue, report=lambda name, value, at: whole.append(at)
    )
    assert 0 < len(set(epochs)) < len(set(whole))


def test_ids_and_words_are_taken_by_name_when_the_catalogue_has_changed(world, tmp_path):
    from kinoloop.models.transformer.warming import IDS

    model = build(SEQUENCE).fit(world.split.train, world.catalogue)
    parent = parent_of(model, tmp_path, until=START_US + 90 * DAY_US)
    other, keep = grown(world.catalogue)
    histories = world.histories
    place = np.full(len(world.catalogue), -1)
    place[keep[:-2]] = np.arange(len(keep) - 2)
    moved = histories.select(place[histories.videos] >= 0)
    moved = replace(moved, videos=place[moved.videos].astype(np.int32))
    later = build(SEQUENCE)
    later.warm = parent.warm
    later.fit(moved, other)  # nothing is newer than the parent: nothing is learned
    before, after = model.learned(), later.learned()
    known = before["known"][keep[:-2]] > 0
    np.testing.assert_array_equal(after[IDS][: len(keep) - 2][known], before[IDS][keep[:-2]][known])
    np.testing.assert_array_equal(after[IDS][-1], before["unknown"])
    names = before["terms"].tobytes().decode().split("\n")
    mine = after["terms"].tobytes().decode().split("\n")
    at, word = next((i, w) for i, w in enumerate(mine) if w in names)
    np.testing.assert_array_equal(
        after["words.vectors.weight"][at], before["words.vectors.weight"][names.index(word)]
    )


def test_where_no_epoch_helps_the_weights_that_came_are_kept(world, tmp_path):
    settings = {**SEQUENCE, "learning_rate": 50.0}
    good = build(SEQUENCE).fit(
        world.split.train, world.catalogue, validation=world.split.validation
    )
    parent = parent_of(good, tmp_path, until=int(np.median(world.split.train.timestamps)))
    model = build(settings)
    model.warm = parent.warm
    curve = []
    model.fit(
        world.split.train,
        world.catalogue,
        validation=world.split.validation,
        report=lambda name, value, at: curve.append((name, at, value)),
    )
    found = {at: value for name, at, value in curve if name == "validation_ndcg@10"}
    assert found[0] >= max(found.values())
    assert model.best_epoch == 0
    np.testing.assert_array_equal(model.learned()["unknown"], good.learned()["unknown"])


def test_an_interrupted_warm_start_goes_on_to_the_same_weights(world, tmp_path):
    old, until = cut_at(world, 12)
    parent = parent_of(build(SEQUENCE).fit(old, world.catalogue), tmp_path, until, warm_epochs=1.0)

    class StoppedError(Exception):
        pass

    def fit(checkpoints, stop=99):
        def report(name, value, at):
            if at == stop:
                raise StoppedError

        model = build(SEQUENCE)
        model.warm, model.checkpoints = parent.warm, checkpoints
        return model.fit(
            world.split.train, world.catalogue, validation=world.split.validation, report=report
        )

    whole = fit(tmp_path / "a")
    with pytest.raises(StoppedError):
        fit(tmp_path / "b", stop=2)
    again = fit(tmp_path / "b")
    for name, value in whole.learned().items():
        np.testing.assert_array_equal(value, again.learned()[name])


def test_replay_adds_old_examples_in_proportion():
    times = np.arange(100)
    warm = WarmStart({}, IdMap([]), trained_until=79, replay=1.5)
    picked = warm.replayed(times, np.random.default_rng(0))
    assert set(range(80, 100)) <= set(picked.tolist())
    assert len(picked) == 20 + 30
    assert len(replace(warm, replay=0).replayed(times, np.random.default_rng(0))) == 20


def test_a_champion_that_has_seen_the_new_windows_is_not_gone_on_from(world):
    split = world.split
    newest = int(split.train.timestamps.max())
    proof = int(split.test.targets.timestamps.min())
    fine = Seen(trained_until=newest - 1, chosen_until=proof - 1)
    assert why_not(fine, split, temporal=True) == ""
    learned = fine.model_copy(update={"trained_until": newest + 1})
    assert "has learned events of the new" in why_not(learned, split, temporal=True)
    chosen = fine.model_copy(update={"chosen_until": proof})
    assert "chosen by events of the new test" in why_not(chosen, split, temporal=True)
    same = fine.model_copy(update={"trained_until": newest})
    assert "no events" in why_not(same, split, temporal=True)


def test_leave_one_out_holds_out_what_was_learned_and_starts_from_scratch():
    """Of a user with two videos all is learned; one more makes both targets."""
    rows = [[Interaction(v, timestamp=v) for v in videos] for videos in ((1, 2), (1, 3, 5))]
    before = leave_one_out(Histories.from_rows(rows))
    rows[0].append(Interaction(4, timestamp=4))
    after = leave_one_out(Histories.from_rows(rows))
    learned = before.train.videos[before.train.row(0)].tolist()
    assert after.validation.targets.videos[0] in learned  # the leak is real
    seen = Seen(trained_until=2, chosen_until=3)
    assert "leave_one_out" in why_not(seen, after, temporal=False)


def test_other_settings_or_vectors_are_named(world, tmp_path):
    model = build(MATCH).fit(world.split.train, world.catalogue)
    save_trained(tmp_path / "t.safetensors", model, trained_until=0, scratch_cpu_s=1)
    trained = read_trained(tmp_path / "t.safetensors")
    same = world.catalogue.fingerprints
    assert what_differs(trained, build(MATCH), same) == ""
    assert "dim 8 → 16" in what_differs(trained, build({**MATCH, "dim": 16}), same)
    chosen = trained.settings | {"prior_half_life_days": 2.0}
    trained = trained.model_copy(update={"settings": chosen})
    assert what_differs(trained, build(MATCH), same) == ""  # left open: it chose its own
    pinned = build({**MATCH, "prior_half_life_days": 7})
    assert "prior_half_life_days 2.0 → 7.0" in what_differs(trained, pinned, same)
    other = {**same, "visual": "another"}
    assert what_differs(trained, build(MATCH), other) == "vectors are of another encoder: visual"


def test_weights_of_another_network_are_not_taken(world, tmp_path):
    model = build(MATCH).fit(world.split.train, world.catalogue)
    parent = parent_of(model, tmp_path, until=START_US)
    wider = {**MATCH, "dim": 16}
    outcome = fit_and_evaluate(wider, world, seed=0, start=parent).outcome
    assert outcome.started_from == ""
    assert "has the shape" in outcome.scratch_because


@pytest.mark.parametrize("content", [b"", b"{}", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_damaged_file_is_no_training(content, tmp_path):
    path = tmp_path / "t.safetensors"
    path.write_bytes(content)
    with pytest.raises(BundleError, match="holds no training"):
        read_trained(path)
