from kinoloop.data.ids import IdMap


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
