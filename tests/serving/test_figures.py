import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.figures import BARS_S, Figures


@pytest.fixture
def figures():
    """What three requests and two uploads leave behind, as the service counts them."""
    registry = CollectorRegistry()
    more = {"registry": registry, "documentation": "."}
    requests = Counter("kinoloop_requests", labelnames=["route", "status"], **more)
    seconds = Histogram("kinoloop_request_seconds", labelnames=["route"], buckets=(1, 2, 4), **more)
    for status, took in (("200", 1.5), ("404", 1.5), ("503", 3.0)):
        requests.labels("/recommend", status).inc()
        seconds.labels("/recommend").observe(took)
    requests.labels("/livez", "200").inc(100)
    requests.labels("/similar", "499").inc()  # nobody waited for it
    refused = Counter("kinoloop_refused", labelnames=["reason"], **more)
    refused.labels("no_token").inc(2)
    Gauge("kinoloop_outbox_pending", **more).set(7)
    upload = Histogram("kinoloop_upload_seconds", labelnames=["until"], buckets=(10, 20), **more)
    upload.labels("publish").observe(15)
    upload.labels("first_slate").observe(900)
    return Figures(sample for family in registry.collect() for sample in family.samples)


def test_of_each_route_requests_errors_and_times_are_told_but_not_of_probes(figures):
    recommend, similar = figures.traffic().routes
    assert recommend.model_dump() == {
        "route": "/recommend",
        "requests": 3,
        "refused": 1,
        "failed": 1,
        "p50_ms": 1750.0,  # the middle of three: three quarters into the two between 1 and 2 s
        "p95_ms": 3700.0,
        "p99_ms": 3940.0,
    }
    assert (similar.route, similar.refused, similar.p99_ms) == ("/similar", 1, None)


def test_counts_have_the_name_of_their_label(figures):
    traffic = figures.traffic()
    assert traffic.cut_off == {"no_token": 2}
    assert (traffic.outbox_pending, traffic.feedback) == (7, {})


def test_uploads_have_a_bar_each_and_stations_in_order(figures):
    uploads = figures.uploads([30.0, 31.0, 20_000.0])
    assert [(bar.up_to_s, bar.uploads) for bar in uploads.bars if bar.uploads] == [
        (30.0, 1),
        (60.0, 1),
        (None, 1),
    ]
    assert len(uploads.bars) == len(BARS_S) + 1
    assert uploads.p50_s == 31.0
    stations = {one.until: (one.uploads, one.p50_s) for one in uploads.stations}
    assert stations == {"publish": (1, 15.0), "first_slate": (1, 20.0)}  # the last finite end


def test_without_any_upload_nothing_is_made_up(figures):
    uploads = figures.uploads([])
    assert (uploads.p50_s, uploads.p95_s) == (None, None)
    assert {bar.uploads for bar in uploads.bars} == {0}
