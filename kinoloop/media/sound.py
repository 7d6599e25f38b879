"""Collect decoded sound as mono float32 at one rate, up to a limit; silence is no sound."""

import av
import numpy as np
from numpy.typing import NDArray

BLOCK = 16_384
"""Samples that are resampled at a time: with a decoder's 1,024 most of the work is the calling."""


class SoundReader:
    """Receives audio frames, gives one array.

    Args:
        sample_rate: Of the result, Hz.
        max_s: Seconds kept at most.
        silence_rms: Sound whose loudest second is below this root mean square is dropped.
    """

    def __init__(self, sample_rate: int, max_s: float, silence_rms: float) -> None:
        self._rate, self._silence_rms = sample_rate, silence_rms
        self._limit = int(max_s * sample_rate)
        self._parts: list[NDArray[np.float32]] = []
        self._samples = 0
        self._waiting, self._resampler = av.AudioFifo(), self._new_resampler()

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self._samples >= self._limit

    @property
    def seconds(self) -> float:
        """Seconds read so far, silence included."""
        return min(self._samples, self._limit) / self._rate

    def add(self, frame: av.AudioFrame) -> None:
        """Take one decoded frame; the layout may change in mid-stream."""
        frame.pts = None  # a gap in time would be an error to the queue
        try:
            self._waiting.write(frame)
        except ValueError:  # rate or layout changed: start over with the new one
            self.drain()
            self._waiting.write(frame)
        if self._waiting.samples >= BLOCK:
            self._keep(self._resampler.resample(self._waiting.read()))

    def drain(self) -> None:
        """Resample what waits; `finish` does it where nobody did.

        Raises:
            av.error.FFmpegError: It is of a kind that can not be mixed.
        """
        rest, resampler = self._waiting.read(), self._resampler
        self._waiting, self._resampler = av.AudioFifo(), self._new_resampler()
        if rest is not None:
            self._keep(resampler.resample(rest))
        self._keep(resampler.resample(None))

    def finish(self) -> NDArray[np.float32]:
        """All sound, (n,) float32 in [-1, 1]; empty where it is silent."""
        self.drain()
        if not self._parts:
            return np.zeros(0, dtype=np.float32)
        sound = np.nan_to_num(np.concatenate(self._parts)[: self._limit], posinf=0, neginf=0)
        sound = np.clip(sound, -1, 1)
        seconds = [sound[at : at + self._rate] for at in range(0, len(sound), self._rate)]
        loudest = max(float(np.sqrt(np.mean(np.square(second)))) for second in seconds)
        return sound if loudest >= self._silence_rms else np.zeros(0, dtype=np.float32)

    def _new_resampler(self) -> av.AudioResampler:
        return av.AudioResampler(format="fltp", rate=self._rate)

    def _keep(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            # the plain mean can not exceed full scale, as libswresample's mix to mono does
            samples = frame.to_ndarray().mean(axis=0, dtype=np.float32)
            self._parts.append(samples)
            self._samples += len(samples)
