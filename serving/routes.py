"""The routes of the service: what is sent with POST, and what is read."""

from serving import messages
from serving.site import paths

BODIES: dict[str, type[messages.Body]] = {
    "/recommend": messages.RecommendRequest,
    "/recommend/batch": messages.BatchRequest,
    "/similar": messages.SimilarRequest,
    "/search": messages.SearchRequest,
    "/feedback": messages.FeedbackRequest,
    "/identify": messages.IdentifyRequest,
    "/noop": messages.NoopRequest,
}
"""Type of the body by path."""

READ = (*paths(), "/livez", "/readyz", "/healthz")
"""Path templates of what is asked with GET."""
