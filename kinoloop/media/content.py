"""What one decoding pass gives: the input of every encoder."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class VideoContent:
    """One video, decoded.

    Attributes:
        video_id: External id.
        text: Its words (`kinoloop.data.video_text`), ready for a text encoder; "" where missing.
        frames: (n_frames, height, width, 3) uint8 RGB; n_frames is 0 where there is no picture.
        frame_times_s: (n_frames,) float64, presentation time of each frame, seconds.
        audio: (n_samples,) float32 mono in [-1, 1]; empty where there is no sound.
        sample_rate: Of `audio`, Hz.
        shots_s: (n_shots, 2) float64, start and end of each shot, seconds; none where not known.
    """

    video_id: str
    text: str
    frames: NDArray[np.uint8]
    frame_times_s: NDArray[np.float64]
    audio: NDArray[np.float32]
    sample_rate: int
    shots_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Describe a video of which nothing but words is known."""
        nothing = np.zeros((0, 1, 1, 3), dtype=np.uint8)
        return cls("", text, nothing, np.zeros(0), np.zeros(0, dtype=np.float32), 1)
