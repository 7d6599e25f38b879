from dataclasses import replace

import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.errors import DataError
from kinoloop.evaluation.evaluate import evaluate
from kinoloop.evaluation.ranks import UNKNOWN
from kinoloop.evaluation.split import Holdout, leave_one_out
from kinoloop.evaluation.translate import translate, translate_holdout
from kinoloop.models.base import build
from kinoloop.testing.toy import toy_catalogue, toy_histories


def test_videos_that_the_other_catalogue_lacks_leave_the_histories_but_rows_stay():
    histories = Histories.from_rows([[Interaction(0), Interaction(2)], [Interaction(0)]], "pq")
    moved = translate(histories, IdMap("abc"), IdMap("cb"))
    assert moved.videos.tolist() == [0]
    assert moved.offsets.tolist() == [0, 1, 1]
    assert moved.user_ids == ("p", "q")


def test_unknown_targets_stay_and_count_as_missed():
    old, new = toy_catalogue(30), toy_catalogue(40)
    split = leave_one_out(toy_histories(new))
    train = translate(split.train, new.ids, old.ids)
    champion = build({"kind": "popularity"}).fit(train, old)
    asked = {split.test.histories.user_ids[0]: {"device": "tv"}}
    test = replace(split.test, situations=asked)
    moved = translate_holdout(test, new.ids, old.ids)
    assert moved.situations == asked
    unknown = moved.targets.videos == UNKNOWN
    assert unknown.any()
    assert len(moved) == len(split.test)
    result = evaluate(champion, moved, ks=(30,))
    hits = result.per_user["hr@30"].to_numpy()
    assert not hits[unknown].any()
    assert hits[~unknown].all()
    assert result.slices["unknown_videos"]["rows"] == unknown.sum()


def test_the_same_ids_change_nothing():
    catalogue = toy_catalogue()
    split = leave_one_out(toy_histories(catalogue))
    moved = translate_holdout(split.test, catalogue.ids, catalogue.ids)
    assert isinstance(moved, Holdout)
    assert moved.targets.videos.tolist() == split.test.targets.videos.tolist()


def test_a_target_that_was_unknown_before_stays_unknown():
    ids = IdMap(["a", "b"])
    holdout = Holdout(
        Histories.from_rows([[Interaction(0)]]), Histories.from_rows([[Interaction(UNKNOWN)]])
    )
    assert translate_holdout(holdout, ids, ids).targets.videos.tolist() == [UNKNOWN]


def test_histories_of_another_catalogue_are_refused():
    with pytest.raises(DataError, match="holds video 2 at place 0, expected 0 to 1"):
        translate(Histories.from_rows([[Interaction(2)]]), IdMap(["a", "b"]), IdMap(["a"]))
