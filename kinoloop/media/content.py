"""What one decoding pass gives: the input of every encoder."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class VideoContent:
    """One video, decoded.

    Attributes:
        video_id: External id.
        text: Title, description, tags and subtitles, ready for a text encoder; "" where missing.
        frames: (n_frames, height, width, 3) uint8 RGB; n_frames is 0 where there is no picture.
        frame_times_s: (n_frames,) float64, presentation time of each frame, seconds.
        audio: (n_samples,) float32 mono in [-1, 1]; empty where there is no sound.
        sample_rate: Of `audio`, Hz.
    """

    video_id: str
    text: str
    frames: NDArray[np.uint8]
    frame_times_s: NDArray[np.float64]
    audio: NDArray[np.float32]
    sample_rate: int
