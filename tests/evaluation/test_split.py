import numpy as np
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.errors import DataError
from kinoloop.evaluation.split import leave_one_out, temporal_split
from kinoloop.schema import DAY_US
from kinoloop.testing.toy import toy_catalogue, toy_histories


def at(video, day, weight=1.0):
    return Interaction(video, weight=weight, timestamp=int(day * DAY_US))


def test_temporal_cuts_are_the_same_moment_for_everybody():
    histories = toy_histories(toy_catalogue())
    split = temporal_split(histories, validation_days=3, test_days=3)
    end = histories.timestamps.max()
    assert split.train.timestamps.max() <= end - 6 * DAY_US
    assert split.validation.histories.timestamps.max() <= end - 6 * DAY_US
    assert split.validation.targets.timestamps.min() > end - 6 * DAY_US
    assert split.test.histories.timestamps.max() <= end - 3 * DAY_US
    assert split.test.targets.timestamps.min() > end - 3 * DAY_US


def test_temporal_keeps_new_users_and_drops_users_without_a_target():
    rows = [[at(0, 6.5), at(1, 9)], [at(2, 6.5)], [at(3, 9.5)], [at(4, 7.5), at(5, 8.2)]]
    split = temporal_split(Histories.from_rows(rows, "abcd"), validation_days=1.5, test_days=1.2)
    assert split.test.histories.user_ids == ("a", "c")
    assert split.test.histories.lengths.tolist() == [1, 0]
    assert split.test.targets.videos.tolist() == [1, 3]
    assert split.train.user_ids == ("a", "b")


def test_temporal_targets_are_videos_of_interest_only():
    rows = [[at(0, 0), at(1, 8), at(2, 9.5, weight=-1.0), at(3, 10)]]
    split = temporal_split(Histories.from_rows(rows), validation_days=1, test_days=1)
    assert split.test.targets.videos.tolist() == [3]


def test_temporal_counts_a_silence_as_one_day():
    rows = [[at(day, day) for day in range(10)] + [at(10, 100)]]
    split = temporal_split(Histories.from_rows(rows), validation_days=3, test_days=2)
    assert split.test.targets.videos.tolist() == [9, 10]
    assert split.validation.targets.videos.tolist() == [6, 7, 8]
    assert split.train.videos.tolist() == [0, 1, 2, 3, 4, 5]


def test_temporal_says_which_part_is_empty():
    rows = [[at(0, 0), at(1, 1)]]
    with pytest.raises(
        DataError, match=r"the training part is empty; the histories span 1\.0 days"
    ):
        temporal_split(Histories.from_rows(rows), validation_days=7, test_days=7)
    with pytest.raises(DataError, match="the histories are empty"):
        temporal_split(Histories.from_rows([[]]), validation_days=7, test_days=7)


def test_leave_one_out_holds_out_the_last_two_in_order():
    rows = [[at(v, v) for v in (1, 2, 3, 4)], [at(5, 0), at(6, 1)]]
    split = leave_one_out(Histories.from_rows(rows, ["a", "b"]))
    assert split.train.videos.tolist() == [1, 2, 5, 6]
    assert split.validation.histories.videos.tolist() == [1, 2]
    assert split.validation.targets.videos.tolist() == [3]
    assert split.test.histories.videos.tolist() == [1, 2, 3]
    assert split.test.targets.videos.tolist() == [4]
    assert split.test.targets.user_ids == ("a",)


def test_leave_one_out_never_makes_a_dislike_the_target():
    rows = [[at(1, 0), at(2, 1), at(3, 2), at(4, 3, weight=-1.0)]]
    split = leave_one_out(Histories.from_rows(rows))
    assert split.test.targets.videos.tolist() == [3]
    assert split.test.histories.videos.tolist() == [1, 2]
    assert split.validation.targets.videos.tolist() == [2]


def test_leave_one_out_needs_three_videos_of_interest():
    with pytest.raises(DataError, match="no user has three videos of interest"):
        leave_one_out(Histories.from_rows([[at(1, 0), at(2, 1)]]))


def test_ndcg_of_a_perfect_scorer_is_one():
    split = leave_one_out(toy_histories(toy_catalogue()))
    answers = iter(split.validation.targets.videos.tolist())

    def oracle(histories):
        scores = np.zeros((len(histories), 40), dtype=np.float32)
        scores[np.arange(len(histories)), [next(answers) for _ in range(len(histories))]] = 1
        return scores

    assert split.validation.ndcg(oracle) == 1.0
    assert split.validation.rows(slice(0, 0)).ndcg(oracle) == 0.0
