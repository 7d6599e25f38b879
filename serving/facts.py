"""What the pages that are read (GET) and availability answer, as it travels."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, Field

from serving.messages import CATALOGUE_VERSION

if TYPE_CHECKING:
    from serving.in_service import InService


class LineageRecord(BaseModel):
    """Where an answer came from."""

    request_id: str
    endpoint: str
    answered_at: str
    model_version: str
    dataset_version: str
    run_id: str | None = Field(description="MLflow run that trained the model.")
    catalogue_version: str | None = Field(None, description="Of the catalogue in service.")
    model_digest: str | None = Field(None, description="Of all that the model's release holds.")
    page_after: str | None = Field(None, description="Request of the page before.")
    table_versions: dict[str, int] | None = Field(
        None, description="Delta versions that the model was made from, while its release is here."
    )
    files: dict[str, str] | None = Field(
        None, description="SHA-256 of each file of the release, while it is here."
    )
    videos: list[str]


class ProblemTypeFacts(BaseModel):
    """What a kind of problem is."""

    type: str = Field(description="Its address, as in error answers.")
    status: int = Field(description="HTTP status.")
    title: str = Field(description="What it is, the same for every request.")


class VideoLabel(BaseModel):
    """One thing that a video was found to be."""

    facet: str = Field(description="topic, emotion, style, category, tag or one of your own.")
    label: str
    score: float = Field(description="Probability.")
    evidence: str = Field(description="What it rests on, such as `words 0.82, picture 0.40`.")


class VideoMoment(BaseModel):
    """A part of a video, and what of it can be told in words."""

    start_s: float
    end_s: float
    shows: list[str] = Field(description="What the pictures show: `Pomeranian` before `dog`.")
    reads: str = Field(description="Words in the picture.")
    says: str = Field(description="What is said.")


class VideoOccurrence(VideoLabel):
    """One thing that a video was found to hold for some time."""

    facet: str = Field(description="shows, sound, or one of the label file.")
    start_s: float = Field(description="Seconds from the start of the video.")
    end_s: float


class VideoDetails(BaseModel):
    """What is shown of one video."""

    video_id: str
    title: str | None = None
    description: str | None = None
    category: str | None = None
    tags: list[str] | None = None
    creator_id: str | None = None
    duration_s: float | None = None
    labels: list[VideoLabel] | None = Field(None, description="Surest first within a facet.")
    free_tags: list[str] | None = Field(None, description="Words that set the video apart.")
    summary: str | None = Field(None, description="One line that tells what the video is.")
    moments: list[VideoMoment] | None = Field(
        None, description="What it shows, reads and says, and when; in order of time."
    )
    occurrences: list[VideoOccurrence] | None = Field(
        None, description="Labels with a start and an end, in order of time."
    )
    group_id: str | None = Field(
        None, description="Shared by videos that show the same; no slate has two of them."
    )


class VideoAvailability(BaseModel):
    """When a video may be shown."""

    video_id: str
    hidden: bool
    available_from: datetime | None
    available_until: datetime | None
    in_catalogue: bool = Field(description="Whether the release in service knows the video.")


class ReleaseFacts(BaseModel):
    """The release in service."""

    model_version: str
    catalogue_version: str = Field(description=CATALOGUE_VERSION)
    catalogue_number: int = Field(
        description="Of the catalogue versions of this model; 0: as it was trained."
    )
    dataset_version: str
    kind: str = Field(description="Of the recommender.")
    videos: int
    users: int = Field(description="With a history in the release.")
    trained_until: datetime | None = Field(description="Newest event of the training window.")
    created_at: datetime
    metrics: dict[str, float] = Field(description="Of the test window.")
    filters: list[str] = Field(description="Columns that requests can filter by.")

    @classmethod
    def of(cls, current: "InService") -> Self:
        """Return what is said of a release."""
        info = current.release.info.model_dump(include=set(cls.model_fields))
        versions = {
            "model_version": current.model_version,
            "catalogue_version": current.catalogue_version,
            "catalogue_number": current.catalogue_number,
            "filters": list(current.release.filters.columns),
        }
        return cls(**{**info, **versions})


class About(BaseModel):
    """What this service serves."""

    release: ReleaseFacts | None = Field(description="None before the first promotion.")
    example_users: list[str] = Field(description="Users that the page offers to watch as.")
    uploads_s: list[float] = Field(
        [],
        description="Of the newest uploads, the newest first: seconds from landing to first slate.",
    )
    unknown_because: str | None = Field(None, description="Why `uploads_s` is empty, if so.")
    clips: bool = Field(
        False,  # noqa: FBT003
        description="Whether this machine has the tables that say where clips are.",
    )
