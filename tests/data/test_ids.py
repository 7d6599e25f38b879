import pytest

from kinoloop.data.ids import IdMap
from kinoloop.errors import DataError


def test_ids_cross_in_both_directions():
    ids = IdMap(["b", "a", "c"])
    assert ids.index("a") == 1
    assert ids.externals([2, 0]) == ["c", "b"]


def test_unknown_id_is_minus_one():
    ids = IdMap(["a"])
    assert ids.index("x") == -1
    assert ids.indices(["x", "a"]).tolist() == [-1, 0]
    assert "x" not in ids
    assert len(ids) == 1


IDS = IdMap(["alpha", "beta", "gamma"])


def test_ids_that_are_required_give_their_indices():
    assert IDS.require(["gamma", "alpha"]).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["alpha", "gama"], "no video is called 'gama' among the 3 .* did you mean 'gamma'"),
        (["x", "y", "z"], r"no video is called 'x' \(and 2 more\) among the 3"),
    ],
)
def test_an_unknown_id_is_refused_by_its_name(asked, message):
    with pytest.raises(DataError, match=message):
        IDS.require(asked)


def test_an_id_that_is_there_twice_is_refused_by_its_name():
    with pytest.raises(DataError, match="the id 'b' occurs twice"):
        IdMap(["a", "b", "c", "b"])
