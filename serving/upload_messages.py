"""What is said of a clip that operators send, as it travels."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kinoloop.schema import MAX_ID_CHARACTERS
from serving.messages import Body

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
_Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_ID_CHARACTERS),
]


class UploadRequest(Body):
    """The row of the video; columns are those of docs/guides/your-data.md."""

    model_config = ConfigDict(extra="forbid")

    title: _Text
    video_id: _Name | None = Field(None, description="null: made from the content of the clip.")
    description: _Text | None = None
    category: _Name | None = None
    creator_id: _Name | None = None
    language: _Name | None = None
    tags: list[_Name] | None = Field(None, max_length=100)


class UploadedPiece(BaseModel):
    """How much of a clip has arrived."""

    received: int = Field(description="Bytes; the offset of the next piece.")


class Uploaded(BaseModel):
    """A clip that is in the landing zone."""

    video_id: str
    bytes: int
    media_type: str
    landed_at: datetime
