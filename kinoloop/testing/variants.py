"""Variants of a clip as people upload them: another codec, another size, a cut, black bars."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

MAX_S = 12.0
"""Longer clips are cut to this, for time."""

MAX_SIDE = 640
"""Longer sides are scaled to this, for time, and as platforms do."""

FAST = {"deadline": "realtime", "cpu-used": "8", "preset": "veryfast"}
"""Options of the codecs; each takes those that it knows."""

MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class Variant:
    """How a clip is written again.

    Attributes:
        suffix: Of the file, which chooses the container.
        video: Codec of the picture.
        audio: Codec of the sound.
        scale: Of width and height.
        skip: Share of the clip that is cut off at its start.
        bars: Height of a black bar above and below, share of the height.
    """

    suffix: str
    video: str
    audio: str
    scale: float = 1.0
    skip: float = 0.0
    bars: float = 0.0


VARIANTS = {
    "other codec": Variant(".webm", "libvpx", "libopus"),
    "half the size": Variant(".mp4", "mpeg4", "aac", scale=0.5),
    "cut": Variant(".mp4", "libx264", "aac", skip=0.3),
    "black bars": Variant(".mp4", "libx264", "aac", bars=0.12),
}


def write_variant(source: Path, target: Path, name: str) -> Path:
    """Write a variant of a clip.

    Args:
        source: A clip.
        target: Without suffix.
        name: One of `VARIANTS`.

    Returns:
        The file.
    """
    variant = VARIANTS[name]
    path = target.with_name(target.name + variant.suffix)
    with av.open(str(source)) as clip, av.open(str(path), "w") as out:
        picture, sound = clip.streams.best("video"), clip.streams.best("audio")
        start_s = variant.skip * min((clip.duration or 0) / av.time_base, MAX_S)
        streams = [stream for stream in (picture, sound) if stream is not None]
        # streams must be known before the first packet is written, and sound often comes first
        writer = _Writer(out, variant, start_s, _first_picture(source))
        if sound is not None:
            writer.open_sound()
        for packet in clip.demux(streams):
            if packet.dts is not None and packet.dts * packet.time_base > MAX_S:
                continue  # nothing of it is written
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue  # a damaged packet of a real clip
            for frame in frames:
                writer.add(frame)
        writer.close()
    return path


def _first_picture(source: Path) -> Any:  # noqa: ANN401 (a picture)
    """Return the first picture of a clip; None where it has none."""
    with av.open(str(source)) as clip:
        if not clip.streams.video:
            return None
        return next(clip.decode(video=0), None)


class _Writer:
    def __init__(self, out: Any, variant: Variant, start_s: float, first: Any) -> None:  # noqa: ANN401 (PyAV's container and picture)
        self._out, self._variant, self._start_s = out, variant, start_s
        self._picture: Any = None
        self._sound: Any = None
        if first is not None:
            self._picture = out.add_stream(variant.video, rate=30, options=dict(FAST))
            self._picture.height, self._picture.width = self._look(first).shape[:2]
            self._picture.pix_fmt, self._picture.bit_rate = "yuv420p", 400_000
            self._picture.codec_context.time_base = MILLISECOND
        self._resampler = av.AudioResampler(format="fltp", layout="stereo", rate=48_000)
        self._samples = 0

    def add(self, frame: Any) -> None:  # noqa: ANN401 (a picture or a sound)
        if frame.time is None or not self._start_s <= frame.time <= MAX_S:
            return
        if isinstance(frame, av.VideoFrame):
            self._add_picture(frame)
        elif self._sound is not None:
            self._add_sound(self._resampler.resample(frame))

    def open_sound(self) -> None:
        self._sound = self._out.add_stream(self._variant.audio, rate=48_000)

    def close(self) -> None:
        if self._sound is not None:
            self._add_sound(self._resampler.resample(None))
            self._out.mux(self._sound.encode(None))
        if self._picture is not None:
            self._out.mux(self._picture.encode(None))

    def _add_picture(self, frame: Any) -> None:  # noqa: ANN401 (a picture)
        pixels = self._look(frame)
        if pixels.shape[:2] == (self._picture.height, self._picture.width):
            again = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            again.pts, again.time_base = round((frame.time - self._start_s) * 1000), MILLISECOND
            self._out.mux(self._picture.encode(again))

    def _look(self, frame: Any) -> NDArray[np.uint8]:  # noqa: ANN401 (a picture)
        scale = self._variant.scale * min(1.0, MAX_SIDE / max(frame.width, frame.height))
        width, height = (int(side * scale) // 2 * 2 for side in (frame.width, frame.height))
        pixels = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
        pixels = np.rot90(pixels, round(frame.rotation / 90) % 4)
        bar = int(pixels.shape[0] * self._variant.bars) // 2 * 2
        return np.ascontiguousarray(np.pad(pixels, ((bar, bar), (0, 0), (0, 0))))

    def _add_sound(self, frames: list[Any]) -> None:
        for frame in frames:
            frame.pts, frame.time_base = self._samples, Fraction(1, 48_000)
            self._samples += frame.samples
            self._out.mux(self._sound.encode(frame))
