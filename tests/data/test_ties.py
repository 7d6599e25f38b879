import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kinoloop.data.ties import name_keys, oldest_first, tie_keys

MOMENT = 1_790_000_000_000_000


def order_of(user, names, times=None):
    times = np.full(len(names), MOMENT) if times is None else np.array(times)
    return [names[at] for at in oldest_first(user, name_keys(names), times)]


def test_time_comes_first_and_ties_go_by_no_order_of_ids():
    names = [f"v{n:02d}" for n in range(12)]
    assert order_of("anna", names, range(12)) == names
    assert order_of("anna", names) not in (names, names[::-1])


def test_every_user_and_moment_has_another_order_so_that_no_sequence_can_be_learned():
    names = [f"v{n:03d}" for n in range(100)]
    users = [f"user-{n}" for n in range(400)]
    keys = name_keys(names)
    ranks = np.stack([np.argsort(oldest_first(u, keys, np.full(100, MOMENT))) for u in users])
    assert abs(ranks.mean(axis=0) - 49.5).max() < 6  # five sigmas of a mean of 400 uniform ranks
    later = oldest_first("user-0", keys, np.full(100, MOMENT + 1))
    assert (np.argsort(later) == ranks[0]).mean() < 0.1


def test_the_order_is_the_same_in_every_process():
    code = (
        "import numpy as np; from kinoloop.data.ties import *;"
        "print(tie_keys(name_keys(['u']), name_keys(['a', 'ü']), np.array([1, -2])).tolist())"
    )
    here = tie_keys(name_keys(["u"]), name_keys(["a", "ü"]), np.array([1, -2])).tolist()
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert there.stdout.strip() == str(here)


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 3)), unique_by=lambda e: e[0]))
def test_the_order_does_not_depend_on_the_order_that_events_arrive_in(events):
    forth = order_of("u", [n for n, _ in events], [t for _, t in events])
    back = order_of("u", [n for n, _ in events[::-1]], [t for _, t in events[::-1]])
    assert forth == back
