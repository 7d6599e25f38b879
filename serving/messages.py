"""Requests and answers of the service, as they travel: JSON bodies without a wrapper.

The bounds here are part of the API and stand in its OpenAPI document; what an operator may turn is
in `ServingConfig`.
"""

from typing import Annotated, Any

import bentoml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
)
from starlette.requests import Request

from kinoloop.data.ids import BLANKS
from kinoloop.data.situations import MAX_CONTEXT, MAX_CONTEXT_CHARACTERS
from kinoloop.schema import MAX_ID_CHARACTERS
from serving.explanation import Explanation
from serving.feedback_event import EVENTS
from serving.filtering import Filters, Word

PARSED = "kinoloop.body"


def id_text(value: object) -> object:
    """Read an id as text as ingestion does: a whole number is one, blanks around it are not."""
    if isinstance(value, str):
        return value.strip(BLANKS)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS)]
UserId = Annotated[
    _Id,
    BeforeValidator(id_text),
    StringConstraints(pattern=r"\S"),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "minLength": 1,
            "maxLength": MAX_ID_CHARACTERS,
            "pattern": r"\S",
            "description": "Whom the slate is for.",
            "examples": ["u1"],
        }
    ),
]
VideoId = Annotated[_Id, Field(examples=["v1"])]


def _whole(number: object) -> object:
    """JSON has one kind of number: `10.0` is a whole one."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


TopK = Annotated[
    int,
    Field(strict=True, ge=1, le=500, description="Length of the slate.", examples=[10]),
    BeforeValidator(_whole),
]


class Body(bentoml.IODescriptor):
    """Base of every request: parsed once, when it is validated (serving/request_validation.py)."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> "Body":  # noqa: ARG003
        """Take what request validation has parsed; BentoML calls this."""
        parsed: Body = request.scope[PARSED]
        return parsed


Place = Annotated[str | None, Field(max_length=MAX_CONTEXT_CHARACTERS)]
Surface = Annotated[Place, Field(None, description="Where it is shown.", examples=["home"])]
Device = Annotated[Place, Field(None, description="On what it is shown.", examples=["tv"])]
Context = Annotated[
    dict[Word, Word | StrictBool | StrictInt | FiniteFloat] | None,
    Field(
        None,
        max_length=MAX_CONTEXT,
        description="What else is known of the moment: names and plain values.",
        examples=[{"network": "wifi"}],
    ),
]


class RecommendRequest(Body):
    """Whom to recommend to, and how many."""

    user_id: UserId
    top_k: TopK = 10
    history: list[VideoId] | None = Field(
        None,
        max_length=1000,
        description="What the user watched, oldest first, instead of what is on record; ids that "
        "the release does not know are passed over.",
    )
    exclude: list[VideoId] = Field(
        [], max_length=10_000, description="Videos that must not appear."
    )
    include_seen: bool = Field(
        default=False, strict=True, description="Whether watched videos may appear again."
    )
    cursor: str | None = Field(
        None, max_length=100, description="Of the page before: what it showed does not come again."
    )
    filters: Filters
    explain: bool = Field(
        default=False,
        strict=True,
        description="Whether to tell for every place what moved it, and for what left why.",
    )
    surface: Surface
    device: Device
    context: Context


MAX_USERS, MAX_TOP_K_OF_MANY = 1000, 100

_USERS = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_USERS,
    "items": {
        "description": "Each is answered by itself: what is no user id, with a problem.",
        "anyOf": [{"type": ["string", "integer"], "minLength": 1}, {}],
    },
    "example": ["u1", "u2"],
}


class BatchRequest(Body):
    """Whom to recommend to, all in the same way."""

    users: Annotated[list[Any], WithJsonSchema(_USERS)] = Field(min_length=1, max_length=MAX_USERS)
    top_k: Annotated[
        int,
        Field(strict=True, ge=1, le=MAX_TOP_K_OF_MANY, description="Length of each slate."),
        BeforeValidator(_whole),
    ] = 10
    exclude: list[VideoId] = Field(
        [], max_length=10_000, description="Videos that must not appear in any slate."
    )
    include_seen: bool = Field(
        default=False, strict=True, description="Whether watched videos may appear again."
    )
    filters: Filters
    explain: bool = Field(
        default=False, strict=True, description="Whether to tell how each slate comes about."
    )
    surface: Surface
    device: Device
    context: Context


class SimilarRequest(Body):
    """Which video, and how many like it."""

    video_id: VideoId
    top_k: TopK = 10
    user_id: UserId | None = None
    filters: Filters
    surface: Surface
    device: Device
    context: Context


class SearchRequest(Body):
    """What to look for, in words."""

    query: str = Field(min_length=1, max_length=1000, examples=["calm rain at night"])
    top_k: TopK = 10
    user_id: UserId | None = None
    filters: Filters
    surface: Surface
    device: Device
    context: Context


class FeedbackRequest(Body):
    """What users did; a wrong event does not hold up the others."""

    events: Annotated[list[Any], WithJsonSchema(EVENTS)] = Field(min_length=1)


class NoopRequest(Body):
    """Nothing."""


CATALOGUE_VERSION = "Of the catalogue in service."


class SlateVideo(BaseModel):
    """One video of a slate."""

    video_id: str
    score: float = Field(description="Higher is better; comparable within one slate only.")
    title: str
    reason: str = Field(description="Why the video is here, in words.")
    start_s: float | None = Field(
        None, description="Of a search: where in the video it is, seconds; absent where unknown."
    )
    end_s: float | None = Field(None, description="Likewise, where that moment ends.")


class Slate(bentoml.IODescriptor):
    """Videos in order, and where they come from."""

    request_id: str = Field(description="Resolves at /lineage/{request_id}.")
    model_version: str
    catalogue_version: str = Field(description=CATALOGUE_VERSION)
    dataset_version: str
    slate: list[SlateVideo]
    reranked: bool | None = Field(
        None,
        description="Whether the ranker ordered the slate; false where [serving] budget_ms left it "
        "no time, not there where no ranker was to be asked.",
    )
    explained: Explanation | None = Field(None, description="Where `explain` asked for it.")
    cursor: str | None = Field(
        None, description="Asks /recommend for the next page; not there where none comes."
    )


class ProblemAnswer(BaseModel):
    """What went wrong for one user: the problem that /recommend would have answered."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    what: str
    got: Any
    expected: str
    next_step: str


class BatchAnswer(bentoml.IODescriptor):
    """A slate, or what went wrong, for each user in their order."""

    answers: list[Slate | ProblemAnswer]


class IdentifyRequest(Body):
    """Who somebody is."""

    user_id: UserId
    person_id: UserId


class RejectedEvent(BaseModel):
    """One event that was not taken."""

    position: int = Field(description="In the request, from 0.")
    field: str
    reason: str = Field(description="The rule that it breaks, as in the table `quarantine`.")
    expected: str


class FeedbackReceipt(bentoml.IODescriptor):
    """What became of the events; the accepted ones are on the disk."""

    accepted: int
    held: int = Field(
        0, description="Of the accepted, those of a video that is not known yet: kept until it is."
    )
    rejected: int
    reasons: list[RejectedEvent]


class Nothing(bentoml.IODescriptor):
    """An empty object."""
