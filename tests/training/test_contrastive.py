import logging
from datetime import UTC, datetime

import numpy as np
import pytest
import torch

from kinoloop.data.catalogue import Modality
from kinoloop.data.fusion import FusionConfig
from kinoloop.data.joint import JOINT
from kinoloop.release.info import BundleInfo
from kinoloop.testing.toy import toy_catalogue
from kinoloop.training.contrastive import (
    ContrastiveConfig,
    FusionSettings,
    learn,
    with_joint,
)
from kinoloop.training.info_nce import Said, info_nce

CONFIG = ContrastiveConfig(enabled=True, dim=8, epochs=30, learning_rate=0.01, batch_size=64)


def _agreeing(n=200, *, seed=0):
    """Two modalities that show the same five hidden numbers, each in its own way, and noise."""
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal((n, 5))
    found = {}
    for name, dim in (("text", 12), ("visual", 20)):
        shown = hidden @ rng.standard_normal((5, dim)) + 0.3 * rng.standard_normal((n, dim))
        vectors = (shown / np.linalg.norm(shown, axis=1, keepdims=True)).astype(np.float32)
        found[name] = Modality(vectors, np.ones(n, dtype=bool), f"{name}-1")
    return found


def _found(joint, modalities):
    """Share of videos whose text finds its own picture first."""
    text, visual = (
        joint.of({**modalities, other: _absent(modalities[other])}, np.arange(200))[0]
        for other in ("visual", "text")
    )
    return float(((text @ visual.T).argmax(axis=1) == np.arange(200)).mean())


def _absent(modality):
    return Modality(modality.vectors, np.zeros_like(modality.present), modality.fingerprint)


def test_a_videos_own_modalities_find_each_other_better_than_before():
    modalities = _agreeing()
    learned = learn(modalities, CONFIG)
    assert learned.measured["held_out_loss"] < 0.7 * learned.measured["held_out_loss_before"]
    start = learn(modalities, CONFIG.model_copy(update={"epochs": 1, "learning_rate": 1e-9}))
    assert _found(learned, modalities) > 3 * _found(start, modalities)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    modalities = _agreeing()
    few = CONFIG.model_copy(update={"epochs": 3})
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = learn(modalities, few).fingerprint
    assert torch.equal(torch.rand(3), expected)  # the caller's draws go on as if nothing happened
    assert learn(modalities, few).fingerprint == first
    assert learn(modalities, few.model_copy(update={"seed": 1})).fingerprint != first


def test_what_is_missing_is_masked_whatever_stands_there():
    modalities = _agreeing()
    rows = np.arange(0, 200, 3)
    modalities["visual"].present[rows] = False
    few = CONFIG.model_copy(update={"epochs": 3})
    zero, noise = modalities["visual"].vectors.copy(), modalities["visual"].vectors.copy()
    zero[rows], noise[rows] = 0, 9
    made = {
        learn(
            {**modalities, "visual": Modality(v, modalities["visual"].present, "f")}, few
        ).fingerprint
        for v in (zero, noise)
    }
    assert len(made) == 1


def test_loss_is_the_mean_of_both_directions():
    one = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    other = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    both = torch.tensor([True, True, False])
    everywhere = torch.tensor([True, True, True])
    # cosines of the two that have both: rows (1, 1), (0, 0)
    there = np.log(2)
    back = np.mean([np.log(1 + np.e**-2), np.log(1 + np.e**2)])
    found = info_nce([Said(one, both), Said(other, everywhere)], temperature=0.5)
    assert float(found) == pytest.approx((there + back) / 2, abs=1e-6)
    alone = info_nce([Said(one, both), Said(other, ~both)], temperature=0.5)
    assert float(alone) == 0


def test_too_few_videos_with_two_modalities_leave_it_out_and_say_so(caplog):
    with caplog.at_level(logging.WARNING):
        catalogue, joint = with_joint(toy_catalogue(), CONFIG)
    assert joint is None
    assert JOINT not in catalogue.modalities
    assert "39 videos have two modalities, expected at least 50" in caplog.text


def test_is_off_by_default_and_then_changes_nothing():
    catalogue = toy_catalogue()
    assert with_joint(catalogue, ContrastiveConfig()) == (catalogue, None)
    assert type(FusionSettings().weights) is FusionConfig


def test_a_release_without_joint_vectors_has_the_digest_that_it_had_before():
    info = BundleInfo(
        kind="popularity",
        settings={},
        fingerprints={},
        videos=1,
        users=0,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        files={},
    )
    assert set(info.document()["fusion"]) == {"text", "visual", "audio"}
    weighed = info.model_copy(update={"fusion": FusionConfig(joint=0.5)})
    assert weighed.document()["fusion"]["joint"] == 0.5
    assert weighed.digest != info.digest


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"held_out": 0.999}, "leaves none to learn from"),
        ({"temperature": 1e-45}, "its held-out loss is no number"),
    ],
)
def test_a_joint_vector_that_learned_nothing_is_left_out(caplog, changes, why):
    config = CONFIG.model_copy(update={"epochs": 1, **changes})
    assert learn(_agreeing(), config) is None
    assert why in caplog.text
