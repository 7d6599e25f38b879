import gc
import threading
import weakref

import pytest

from serving import collector


class _Cycle:
    def __init__(self):
        self.me = self


@pytest.fixture
def under_way(monkeypatch):
    """Set while a request is under way; `looked` says that the collector has asked."""
    monkeypatch.setattr(collector, "LOOK_S", 0.02)
    monkeypatch.setattr(collector, "COLLECT_S", 0.0)
    thresholds = gc.get_threshold()
    gc.set_threshold(0)
    request, stop = threading.Event(), threading.Event()
    request.looked = threading.Event()

    def idle():
        request.looked.set()
        return not request.is_set()

    thread = collector.collect_when(idle, stop=stop)
    yield request
    stop.set()
    thread.join()
    gc.set_threshold(*thresholds)


def _is_gone(reference, under_way):
    """Whether it is, after three more looks."""
    for _ in range(3):
        under_way.looked.clear()
        assert under_way.looked.wait(60)
    return reference() is None


def _garbage():
    return weakref.ref(_Cycle())


def test_old_cycles_are_collected_when_no_request_waits(under_way):
    under_way.set()
    under_way.looked.clear()
    assert under_way.looked.wait(60)
    reference = _garbage()
    assert not _is_gone(reference, under_way)
    under_way.clear()
    assert _is_gone(reference, under_way)


def test_old_cycles_are_collected_in_the_end_although_requests_never_stop(under_way, monkeypatch):
    under_way.set()
    monkeypatch.setattr(collector, "COLLECT_BUSY_S", 0.0)
    assert _is_gone(_garbage(), under_way)


def test_a_worker_goes_over_what_has_lived_long_only_when_asked():
    thresholds = gc.get_threshold()
    collector.only_when_asked()
    changed = gc.get_threshold()
    gc.set_threshold(*thresholds)
    assert changed == (*thresholds[:2], collector.NEVER)
