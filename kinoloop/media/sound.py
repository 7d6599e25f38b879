"""Collect decoded sound as mono float32 at one rate, up to a limit; silence is no sound.

The mix is the plain mean of the channels, which cannot exceed full scale as libswresample's does.
Where they cancel each other out (stereo in opposite phase), or all but one of many are silent, the
mean is nearly nothing though people hear it: then the loudest channel is taken instead.
"""

import av
import numpy as np
from numpy.typing import NDArray

BLOCK = 16_384
"""Samples that are resampled at a time: with a decoder's 1,024 most of the work is the calling."""

FAINT = 0.25
"""A mix whose root mean square is below this share of the loudest channel's is not taken: -12 dB.
Two channels that have nothing in common give 0.7, one of two alone 0.5."""

Sound = NDArray[np.float32]


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
        self._mixed: list[Sound] = []
        self._loudest: list[Sound] = []
        self._energy = np.zeros(0)
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
            av.error.FFmpegError: It is of a kind that cannot be mixed.
        """
        rest, resampler = self._waiting.read(), self._resampler
        self._waiting, self._resampler = av.AudioFifo(), self._new_resampler()
        if rest is not None:
            self._keep(resampler.resample(rest))
        self._keep(resampler.resample(None))

    def finish(self) -> Sound:
        """All sound, (n,) float32 in [-1, 1]; empty where it is silent."""
        self.drain()
        mixed = self._joined(self._mixed)
        loudest_rms = float(np.sqrt(self._energy.max(initial=0.0) / max(self._samples, 1)))
        if _rms(mixed) < FAINT * loudest_rms:
            mixed = self._joined(self._loudest)
        seconds = [mixed[at : at + self._rate] for at in range(0, len(mixed), self._rate)]
        heard = max((_rms(second) for second in seconds), default=0.0)
        return mixed if seconds and heard >= self._silence_rms else np.zeros(0, dtype=np.float32)

    def _joined(self, parts: list[Sound]) -> Sound:
        if not parts:
            return np.zeros(0, dtype=np.float32)
        sound = np.nan_to_num(np.concatenate(parts)[: self._limit], posinf=0, neginf=0)
        return np.clip(sound, -1, 1)

    def _new_resampler(self) -> av.AudioResampler:
        # packed: PyAV 18.1 dies of eight and more planes
        return av.AudioResampler(format="flt", rate=self._rate)

    def _keep(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            channels = frame.layout.nb_channels
            packed = frame.to_ndarray().astype(np.float32, copy=False)
            samples: Sound = packed.reshape(-1, channels)
            self._samples += len(samples)
            if channels == 1:
                self._mixed.append(samples[:, 0])
                self._loudest.append(samples[:, 0])
                continue
            share = np.full(channels, 1 / channels, dtype=np.float32)
            self._mixed.append(samples @ share)  # twice as fast as the mean along short rows
            self._loudest.append(samples[:, self._find_loudest(samples)].copy())

    def _find_loudest(self, samples: Sound) -> int:
        """Find the channel with most energy so far: it changes seldom, so there are few seams."""
        energy = np.einsum("sc,sc->c", samples, samples)
        if len(self._energy) != len(energy):
            self._energy = np.zeros(len(energy))
        self._energy += np.nan_to_num(energy, posinf=0)
        return int(self._energy.argmax())


def _rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(np.square(sound)))) if len(sound) else 0.0
