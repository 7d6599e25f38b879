"""What an answer costs decides by ratios: no figure here comes from the speed of this machine."""

import itertools

import numpy as np
import pytest

from kinoloop.promotion.gates import PromoteConfig, latency_gates, latency_warnings
from kinoloop.promotion.latency import Clocks, Costs, Latency, floor_answer, in_turns, ratio


class Machine:
    """A machine whose clocks stand still but for what answers cost; `load` stretches all of it."""

    def __init__(self, loads=(1.0,)):
        self.cpu_s = self.wall_s = 0.0
        self._loads = itertools.cycle(loads)
        self.clocks = Clocks(cpu=lambda: self.cpu_s, wall=lambda: self.wall_s)
        self.asked = []

    def release(self, name, seconds):
        def answer(request):
            self.asked.append((name, request))
            load = next(self._loads)
            self.cpu_s += seconds * (1 + (load - 1) / 10)  # caches and siblings are shared
            self.wall_s += seconds * load
            return []

        return answer


def costs(*cpu_s, wall_s=0.001):
    return Costs(np.array(cpu_s), np.full((3, len(cpu_s)), wall_s))


def latency(challenger, *, champion=None, floor=0.001, wall_s=0.001):
    return Latency(
        costs(*[challenger] * 9, wall_s=wall_s),
        costs(*[floor] * 9),
        None if champion is None else costs(*[champion] * 9),
    )


def verdict(found, **settings):
    (gate, *others) = latency_gates(found, PromoteConfig(**settings))
    return gate, others


def test_contenders_are_asked_the_same_in_turns_and_who_begins_changes():
    machine = Machine()
    answers = {name: machine.release(name, 1.0) for name in ("a", "b")}
    in_turns(answers, 2, clocks=machine.clocks, turns=2)
    assert machine.asked[2:] == [
        ("a", 0), ("b", 0), ("a", 1), ("b", 1), ("b", 0), ("a", 0), ("b", 1), ("a", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("loads", [(1.0,), (8.0,), (1.0, 3.0, 40.0, 2.0, 9.0)])
def test_a_busy_machine_changes_how_long_and_not_the_verdict(loads):
    for challenger, passed in ((0.02, True), (0.5, False)):
        machine = Machine(loads)
        measured = in_turns(
            {
                "challenger": machine.release("challenger", challenger),
                "champion": machine.release("champion", 0.01),
                "floor": machine.release("floor", 0.001),
            },
            20,
            clocks=machine.clocks,
        )
        gate, _ = verdict(Latency(**measured))
        assert gate.passed is passed


def test_a_first_release_is_refused_only_where_it_is_broken():
    assert verdict(latency(0.06, wall_s=2.0))[0].passed  # sixty times the floor, two seconds
    gate, _ = verdict(latency(0.5))
    assert not gate.passed
    assert gate.refusal.startswith(
        "cost of an answer: 500.00 × [500.00, 500.00] the floor's CPU time, "
        "required not proven above 100 ×; next: "
    )


def test_a_champion_cheaper_than_the_floor_does_not_make_every_model_slow():
    assert verdict(latency(0.008, champion=0.00002))[0].passed
    assert not verdict(latency(0.011, champion=0.00002))[0].passed


def test_a_slowdown_is_refused_only_where_the_interval_proves_it():
    unsure = Latency(costs(0.2, 0.001, 0.001, 0.001), costs(*[0.001] * 4), costs(*[0.004] * 4))
    assert unsure.slowdown(seed=0, confidence=0.95).value > 10
    assert verdict(unsure)[0].passed
    assert not verdict(latency(0.06, champion=0.004))[0].passed


def test_few_requests_that_take_very_long_are_seen():
    mixed = [*[0.001] * 30, *[1.0] * 10]
    found = ratio(np.array(mixed), np.full(40, 0.001), seed=0, confidence=0.95)
    assert found.low > 100


def test_the_absolute_limit_is_a_warning_unless_the_settings_make_it_a_gate():
    slow = latency(0.002, wall_s=0.0528)
    assert verdict(slow)[1] == []
    (warning,) = latency_warnings(slow, PromoteConfig())
    assert warning.startswith("p95 of an answer was 52.8 ms on this machine")
    config = PromoteConfig(latency_limit_is_a_gate=True)
    assert latency_warnings(slow, config) == []
    gate = latency_gates(slow, config)[1]
    assert (gate.passed, gate.measured, gate.required) == (False, "p95 52.8 ms", "≤ 50 ms")
    assert latency_warnings(latency(0.002, wall_s=0.04), PromoteConfig()) == []


def test_cpu_time_is_measured_for_real():
    """Two thousand times the arithmetic is more than ten times the time on any machine."""
    floor = floor_answer(100)

    def heavy(request):
        for _ in range(2000):
            floor(request)

    found = in_turns({"floor": floor, "challenger": heavy}, 2, clocks=Clocks(), turns=2)
    assert not verdict(Latency(**found), max_over_floor=10)[0].passed
    assert verdict(Latency(found["floor"], found["challenger"]))[0].passed
