"""What becomes of feedback: checked, written, counted, and told to its sender."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from serving import metrics
from serving.feedback import FeedbackWriter
from serving.messages import FeedbackReceipt, RejectedEvent
from serving.problems import too_many_events

if TYPE_CHECKING:
    from serving.in_service import InService


async def receipt_of(
    events: Sequence[Any], writer: FeedbackWriter, current: "InService | None", *, most: int
) -> FeedbackReceipt:
    """Take events; the accepted ones are on the disk when this returns.

    Args:
        events: As they came, parsed JSON.
        writer: Checks and writes them.
        current: The release in service; None without one.
        most: Events in one request.

    Raises:
        Problem: There are more.
    """
    if len(events) > most:
        raise too_many_events(len(events), most)
    videos = None if current is None else current.videos
    accepted, rejections, held = await writer.take(events, videos)
    counts = {"accepted": accepted, "rejected": len(rejections), "held": held}
    for outcome, count in counts.items():
        metrics.FEEDBACK.labels(outcome).inc(count)
    reasons = [RejectedEvent(**rejection._asdict()) for rejection in rejections]
    return FeedbackReceipt(**counts, reasons=reasons)
