from serving.rates import Rates


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_bucket_gives_its_burst_then_its_rate():
    clock = Clock()
    rates = Rates(0.5, 3, clock=clock)
    assert [rates.take("a") for _ in range(4)] == [0, 0, 0, 2]
    assert rates.take("b") == 0  # everybody has a bucket
    clock.now += 1.9
    assert rates.take("a") == 1
    clock.now += 0.2
    assert [rates.take("a"), rates.take("a")] == [0, 2]
    clock.now += 1e6
    assert [rates.take("a") for _ in range(4)] == [0, 0, 0, 2]


def test_asking_while_it_is_empty_costs_nothing_more():
    clock = Clock()
    rates = Rates(1.0, 1, clock=clock)
    assert rates.take("a") == 0
    assert [rates.take("a") for _ in range(50)] == [1] * 50
    clock.now += 1.0
    assert rates.take("a") == 0


def test_who_has_not_asked_for_longest_is_forgotten_beyond_the_bound():
    rates = Rates(0.001, 1, most=3, clock=Clock())
    for name in ("a", "b", "c", "a", "d"):
        rates.take(name)
    assert len(rates) == 3
    assert rates.take("a") > 0
    assert rates.take("b") == 0
    for name in range(1000):
        rates.take(f"user-{name}")
    assert len(rates) == 3


def test_without_a_rate_nothing_is_counted():
    rates = Rates(0.0, 1)
    assert [rates.take("a") for _ in range(5)] == [0] * 5
    assert len(rates) == 0
