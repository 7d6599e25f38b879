"""What `GET /admin/overview` answers, as it travels: the operator's view in figures.

Whatever could not be found out says why in `unknown_because`; nothing is left out in silence.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from serving.facts import ReleaseFacts


class ServingNow(BaseModel):
    """What answers now."""

    release: ReleaseFacts | None = Field(description="None before the first promotion.")
    waiting: str | None = Field(None, description="Why there is no release, or not the champion.")
    ready_workers: int = Field(description="Workers with a release.")
    newest_published_at: datetime | None = Field(None, description="Newest video in service.")
    newest_landed_at: datetime | None = Field(
        None, description="Landing of the newest video that came after the training."
    )
    overruled: int = Field(0, description="Videos that operators took down or gave other times.")


class Bar(BaseModel):
    """Uploads that took so long."""

    up_to_s: float | None = Field(description="Seconds; None: longer than all other bars.")
    uploads: int


class Station(BaseModel):
    """How long uploads took from landing to one station."""

    until: str = Field(description="ingest, extract, publish or first_slate.")
    uploads: int = Field(description="Since the workers were started.")
    p50_s: float | None
    p95_s: float | None


class Uploads(BaseModel):
    """From upload to impression."""

    newest_s: list[float] = Field(description="Of the newest uploads, the newest first, seconds.")
    p50_s: float | None = Field(description="Of `newest_s`.")
    p95_s: float | None = Field(description="Of `newest_s`.")
    bars: list[Bar] = Field(description="Of `newest_s`.")
    stations: list[Station]
    unknown_because: str | None = Field(None, description="Why `newest_s` is empty, if so.")


class RouteFigures(BaseModel):
    """Requests of one route, since the workers were started."""

    route: str
    requests: int
    refused: int = Field(description="Answered with a 4xx.")
    failed: int = Field(description="Answered with a 5xx.")
    p50_ms: float | None = Field(description="Read off a histogram, so within its buckets.")
    p95_ms: float | None
    p99_ms: float | None


class Traffic(BaseModel):
    """Errors and latency of all workers, since they were started."""

    routes: list[RouteFigures] = Field(description="Most requests first.")
    cut_off: dict[str, int] = Field(description="Refused before a handler saw them, by reason.")
    feedback: dict[str, int] = Field(description="Events by outcome.")
    impressions: dict[str, int] = Field(description="Places by outcome.")
    swaps: dict[str, int] = Field(description="Releases taken or refused.")
    outbox_pending: int = Field(description="Feedback events that wait for export.")


class DriftTestFacts(BaseModel):
    """What one test of drift found."""

    title: str
    outcome: str = Field(description="fired, quiet or not enough data.")
    effect: str = Field(description="Name of the effect size.")
    value: float | None = Field(None, description="Effect size; None without enough data.")
    threshold: float
    said: str = Field(description="In one sentence.")


class DriftFacts(BaseModel):
    """One look for drift."""

    created: datetime
    version: str = Field(description="Of the champion that it was about.")
    fired: bool
    verdict: str
    action: str = Field(description="What followed.")
    tests: list[DriftTestFacts]


class Drift(BaseModel):
    """Whether today still looks like what the champion was trained on."""

    reports: list[DriftFacts] = Field(description="Newest first.")
    unknown_because: str | None = None


class GainFacts(BaseModel):
    """Paired difference of NDCG@10, challenger − champion."""

    mean: float
    low: float
    high: float
    users: int
    confidence: float


class DecisionFacts(BaseModel):
    """One promotion, refusal or rollback."""

    at: datetime
    outcome: Literal["promoted", "refused", "rolled back"]
    version: str = Field(description="That was weighed or restored.")
    name: str = Field("", description="Of the candidate.")
    champion: str | None = Field(None, description="Version that was in service before.")
    way: str = Field("", description="first, better or fresher; empty where it was refused.")
    gain: GainFacts | None = None
    users: int = Field(0, description="In the window.")
    refusals: list[str] = Field([], description="A sentence for each gate that refused.")
    notes: list[str] = []


class Decisions(BaseModel):
    """What became of challengers."""

    decisions: list[DecisionFacts] = Field(description="Newest first.")
    unknown_because: str | None = None


class QualityPoint(BaseModel):
    """The champion's quality on the window of one decision."""

    at: datetime
    version: str = Field(description="Champion after the decision.")
    ndcg: float = Field(description="NDCG@10 on users whose future it had not seen.")
    challenger: str | None = Field(None, description="That was refused then.")
    challenger_ndcg: float | None = None
    users: int


class Quality(BaseModel):
    """Quality over time: each decision measures both sides on the newest window."""

    points: list[QualityPoint] = Field(description="Oldest first.")
    unknown_because: str | None = None


class Share(BaseModel):
    """How much of what was shown fell to a part of the catalogue."""

    name: str
    places: int
    share: float = Field(description="Of all places that were shown.")
    of_catalogue: float = Field(description="Share of the catalogue that it is.")


class Exposure(BaseModel):
    """Who is shown: from the newest impressions in the landing zone."""

    places: int
    since: datetime | None = None
    until: datetime | None = None
    videos: int = Field(0, description="Different ones that were shown.")
    creators: list[Share] = Field([], description="Most shown first.")
    creators_shown: int = Field(0, description="Different ones that were shown.")
    ages: list[Share] = Field([], description="By the time from publication to the showing.")
    unknown_because: str | None = None


class RecallAt(BaseModel):
    """How much of the exact best an index finds, where a share of the videos passes a filter."""

    index: str = Field(description="recommend, similar or search.")
    passes: float = Field(description="Share of the videos that passes.")
    recall: float = Field(description="Of what passes everywhere, or in a region: the lower one.")
    lists: int = Field(description="That are searched; 0: what passes is scored in full.")


class Recall(BaseModel):
    """Recall of retrieval by selectivity, measured when the catalogue version was made."""

    top_k: int | None = Field(None, description="Best videos of which it is the share.")
    points: list[RecallAt]
    unknown_because: str | None = None


class Overview(BaseModel):
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
