import numpy as np
import pytest

from kinoloop.models.sequence import Sequence
from kinoloop.models.transformer.checkpoints import Checkpoints, Progress
from kinoloop.models.transformer.config import SequenceConfig
from kinoloop.testing.toy import toy_catalogue, toy_histories

SMALL = {"dim": 16, "layers": 1, "length": 8, "epochs": 4, "batch_positions": 64}


def curve(checkpoints=None, **changes):
    """The loss of each epoch, and the model."""
    found = []
    model = Sequence(SequenceConfig(**{**SMALL, **changes}), seed=5)
    model.checkpoints = checkpoints
    model.fit(
        toy_histories(toy_catalogue()),
        toy_catalogue(),
        report=lambda name, value, step: found.append(value),
    )
    return found, model


@pytest.mark.parametrize("loss", ["sampled_softmax", "softmax", "gbce", "bce"])
def test_every_loss_falls(loss):
    found, _ = curve(loss=loss, negatives=16, epochs=6)
    assert found[-1] < found[0]


def test_an_accumulated_step_has_the_loss_of_the_whole_step():
    whole, model = curve(dropout=0.0)
    parts, other = curve(dropout=0.0, accumulate=3)
    np.testing.assert_allclose(parts, whole, rtol=1e-5)
    np.testing.assert_allclose(other._items, model._items, atol=1e-3)


@pytest.mark.parametrize("accumulate", [2, 3, 4])
def test_a_step_with_fewer_windows_than_parts_has_the_loss_of_the_whole_step(accumulate):
    whole, _ = curve(dropout=0.0, batch_positions=8, epochs=2)
    parts, _ = curve(dropout=0.0, batch_positions=8, epochs=2, accumulate=accumulate)
    np.testing.assert_allclose(parts, whole, rtol=1e-4)


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)


def _empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_truncate, _flip, _empty])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(damage, tmp_path, caplog):
    expected, model = curve(tmp_path)
    damage(tmp_path / "epoch-4.safetensors")
    found, again = curve(tmp_path)
    assert found == expected
    np.testing.assert_array_equal(again._items, model._items)
    assert "epoch-4.safetensors is damaged and passed over" in caplog.text
    for path in tmp_path.glob("*.safetensors"):
        damage(path)
    assert curve(tmp_path)[0] == expected


def test_where_the_best_epoch_is_damaged_the_training_begins_anew(tmp_path, caplog):
    best, newest = {"w": np.ones(3, np.float32)}, {"w": np.zeros(3, np.float32)}
    checkpoints = Checkpoints(tmp_path, "digest")
    checkpoints.save(Progress(epoch=1, best=0.5, best_epoch=1), best)
    checkpoints.save(Progress(epoch=2, best=0.5, best_epoch=1), newest)
    assert checkpoints.newest().best["w"].tolist() == [1, 1, 1]
    _truncate(tmp_path / "epoch-1.safetensors")
    assert checkpoints.newest() is None
    assert "epoch-1.safetensors is damaged" in caplog.text


@pytest.mark.parametrize("stopped_after", [1, 2, 3])
def test_goes_on_from_a_checkpoint_with_the_same_curve(stopped_after, tmp_path, monkeypatch):
    monkeypatch.setattr("kinoloop.models.transformer.checkpoints.KEPT", 9)
    expected, model = curve(tmp_path)
    for epoch in range(stopped_after + 1, SMALL["epochs"] + 1):
        (tmp_path / f"epoch-{epoch}.safetensors").unlink()
    found, again = curve(tmp_path)
    assert found == expected
    np.testing.assert_array_equal(again._items, model._items)


def test_takes_no_checkpoint_of_other_settings(tmp_path):
    curve(tmp_path)
    found, _ = curve(tmp_path, learning_rate=1e-3)
    assert found == curve(learning_rate=1e-3)[0]
