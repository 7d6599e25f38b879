import numpy as np

from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.transformer.batches import Batches


def rows(*lengths):
    return Histories.from_rows(
        [[Interaction(100 * u + e, timestamp=e) for e in range(n)] for u, n in enumerate(lengths)]
    )


def pairs(batches, seed=0):
    found = []
    for batch in batches.epoch(np.random.default_rng(seed)):
        r, c = np.nonzero(batch.targets >= 0)
        found += list(zip(batch.videos[r, c].tolist(), batch.targets[r, c].tolist(), strict=True))
    return sorted(found)


def test_every_event_but_the_first_is_a_target_once():
    histories = rows(1, 5, 12, 2, 0, 30)
    expected = sorted(
        (100 * u + e, 100 * u + e + 1)
        for u, n in enumerate([1, 5, 12, 2, 0, 30])
        for e in range(n - 1)
    )
    assert pairs(Batches(histories, length=4, positions=8)) == expected


def test_a_disliked_video_is_read_but_is_no_target():
    row = [Interaction(0), Interaction(1, weight=-1.0), Interaction(2, weight=2.0)]
    batches = Batches(Histories.from_rows([row]), length=4, positions=8)
    (batch,) = batches.epoch(np.random.default_rng(0))
    assert batch.videos.tolist() == [[0, 1]]
    assert batch.targets.tolist() == [[-1, 2]]
    assert batch.weights.tolist() == [[0.0, 2.0]]


def test_like_lengths_go_together_so_little_is_padded():
    rng = np.random.default_rng(0)
    histories = rows(*rng.integers(2, 40, size=200).tolist())
    padded = real = 0
    for batch in Batches(histories, length=40, positions=64).epoch(rng):
        padded += batch.targets.size
        real += (batch.targets >= 0).sum()
    assert real / padded > 0.9


def test_order_changes_with_the_epoch_and_repeats_with_the_seed():
    batches = Batches(rows(*[5] * 40), length=8, positions=16)

    def order(seed):
        return [b.videos[0, 0] for b in batches.epoch(np.random.default_rng(seed))]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_no_pairs_give_no_batches():
    assert list(Batches(rows(1, 0), length=4, positions=8).epoch(np.random.default_rng(0))) == []
