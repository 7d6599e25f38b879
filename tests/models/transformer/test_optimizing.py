import numpy as np
import pytest

from kinoloop.models.transformer.optimizing import warm_then_cool


def test_the_learning_rate_rises_then_falls_to_a_tenth():
    values = [warm_then_cool(step, 100, 0.1) for step in range(101)]
    assert values[0] == pytest.approx(0.1)
    assert max(values) == pytest.approx(1.0)
    assert values[-1] == pytest.approx(0.1)
    assert np.argmax(values) in {9, 10}
