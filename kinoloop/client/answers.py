"""What the service answers, as frozen objects; the fields are those of its OpenAPI document.

A field that this version does not know is passed over, so that a newer service can be asked.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Place(Answer):
    """One video of a slate.

    Attributes:
        video_id: As it arrived in the landing zone.
        score: Higher is better; comparable within one slate only.
        title: What to show.
        reason: Why the video is here, in words.
        start_s: Of a search: where in the video it is, seconds; None where unknown.
        end_s: Likewise, where that moment ends.
    """

    video_id: str
    score: float
    title: str
    reason: str
    start_s: float | None = None
    end_s: float | None = None


class Move(Answer):
    """A step that moved a video: its reason code, and the places before and after, from 1."""

    rule: str
    from_: int | None = Field(alias="from")
    to: int


class Explained(Answer):
    """How one place of a slate came about; `was`: its place by retrieval alone."""

    video_id: str
    place: int
    was: int | None
    moved: tuple[Move, ...]


class Left(Answer):
    """A video that retrieval alone would have put in the slate, and the rule that it left by."""

    video_id: str
    place: int
    rule: str


class Explanation(Answer):
    """How a slate came about."""

    places: tuple[Explained, ...]
    left: tuple[Left, ...]


class Slate(Answer):
    """Videos in order, and where they come from.

    Attributes:
        request_id: Names the answer: of `Client.lineage`, and of events that follow it.
        model_version: That answered.
        catalogue_version: That answered.
        dataset_version: That the model was trained on.
        slate: Places, best first.
        reranked: Whether the ranker ordered them; None where no ranker was to be asked.
        cursor: Asks for the next page; None where nothing is left.
        explained: Where `explain` asked for it.
    """

    request_id: str
    model_version: str
    catalogue_version: str
    dataset_version: str
    slate: tuple[Place, ...]
    reranked: bool | None = None
    cursor: str | None = None
    explained: Explanation | None = None

    @property
    def video_ids(self) -> list[str]:
        """The videos, best first."""
        return [place.video_id for place in self.slate]


class RejectedEvent(Answer):
    """One event that was not taken: its position in the request, from 0, and why."""

    position: int
    field: str
    reason: str
    expected: str


class FeedbackReceipt(Answer):
    """What became of events; the accepted ones are on the disk of the service.

    Attributes:
        accepted: How many count from now on.
        held: Of the accepted, those of a video that is not known yet: kept until it is.
        rejected: How many were not taken.
        reasons: One of each rejected event.
    """

    accepted: int
    held: int = 0
    rejected: int
    reasons: tuple[RejectedEvent, ...]


class Lineage(Answer):
    """Where an answer came from; what the service no longer knows is None."""

    request_id: str
    endpoint: str
    answered_at: str
    model_version: str
    dataset_version: str
    run_id: str | None
    catalogue_version: str | None = None
    model_digest: str | None = None
    page_after: str | None = None
    table_versions: dict[str, int] | None = None
    files: dict[str, str] | None = None
    videos: tuple[str, ...]


class VideoLabel(Answer):
    """One thing that a video was found to be, with its probability and what that rests on."""

    facet: str
    label: str
    score: float
    evidence: str


class VideoMoment(Answer):
    """A part of a video, seconds, and what of it can be told in words."""

    start_s: float
    end_s: float
    shows: tuple[str, ...]
    reads: str
    says: str


class VideoOccurrence(VideoLabel):
    """One thing that a video was found to hold for some time, seconds."""

    start_s: float
    end_s: float


class Video(Answer):
    """What the release in service knows of a video; what it does not know is None."""

    video_id: str
    title: str | None = None
    description: str | None = None
    category: str | None = None
    tags: tuple[str, ...] | None = None
    creator_id: str | None = None
    duration_s: float | None = None
    labels: tuple[VideoLabel, ...] | None = None
    free_tags: tuple[str, ...] | None = None
    summary: str | None = None
    moments: tuple[VideoMoment, ...] | None = None
    occurrences: tuple[VideoOccurrence, ...] | None = None
    group_id: str | None = None


class ReleaseFacts(Answer):
    """The release in service: its versions, its size, and by which columns it can be filtered."""

    model_version: str
    catalogue_version: str
    catalogue_number: int
    dataset_version: str
    kind: str
    videos: int
    users: int
    trained_until: datetime | None
    created_at: datetime
    metrics: dict[str, float]
    filters: tuple[str, ...]


class About(Answer):
    """What a service serves; `release` is None before the first promotion."""

    release: ReleaseFacts | None
    example_users: tuple[str, ...]
    uploads_s: tuple[float, ...] = ()
    unknown_because: str | None = None
    clips: bool = False
