import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from kinoloop.errors import BundleError
from kinoloop.models import state
from kinoloop.models.state import read_state, write_state


def test_pieces_give_what_reading_at_once_gives(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "PIECE", 10)
    rng, path = np.random.default_rng(0), tmp_path / "state.safetensors"
    arrays = {
        "matrix": rng.standard_normal((23, 3)).astype(np.float32),
        "wide": rng.standard_normal((2, 100)),
        "long": rng.integers(0, 9, 101),
        "marks": rng.random(37) > 0.5,
        "half": rng.standard_normal(50).astype(np.float16),
        "empty": np.zeros((0, 4), dtype=np.float32),
        "one": np.array(3.5),
    }
    save_file(arrays, path)
    read, expected = read_state(path), load_file(path)
    assert set(read) == set(expected)
    for name, array in read.items():
        assert array.dtype == expected[name].dtype
        assert array.flags.writeable
        np.testing.assert_array_equal(array, expected[name])


def test_maps_large_arrays_and_leaves_the_file_to_who_has_mapped_it(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "MAPPED", 20)
    rng, path = np.random.default_rng(0), tmp_path / "state.safetensors"
    arrays = {
        "large": rng.standard_normal((9, 4)).astype(np.float32),
        "wide": rng.integers(0, 9, 21),
        "half": rng.standard_normal(30).astype(np.float16),
        "small": rng.standard_normal(5),
        "marks": rng.random(40) > 0.5,
    }
    write_state(path, arrays)
    read = read_state(path)
    for name, array in read.items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)
    assert isinstance(read["large"].base, np.memmap)
    assert not isinstance(read["small"].base, np.memmap)
    read["large"][0] = 7  # the reader's own
    write_state(path, {"large": arrays["large"][:2]})
    np.testing.assert_array_equal(read["large"][1:], arrays["large"][1:])
    assert read_state(path)["large"].tolist() == arrays["large"][:2].tolist()
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_by_name(tmp_path, wrong):
    save_file({"weights": np.array([1.0, wrong])}, tmp_path / "s")
    with pytest.raises(BundleError, match="weights has numbers that are not finite"):
        read_state(tmp_path / "s")


def test_weights_of_zero_are_refused_and_a_prior_of_zero_is_not(tmp_path):
    save_file({"prior": np.zeros(3), "counts": np.zeros(3, dtype=np.int64)}, tmp_path / "s")
    assert set(read_state(tmp_path / "s")) == {"prior", "counts"}
    zero = {"prior": np.ones(3), "a": np.zeros(3), "b": np.zeros((2, 2), dtype=np.float32)}
    save_file(zero, tmp_path / "s")
    with pytest.raises(BundleError, match="all 2 arrays of weights are zero"):
        read_state(tmp_path / "s")
    save_file({**zero, "b": np.eye(2, dtype=np.float32)}, tmp_path / "s")
    assert len(read_state(tmp_path / "s")) == 3
