"""The events of `/feedback` in the OpenAPI document; serving/event_check.py checks them."""

from pydantic import BaseModel, Field


class FeedbackEvent(BaseModel):
    """One event; documentation only, serving/event_check.py checks each event by itself."""

    user_id: str
    video_id: str | None = Field(None, description="Known or not yet; a search may lack it.")
    event: str = Field(description="impression, view, like, …, undo, not_interested, identify")
    watch_s: float | None = Field(None, description="Seconds watched.")
    value: float | None = Field(None, description="Stars of a rating.")
    timestamp: str | float | None = Field(
        None, description="ISO 8601 (UTC where no zone is given) or seconds since 1970; now."
    )
    text: str | None = Field(None, description="What was searched or written.")
    surface: str | None = Field(None, description="Where; service where it is not said.")
    device: str | None = Field(None, description="On what.")
    event_id: str | None = Field(
        None, description="Names the event: again on the same day, it is the same event."
    )
    request_id: str | None = Field(None, description="Of the answer that the event follows.")
    position: int | None = Field(None, description="Of the video in that answer, from 0.")
    undoes: str | None = Field(
        None, description="Of an undo: with a video_id the kind, else the event_id taken back."
    )
    creator_id: str | None = Field(None, description="Of a not_interested: no more of them.")
    label: str | None = Field(None, description="Of a not_interested: no more about this.")
    person_id: str | None = Field(None, description="Of an identify: whom user_id is.")
    duration_s: float | None = Field(
        None, description="Of the video as the client knows it, seconds: checked, not kept."
    )
    logged_date: str | None = Field(None, description="Of the client: checked, not kept.")
    logged_hour: float | None = Field(None, description="Of the client: checked, not kept.")
    utc_offset_h: float | None = Field(None, description="Of the client: checked, not kept.")


EVENTS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "description": "Each is judged by itself: what is not an event is named under `reasons`.",
        "anyOf": [
            {
                "type": "object",
                "required": ["user_id", "event"],
                "properties": FeedbackEvent.model_json_schema()["properties"],
            },
            {},
        ],
    },
    "example": [{"user_id": "u1", "video_id": "v1", "event": "like"}],
}
