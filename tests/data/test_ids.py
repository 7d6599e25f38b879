import numpy as np
import pytest

from kinoloop.data import ids
from kinoloop.data.ids import IdMap
from kinoloop.errors import DataError


def test_ids_cross_in_both_directions():
    known = IdMap(["b", "a", "c"])
    assert known.index("a") == 1
    assert known.externals([2, 0]) == ["c", "b"]


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


def test_many_ids_are_found_as_few_are(monkeypatch):
    names = [f"v{i}" for i in range(300)] + ["ärger", "v/1", "x" * 300]
    asked = ["v7", "nobody", "x" * 300, "ärger", "v299", ""]
    expected = IdMap(names)
    monkeypatch.setattr(ids, "MANY", 10)
    for few in (1_000, 2):  # one by one, and joined
        monkeypatch.setattr(ids, "FEW", few)
        many = IdMap(names)
        assert many.indices(asked).tolist() == [7, -1, 302, 300, 299, -1]
        assert many.indices(asked).dtype == expected.indices(asked).dtype == np.int32
        assert [many.index(one) for one in asked] == many.indices(asked).tolist()
        assert "v7" in many
        assert "nobody" not in many
        assert many.externals([302, 0]) == ["x" * 300, "v0"]
        assert many.first(3).index("v2") == 2
        assert many.first(3).index("v3") == -1
        assert many.ids == tuple(names)
    with pytest.raises(DataError, match="the id 'v3' occurs twice"):
        IdMap([*names, "v3"])


def test_ids_with_one_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(ids, "MANY", 1)
    twins = ["plumless", "buckeroo"]  # one CRC-32
    found = IdMap(["a", *twins, "b"])
    assert [found.index(one) for one in twins] == [1, 2]
    assert IdMap(["a", twins[0]]).index(twins[1]) == -1
