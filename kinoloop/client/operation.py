"""What the service tells operators, as frozen objects; see `kinoloop/client/answers.py`.

What each field means stands in the service's OpenAPI document (`/docs`).
"""

from datetime import datetime

from kinoloop.client.answers import Answer, ReleaseFacts


class Availability(Answer):
    """When a video may be shown; `in_catalogue`: whether the release in service knows it."""

    video_id: str
    hidden: bool
    available_from: datetime | None
    available_until: datetime | None
    in_catalogue: bool


class Uploaded(Answer):
    """A clip that is in the landing zone: its video, its size, its type and when it was there."""

    video_id: str
    bytes: int
    media_type: str
    landed_at: datetime


class ServingNow(Answer):
    """What answers now."""

    release: ReleaseFacts | None
    waiting: str | None = None
    ready_workers: int
    newest_published_at: datetime | None = None
    newest_landed_at: datetime | None = None
    overruled: int = 0


class Bar(Answer):
    """Uploads that took so long."""

    up_to_s: float | None
    uploads: int


class Station(Answer):
    """How long uploads took from landing to one station."""

    until: str
    uploads: int
    p50_s: float | None
    p95_s: float | None


class Uploads(Answer):
    """From upload to impression."""

    newest_s: tuple[float, ...]
    p50_s: float | None
    p95_s: float | None
    bars: tuple[Bar, ...]
    stations: tuple[Station, ...]
    unknown_because: str | None = None


class RouteFigures(Answer):
    """Requests of one route, since the workers were started."""

    route: str
    requests: int
    refused: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Traffic(Answer):
    """Errors and latency of all workers, since they were started."""

    routes: tuple[RouteFigures, ...]
    cut_off: dict[str, int]
    feedback: dict[str, int]
    impressions: dict[str, int]
    swaps: dict[str, int]
    outbox_pending: int


class DriftTestFacts(Answer):
    """What one test of drift found."""

    title: str
    outcome: str
    effect: str
    value: float | None = None
    threshold: float
    said: str


class DriftFacts(Answer):
    """One look for drift."""

    created: datetime
    version: str
    fired: bool
    verdict: str
    action: str
    tests: tuple[DriftTestFacts, ...]


class Drift(Answer):
    """Whether today still looks like what the champion was trained on."""

    reports: tuple[DriftFacts, ...]
    unknown_because: str | None = None


class GainFacts(Answer):
    """Paired difference of NDCG@10, challenger − champion."""

    mean: float
    low: float
    high: float
    users: int
    confidence: float


class DecisionFacts(Answer):
    """One promotion, refusal or rollback."""

    at: datetime
    outcome: str
    version: str
    name: str = ""
    champion: str | None = None
    way: str = ""
    gain: GainFacts | None = None
    users: int = 0
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Decisions(Answer):
    """What became of challengers."""

    decisions: tuple[DecisionFacts, ...]
    unknown_because: str | None = None


class QualityPoint(Answer):
    """The champion's quality on the window of one decision."""

    at: datetime
    version: str
    ndcg: float
    challenger: str | None = None
    challenger_ndcg: float | None = None
    users: int


class Quality(Answer):
    """Quality over time: each decision measures both sides on the newest window."""

    points: tuple[QualityPoint, ...]
    unknown_because: str | None = None


class Share(Answer):
    """How much of what was shown fell to a part of the catalogue."""

    name: str
    places: int
    share: float
    of_catalogue: float


class Exposure(Answer):
    """Who is shown: from the newest impressions in the landing zone."""

    places: int
    since: datetime | None = None
    until: datetime | None = None
    videos: int = 0
    creators: tuple[Share, ...] = ()
    creators_shown: int = 0
    ages: tuple[Share, ...] = ()
    unknown_because: str | None = None


class RecallAt(Answer):
    """How much of the exact best an index finds, where a share of the videos passes a filter."""

    index: str
    passes: float
    recall: float
    lists: int


class Recall(Answer):
    """Recall of retrieval by selectivity, measured when the catalogue version was made."""

    top_k: int | None = None
    points: tuple[RecallAt, ...]
    unknown_because: str | None = None


class Overview(Answer):
    """The operator's view."""

    at: datetime
    serving: ServingNow
    uploads: Uploads
    traffic: Traffic
    drift: Drift
    decisions: Decisions
    quality: Quality
    exposure: Exposure
    recall: Recall
