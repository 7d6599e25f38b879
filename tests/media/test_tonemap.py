import numpy as np
import pytest

from kinoloop.media.tonemap import KNEE, PEAK_NITS, WHITE_NITS, _bend, _light, to_srgb


def pq(nits):
    """SMPTE ST 2084, inverse EOTF, as 16 bits."""
    y = (nits / 10_000) ** (2610 / 16384)
    value = ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)
    return round(value * 65535)


def grey(value):
    return np.full((2, 2, 3), value, dtype=np.uint16)


@pytest.mark.parametrize("nits", [1, 10, 100, 203, 1000, 4000])
def test_pq_stands_for_light(nits):
    assert _light("pq")[pq(nits)] * WHITE_NITS == pytest.approx(nits, rel=1e-3)


def test_hlg_reaches_from_black_to_full_scene_light():
    light = _light("hlg")
    assert light[0] == 0
    assert light[-1] == pytest.approx(1, abs=1e-3)
    assert light[32768] == pytest.approx(1 / 12, abs=1e-3)


def test_what_is_dim_stays_and_the_peak_is_white():
    assert (to_srgb(grey(0), "pq") == 0).all()
    assert (to_srgb(grey(pq(PEAK_NITS)), "pq") == 255).all()
    half = to_srgb(grey(pq(WHITE_NITS * 0.4)), "pq")[0, 0, 0] / 255
    assert half == pytest.approx(1.055 * 0.4 ** (1 / 2.4) - 0.055, abs=0.01)


def test_brighter_is_never_darker():
    values = [int(to_srgb(grey(v), "hlg")[0, 0, 0]) for v in range(0, 65536, 2048)]
    assert values == sorted(values)
    assert values[0] == 0
    assert values[-1] > 240


def test_curve_is_smooth_at_its_knee():
    below, at, above = _bend(np.array([KNEE - 1e-3, KNEE, KNEE + 1e-3], dtype=np.float32))
    assert above - at == pytest.approx(at - below, rel=0.05)


def test_grey_stays_grey_and_wide_red_is_clipped_to_red():
    red = np.zeros((1, 1, 3), dtype=np.uint16)
    red[..., 0] = pq(100)
    r, g, b = to_srgb(red, "pq")[0, 0]
    assert r > 150
    assert max(g, b) <= 5
    assert len(set(to_srgb(grey(30_000), "pq")[0, 0].tolist())) == 1
