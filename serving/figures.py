"""Errors, latency and the way of uploads, read from the counts of all workers."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from math import inf, isinf

import numpy as np
from prometheus_client.samples import Sample

from serving import metrics
from serving.overview import Bar, RouteFigures, Station, Traffic, Uploads

BARS_S = (15, 30, 60, 120, 300, 900, 3600, 14_400)
"""Upper ends of the bars of upload times, seconds; one bar is above them."""

STATIONS = ("ingest", "extract", "publish", "first_slate")
PROBES = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})

Buckets = dict[float, float]
"""Cumulative count by upper end."""


class Figures:
    """The counts of all workers at one moment.

    Args:
        samples: As `metrics.samples` yields them.
    """

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._counts: dict[str, dict[str, float]] = defaultdict(dict)
        self._statuses: dict[str, Counter[str]] = defaultdict(Counter)
        self._buckets: dict[str, dict[str, Buckets]] = defaultdict(lambda: defaultdict(dict))
        for sample in samples:
            self._take(sample.name, sample.labels, sample.value)

    def counted(self, name: str) -> dict[str, int]:
        """Return a counter by its one label."""
        return {label: round(value) for label, value in sorted(self._counts[name].items())}

    def value(self, name: str) -> int:
        """Return a value without labels; 0 where nobody has set it."""
        return round(self._counts[name].get("", 0))

    def traffic(self) -> Traffic:
        """Return errors and latency."""
        routes = [self._route(route) for route in self._statuses if route not in PROBES]
        return Traffic(
            routes=sorted(routes, key=lambda one: (-one.requests, one.route)),
            cut_off=self.counted("kinoloop_refused_total"),
            feedback=self.counted("kinoloop_feedback_events_total"),
            impressions=self.counted("kinoloop_impressions_total"),
            swaps=self.counted("kinoloop_release_swaps_total"),
            outbox_pending=self.value("kinoloop_outbox_pending"),
        )

    def uploads(self, newest_s: Sequence[float], unknown_because: str | None = None) -> Uploads:
        """Return the way from upload to impression.

        Args:
            newest_s: Of the newest uploads, seconds.
            unknown_because: Why there are none, where they are not known.
        """
        by_station = self._buckets["kinoloop_upload_seconds"]
        return Uploads(
            newest_s=list(newest_s),
            p50_s=float(np.quantile(newest_s, 0.5)) if newest_s else None,
            p95_s=float(np.quantile(newest_s, 0.95)) if newest_s else None,
            bars=_bars(newest_s),
            stations=[
                Station(
                    until=name,
                    uploads=_total(by_station[name]),
                    p50_s=quantile(by_station[name], 0.5),
                    p95_s=quantile(by_station[name], 0.95),
                )
                for name in STATIONS
                if name in by_station
            ],
            unknown_because=unknown_because,
        )

    def _take(self, name: str, labels: dict[str, str], value: float) -> None:
        if name == "kinoloop_requests_total":
            self._statuses[labels["route"]][labels["status"]] += round(value)
        elif name.endswith("_bucket"):
            (label,) = (text for key, text in labels.items() if key != "le")
            self._buckets[name.removesuffix("_bucket")][label][float(labels["le"])] = value
        elif len(labels) <= 1:
            self._counts[name]["".join(labels.values())] = value

    def _route(self, route: str) -> RouteFigures:
        statuses = self._statuses[route]
        buckets = self._buckets["kinoloop_request_seconds"][route]
        p50, p95, p99 = (_ms(quantile(buckets, share)) for share in (0.5, 0.95, 0.99))
        return RouteFigures(
            route=route,
            requests=sum(statuses.values()),
            refused=sum(n for status, n in statuses.items() if status.startswith("4")),
            failed=sum(n for status, n in statuses.items() if status.startswith("5")),
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
        )


def now() -> Figures:
    """Return the counts of all workers as they are."""
    return Figures(metrics.samples())


def quantile(buckets: Buckets, share: float) -> float | None:
    """Return a quantile of a histogram as Prometheus does: evenly spread within a bucket.

    Args:
        buckets: Cumulative; above the last finite end it is that end.
        share: Such as .5 for the median.

    Examples:
        >>> quantile({1.0: 2, 2.0: 4, float("inf"): 4}, 0.75)
        1.5
        >>> quantile({1.0: 0, float("inf"): 0}, 0.5) is None
        True
    """
    rank, below, start = share * _total(buckets), 0.0, 0.0
    if not rank:
        return None
    for end, until in sorted(buckets.items()):
        if until >= rank:
            return start if isinf(end) else start + (end - start) * (rank - below) / (until - below)
        below, start = until, end
    return None


def _total(buckets: Buckets) -> int:
    return round(buckets.get(inf, 0))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def _bars(seconds: Sequence[float]) -> list[Bar]:
    counts = Counter(bisect_left(BARS_S, one) for one in seconds)
    return [
        Bar(up_to_s=end, uploads=counts[at]) for at, end in enumerate((*map(float, BARS_S), None))
    ]
