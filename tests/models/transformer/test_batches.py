import numpy as np
import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.transformer.batches import Batches


def rows(*lengths):
    return Histories.from_rows(
        [[Interaction(100 * u + e, timestamp=e) for e in range(n)] for u, n in enumerate(lengths)]
    )


def steps(batches, seed=0, parts=1):
    return list(batches.epoch(np.random.default_rng(seed), parts=parts))


def pairs(batches, parts=1):
    return sorted(
        pair
        for step in steps(batches, parts=parts)
        for batch in step
        for pair in zip(batch.videos[batch.at].tolist(), batch.targets.tolist(), strict=True)
    )


LENGTHS = (1, 5, 12, 2, 0, 30)
EVERY_PAIR = sorted(
    (100 * u + e, 100 * u + e + 1) for u, n in enumerate(LENGTHS) for e in range(n - 1)
)


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_every_event_but_the_first_is_a_target_once_in_whatever_parts(parts):
    assert pairs(Batches(rows(*LENGTHS), length=4, positions=8), parts) == EVERY_PAIR


@pytest.mark.parametrize("parts", [1, 3])
def test_only_events_that_are_picked_are_targets_and_the_others_are_read_before_them(parts):
    def newest(times):
        return np.flatnonzero(times >= 20)

    picked = Batches(rows(*LENGTHS), length=4, positions=8, learn=newest)
    assert pairs(picked, parts) == [pair for pair in EVERY_PAIR if pair[1] % 100 >= 20]
    read = {v for step in steps(picked) for batch in step for v in batch.videos.tolist()}
    assert {v % 100 for v in read} == {*range(17, 29)}  # from the window of the first of them on
    nothing = Batches(rows(*LENGTHS), length=4, positions=8, learn=lambda times: times[:0])
    assert (nothing.steps, steps(nothing)) == (0, [])


def test_a_disliked_video_is_read_but_is_no_target():
    row = [Interaction(0), Interaction(1, weight=-1.0), Interaction(2, weight=2.0)]
    ((batch,),) = steps(Batches(Histories.from_rows([row]), length=4, positions=8))
    assert batch.videos.tolist() == [0, 1]
    assert batch.at.tolist() == [1]
    assert batch.targets.tolist() == [2]
    assert batch.weights.tolist() == [2.0]
    assert batch.step_weight == 2.0


def test_windows_stand_end_to_end_without_padding():
    histories = rows(*np.random.default_rng(0).integers(2, 40, size=50).tolist())
    for (batch,) in steps(Batches(histories, length=10, positions=64)):
        assert sum(count * length for count, length in batch.runs) == len(batch.videos)
        expected = [p for count, length in batch.runs for _ in range(count) for p in range(length)]
        assert batch.positions.tolist() == expected
        starts = batch.positions == 0
        assert (np.diff(batch.videos)[~starts[1:]] == 1).all()  # inside a window, in order


def test_the_parts_of_a_step_share_its_weight():
    for step in steps(Batches(rows(*LENGTHS), length=4, positions=8), parts=3):
        total = sum(float(part.weights.sum()) for part in step)
        assert [part.step_weight for part in step] == [total] * 3


def test_a_part_without_a_window_reads_one_and_learns_nothing_from_it():
    ((first, second, third),) = steps(Batches(rows(5, 3), length=8, positions=64), parts=3)
    assert len(first.targets) + len(second.targets) == 6
    assert third.runs == ((1, len(third.videos)),)
    assert len(third.at) == len(third.targets) == len(third.weights) == 0
    assert first.step_weight == second.step_weight == third.step_weight == 6


def test_order_changes_with_the_epoch_and_repeats_with_the_seed():
    batches = Batches(rows(*[5] * 40), length=8, positions=16)

    def order(seed):
        return [batch.videos[0] for (batch,) in steps(batches, seed)]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_steps_are_counted_without_making_them():
    batches = Batches(rows(*LENGTHS, 17, 9), length=4, positions=8)
    assert {len(steps(batches, seed)) for seed in range(5)} == {batches.steps}


def test_no_pairs_give_no_batches():
    batches = Batches(rows(1, 0), length=4, positions=8)
    assert steps(batches) == []
    assert batches.steps == 0
