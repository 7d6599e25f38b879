import numpy as np
import pytest

from kinoloop.data.catalogue import Modality
from kinoloop.data.fusion import FusionConfig, fuse
from kinoloop.release.similarity import Similarity, write_centres

WEIGHTS = FusionConfig(text=0.6, visual=0.4, audio=0.0)


def modality(n, dim, *, missing=(), seed=0):
    vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32) + 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    present = np.ones(n, dtype=bool)
    present[list(missing)] = False
    vectors[~present] = 0
    return Modality(vectors, present, "f")


@pytest.fixture
def modalities():
    return {
        "visual": modality(6, 4, missing=[2, 5], seed=1),
        "text": modality(6, 3, missing=[5], seed=2),
    }


def test_product_is_the_weighted_sum_of_the_cosines_of_what_both_have(modalities):
    fused = fuse(modalities, WEIGHTS)
    expected = 0.0
    for name, weight in (("text", 0.6), ("visual", 0.4)):
        some = modalities[name]
        centred = some.vectors - some.vectors[some.present].mean(axis=0)
        a, b = centred[0], centred[1]
        expected += weight * (a @ b) / (np.linalg.norm(a) * np.linalg.norm(b))
    assert fused.vectors[0] @ fused.vectors[1] == pytest.approx(expected, abs=1e-5)


def test_length_is_the_weight_of_what_is_there(modalities):
    squares = (fuse(modalities, WEIGHTS).vectors ** 2).sum(axis=1)
    np.testing.assert_allclose(squares, [1, 1, 0.6, 1, 1, 0], atol=1e-5)


def test_masks_and_columns_stand_in_the_order_of_the_names(modalities):
    fused = fuse(modalities, WEIGHTS)
    assert fused.names == ("text", "visual")
    assert fused.vectors.shape == (6, 7)
    assert fused.masks.tolist()[2] == [True, False]
    assert not fused.vectors[2, 3:].any()


def test_missing_modality_counts_as_average(modalities):
    scores = fuse(modalities, WEIGHTS).similarity(0)
    assert scores[0] == pytest.approx(1, abs=1e-5)
    assert scores[5] == 0
    assert not fuse(modalities, WEIGHTS).similarity(5).any()


def test_modality_without_a_weight_is_left_out(modalities):
    with_sound = {**modalities, "audio": modality(6, 5)}
    np.testing.assert_allclose(
        fuse(with_sound, WEIGHTS).similarity(0), fuse(modalities, WEIGHTS).similarity(0), atol=1e-6
    )
    assert FusionConfig().of("smell") == 0


def test_release_computes_the_same_without_making_the_matrix(modalities, tmp_path):
    for name, some in modalities.items():
        write_centres(tmp_path, name, some)
    similar = Similarity(modalities, tmp_path, WEIGHTS)
    fused = fuse(modalities, WEIGHTS)
    for video in range(5):
        np.testing.assert_allclose(similar.score(video), fused.similarity(video), atol=1e-5)
    assert not similar.covers(5)
