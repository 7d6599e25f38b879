import time
from types import SimpleNamespace

from prometheus_client import REGISTRY

from serving.first_slates import FirstSlates

SECOND = 1_000_000


def counted(until):
    return REGISTRY.get_sample_value("kinoloop_upload_seconds_count", {"until": until}) or 0.0


def test_the_first_slate_of_a_new_video_is_counted_once_whoever_gave_it(new_state):
    stamps = {"landed_at": 5 * SECOND, "released_at": 25 * SECOND}
    current = SimpleNamespace(arrivals={"fresh": stamps})
    workers = [FirstSlates(new_state()) for _ in range(2)]
    before = counted("first_slate"), counted("publish")
    workers[0].meet(current, ["old", "fresh"])
    workers[0].meet(current, ["fresh"])
    assert workers[0].settle() == 1
    workers[1].meet(current, ["fresh"])
    assert workers[1].settle() == 0
    assert (counted("first_slate"), counted("publish")) == (before[0] + 1, before[1] + 1)


def test_a_catalogue_without_arrivals_costs_nothing(state):
    slates = FirstSlates(state)
    slates.meet(SimpleNamespace(arrivals={}), ["old"])
    assert slates.settle() == 0


def test_the_ways_of_the_newest_uploads_are_kept_for_the_page(state, new_state):
    slates, now = FirstSlates(state), time.time_ns() // 1000
    for video_id, seconds in (("slow", 90), ("quick", 12)):
        arrivals = {video_id: {"landed_at": now - seconds * SECOND}}
        slates.meet(SimpleNamespace(arrivals=arrivals), [video_id])
        slates.settle()
    newest, before = FirstSlates(new_state()).newest()
    assert 12 <= newest < 90 <= before
