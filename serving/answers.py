"""From a slate to an answer: its request id, its lineage, its impressions, its JSON."""

import json
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from starlette.responses import Response

from serving.exploring import BEST_FIRST
from serving.first_slates import FirstSlates
from serving.impressions import Answer, Impressions
from serving.inputs import Inputs, Made
from serving.lineage import Lineage

if TYPE_CHECKING:
    from kinoloop.release.slate import Slate
    from serving.in_service import InService
    from serving.slates import Question


PAGED = "recommend"
"""The endpoint whose slates have pages."""


class Asker(NamedTuple):
    """Who asked, and from where.

    Attributes:
        pseudonym: None where nobody was named.
        surface: None where it was not said.
        device: None where it was not said.
        context: What else the client said of the moment.
        policy: Which rule chooses the places.
        arm: Of the experiment that they are in; None outside of one.
    """

    pseudonym: str | None = None
    surface: str | None = None
    device: str | None = None
    context: Mapping[str, Any] | None = None
    policy: str = BEST_FIRST
    arm: str | None = None


class Answers:
    """Gives answers and remembers them.

    Args:
        lineage: Where they come from.
        inputs: What they were made from.
        impressions: What they showed; None records nothing.
        first_slates: Of new videos.
    """

    def __init__(
        self,
        lineage: Lineage,
        inputs: Inputs,
        impressions: Impressions | None,
        first_slates: FirstSlates,
    ) -> None:
        self._lineage, self._inputs, self._impressions = lineage, inputs, impressions
        self._first_slates = first_slates

    def give(
        self,
        endpoint: str,
        current: "InService",
        slate: "Slate",
        asker: Asker,
        *,
        asked: "Question",
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """Answer with a slate; returns the body of the answer.

        Args:
            endpoint: Such as `recommend`; the surface where the asker names none.
            current: The release that made it.
            slate: What is shown.
            asker: Who asked.
            asked: What the slate was made from, so that it can be made again.
            cursor: The page before, where this is a further one.
        """
        videos, scores = [place.video_id for place in slate], [place.score for place in slate]
        if not math.isfinite(sum(scores)):  # JSON has no word for it
            raise ValueError(f"/{endpoint}: a score is not a finite number")
        request_id = self._lineage.record(endpoint, videos, current.versions, page_after=cursor)
        self._inputs.record(Made(request_id, asked, list(zip(videos, scores, strict=True))))
        self._first_slates.meet(current, videos)
        if self._impressions is not None and videos:
            self._impressions.record(
                Answer(
                    request_id,
                    asker.pseudonym,
                    time.time_ns() // 1000,
                    endpoint if asker.surface is None else asker.surface,
                    asker.device,
                    json.dumps(asker.context) if asker.context else None,
                    current.model_version,
                    current.catalogue_version,
                    asker.policy,
                    asker.arm,
                    videos,
                    scores,
                    slate.propensities,
                    [place.reason for place in slate],
                    slate.rules,
                )
            )
        return {
            "request_id": request_id,
            "model_version": current.model_version,
            "catalogue_version": current.catalogue_version,
            "dataset_version": current.dataset_version,
            "slate": [place.as_json() for place in slate],
            **({} if slate.reranked is None else {"reranked": slate.reranked}),
            **({} if slate.explained is None else {"explained": slate.explained}),
            **({"cursor": request_id} if endpoint == PAGED and len(slate) >= asked.top_k else {}),
        }  # what messages.Slate describes, without the price of making and dumping its models


def written(body: Mapping[str, Any]) -> bytes:
    """Write the body of an answer as JSON, in UTF-8."""
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def sent(body: Mapping[str, Any]) -> Response:
    """Send the body of an answer."""
    return Response(written(body), media_type="application/json")
