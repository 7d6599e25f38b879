"""The kinds of problems that the service answers with: one row for each code, status and title.

RFC 9457 asks that the same problem keeps its `type` and its `title`; what is particular to one
request stands in `detail`. The address in `type` is answered by the service (`GET /problems/…`).
"""

from http import HTTPStatus
from typing import Final, NamedTuple

PATH = "/problems/"
GENERIC = "about:blank"
"""The `type` of what is no more than its HTTP status (RFC 9457, 4.2.1)."""


class ProblemType(NamedTuple):
    """One kind of problem.

    Attributes:
        status: HTTP status.
        title: What it is, the same for every request.
    """

    status: HTTPStatus
    title: str


_BAD = HTTPStatus.BAD_REQUEST
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE

PROBLEM_TYPES: Final[dict[str, ProblemType]] = {
    "malformed_request": ProblemType(_BAD, "The request is not HTTP/1.1"),
    "malformed_json": ProblemType(_BAD, "The body is not JSON"),
    "no_token": ProblemType(HTTPStatus.UNAUTHORIZED, "The request carries no token"),
    "bad_token": ProblemType(HTTPStatus.UNAUTHORIZED, "The token opens nothing"),
    "wrong_scope": ProblemType(HTTPStatus.FORBIDDEN, "The token does not open this"),
    "tokens_needed": ProblemType(HTTPStatus.FORBIDDEN, "The service has no tokens"),
    "too_often": ProblemType(HTTPStatus.TOO_MANY_REQUESTS, "There are too many requests"),
    "not_an_operator": ProblemType(HTTPStatus.UNAUTHORIZED, "The request is not from an operator"),
    "foreign_host": ProblemType(HTTPStatus.FORBIDDEN, "The request was sent to another host"),
    "foreign_origin": ProblemType(HTTPStatus.FORBIDDEN, "The request comes from another origin"),
    "unknown_path": ProblemType(HTTPStatus.NOT_FOUND, "There is nothing at this path"),
    "unknown_video": ProblemType(HTTPStatus.NOT_FOUND, "The video is unknown"),
    "unknown_upload": ProblemType(HTTPStatus.NOT_FOUND, "There is no such upload"),
    "piece_missing": ProblemType(HTTPStatus.CONFLICT, "A piece of an upload is missing"),
    "upload_landed": ProblemType(HTTPStatus.CONFLICT, "The upload has landed already"),
    "video_exists": ProblemType(HTTPStatus.CONFLICT, "There is such a video already"),
    "unknown_request": ProblemType(HTTPStatus.NOT_FOUND, "The request id is unknown"),
    "no_thumbnail": ProblemType(HTTPStatus.NOT_FOUND, "The video has no thumbnail"),
    "no_clip": ProblemType(HTTPStatus.NOT_FOUND, "The clip cannot be played from here"),
    "wrong_method": ProblemType(HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed"),
    "headers_too_slow": ProblemType(HTTPStatus.REQUEST_TIMEOUT, "The headers took too long"),
    "body_too_slow": ProblemType(HTTPStatus.REQUEST_TIMEOUT, "The body took too long"),
    "body_too_large": ProblemType(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    "unsupported_media_type": ProblemType(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not announced as JSON"
    ),
    "invalid_request": ProblemType(HTTPStatus.UNPROCESSABLE_ENTITY, "A field is wrong"),
    "unknown_filter": ProblemType(HTTPStatus.NOT_FOUND, "No video has the column of a filter"),
    "too_many_events": ProblemType(HTTPStatus.UNPROCESSABLE_ENTITY, "There are too many events"),
    "headers_too_large": ProblemType(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large"
    ),
    "ConfigError": ProblemType(HTTPStatus.UNPROCESSABLE_ENTITY, "The request does not fit"),
    "DataError": ProblemType(HTTPStatus.UNPROCESSABLE_ENTITY, "The data does not fit"),
    "internal": ProblemType(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error of the service"),
    "BundleError": ProblemType(_UNAVAILABLE, "The release is damaged"),
    "StateError": ProblemType(_UNAVAILABLE, "The live state is away"),
    "OperationalError": ProblemType(_UNAVAILABLE, "The state of the service cannot be written"),
    "overloaded": ProblemType(HTTPStatus.TOO_MANY_REQUESTS, "The service is overloaded"),
    "stopping": ProblemType(_UNAVAILABLE, "The service is stopping"),
    "starting": ProblemType(_UNAVAILABLE, "The service is starting"),
    "no_release": ProblemType(_UNAVAILABLE, "No release has been promoted"),
    "registry_away": ProblemType(_UNAVAILABLE, "The registry is away"),
    "release_arriving": ProblemType(_UNAVAILABLE, "The release is being fetched"),
    "release_out_of_reach": ProblemType(_UNAVAILABLE, "The release cannot be fetched"),
    "release_refused": ProblemType(_UNAVAILABLE, "The release was refused"),
    "timed_out": ProblemType(HTTPStatus.GATEWAY_TIMEOUT, "The answer took too long"),
}
"""By the code that stands in `error`."""


def type_of(error: str) -> ProblemType:
    """Status and title of a code; `http_429` is no more than its status.

    Examples:
        >>> type_of("http_429").title
        'Too Many Requests'
    """
    if error.startswith("http_"):
        status = HTTPStatus(int(error.removeprefix("http_")))
        return ProblemType(status, status.phrase)
    return PROBLEM_TYPES[error]


def address_of(error: str) -> str:
    """Return the `type` of a code, relative to the service.

    Examples:
        >>> address_of("overloaded"), address_of("http_429")
        ('/problems/overloaded', 'about:blank')
    """
    return PATH + error if error in PROBLEM_TYPES else GENERIC
