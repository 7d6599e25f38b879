import numpy as np
import pytest

from kinoloop.evaluation.metrics.calibration import calibration_error
from kinoloop.ranking.calibrate import calibrate, fit_calibration, sigmoid


@pytest.fixture
def overconfident():
    rng = np.random.default_rng(0)
    truth = rng.normal(-0.5, 1, 20_000)
    return 3 * truth + 1, rng.random(20_000) < sigmoid(truth)


@pytest.mark.parametrize("kind", ["temperature", "isotonic"])
def test_overconfident_logits_are_put_right(overconfident, kind):
    logits, labels = overconfident
    state = fit_calibration(logits[:10_000], labels[:10_000], kind)
    after = calibrate(logits[10_000:], state)
    assert calibration_error(labels[10_000:], sigmoid(logits[10_000:])) > 0.1
    assert calibration_error(labels[10_000:], after) < 0.02


def test_temperature_keeps_the_order(overconfident):
    logits, labels = overconfident
    p = calibrate(np.sort(logits), fit_calibration(logits, labels, "temperature"))
    assert (np.diff(p) >= 0).all()


@pytest.mark.parametrize("kind", ["temperature", "isotonic"])
def test_one_label_or_logits_that_say_nothing_change_nothing(kind):
    logits = np.array([-1.0, 0.0, 2.0])
    state = fit_calibration(logits, np.zeros(3, dtype=bool), kind)
    np.testing.assert_allclose(calibrate(logits, state), sigmoid(logits))
    backwards = fit_calibration(logits, np.array([True, True, False]), "temperature")
    np.testing.assert_allclose(calibrate(logits, backwards), sigmoid(logits))


def test_extreme_logits_do_not_overflow():
    assert sigmoid(np.array([-1e4, 1e4])).tolist() == [0, 1]
