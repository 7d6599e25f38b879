import resource
import subprocess
import sys

from serving.connections import RESERVED, Connections


class Held:
    """A connection that somebody holds open."""

    def __init__(self):
        self.dropped = False

    def drop(self):
        self.dropped = True


def test_the_one_that_is_idle_for_longest_makes_room():
    connections, held = Connections(3), [Held() for _ in range(4)]
    for one in held[:3]:
        assert connections.admit(one)
    connections.busy(held[0])
    assert connections.admit(held[3])
    assert [one.dropped for one in held] == [False, True, False, False]
    assert connections.open == {held[0], held[2], held[3]}


def test_idle_counts_from_the_end_of_the_last_request():
    connections, first, second = Connections(2), Held(), Held()
    connections.admit(first)
    connections.admit(second)
    connections.busy(first)
    connections.idle(first)
    connections.admit(Held())
    assert (first.dropped, second.dropped) == (False, True)


def test_who_is_being_answered_is_not_dropped():
    connections, held = Connections(2), [Held(), Held()]
    for one in held:
        connections.admit(one)
        connections.busy(one)
    assert not connections.admit(Held())
    assert not any(one.dropped for one in held)
    connections.forget(held[0])
    assert connections.admit(Held())


def test_descriptors_are_left_for_the_state_and_the_export():
    said = subprocess.run(
        [sys.executable, "-c", "from serving.connections import Connections as C\n"
         "import resource; print(C(100_000).most, resource.getrlimit(resource.RLIMIT_NOFILE)[0])"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (300, 600)),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == [str(600 - RESERVED), "600"]
    assert "at most 344 connections" in said.stderr
