"""Encode a clip: H.264 and AAC in MP4 through PyAV, with an embedded or a side subtitle file.

One thread and fixed settings, so that the same build of the codecs gives the same bytes; another
build may not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import SubtitleSet
from numpy.typing import NDArray

from kinoloop.sample.sounds import SAMPLE_RATE

VIDEO_OPTIONS = {
    "crf": "31",
    "preset": "slow",
    "maxrate": "110k",  # the whole sample fits a repository
    "bufsize": "220k",
    "threads": "1",
}
AUDIO_BITS_PER_SECOND = 24_000
MILLISECONDS = Fraction(1, 1000)
ASS_HEADER = (
    b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\n"
    b"Format: Name, Fontname, Fontsize\r\nStyle: Default,Arial,16\r\n\r\n[Events]\r\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)
"""The header that FFmpeg's subtitle encoders ask for, whatever format they write."""


@dataclass(frozen=True)
class SampleCue:
    """One subtitle: what is said from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    text: str


def spread_cues(lines: Sequence[str], seconds: float) -> list[SampleCue]:
    """Give each line an equal share of a clip."""
    share = seconds / len(lines)
    return [SampleCue(i * share, (i + 1) * share - 0.05, line) for i, line in enumerate(lines)]


def write_clip(
    path: Path,
    frames: NDArray[np.uint8],
    *,
    fps: int,
    sound: NDArray[np.float64] | None = None,
    cues: Sequence[SampleCue] = (),
) -> None:
    """Encode one clip.

    Args:
        path: Where to write; ends in `.mp4`.
        frames: (n_frames, height, width, 3) uint8 RGB, sides even.
        fps: Frames per second.
        sound: (n_samples,) mono in [-1, 1] at `SAMPLE_RATE`; None for a silent film.
        cues: Embedded as a mov_text track where there are any.
    """
    with av.open(str(path), "w", format="mp4") as container:
        picture = container.add_stream("libx264", rate=fps, options=VIDEO_OPTIONS)
        picture.height, picture.width = frames.shape[1:3]
        picture.pix_fmt = "yuv420p"
        voice = None
        if sound is not None:
            voice = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
            voice.bit_rate = AUDIO_BITS_PER_SECOND
        words = _subtitle_stream(container) if cues else None
        for cue in cues:
            if words is not None:
                _mux_cue(container, words, cue)
        for pixels in frames:
            container.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(picture.encode())
        if sound is not None and voice is not None:
            samples = np.ascontiguousarray(sound[None, :], dtype=np.float32)
            block = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            block.sample_rate, block.pts = SAMPLE_RATE, 0
            container.mux(voice.encode(block))
            container.mux(voice.encode())


def write_side_file(path: Path, cues: Sequence[SampleCue]) -> None:
    """Write cues beside a clip, as SubRip (`.srt`) or WebVTT (`.vtt`) by the ending of `path`."""
    vtt = path.suffix == ".vtt"
    mark = "." if vtt else ","
    blocks = [
        f"{number}\n{_clock(cue.start_s, mark)} --> {_clock(cue.end_s, mark)}\n{cue.text}\n"
        for number, cue in enumerate(cues, start=1)
    ]
    path.write_text(("WEBVTT\n\n" if vtt else "") + "\n".join(blocks), encoding="utf-8")


def _subtitle_stream(container: OutputContainer) -> SubtitleStream:
    stream = container.add_stream("mov_text")
    stream.codec_context.subtitle_header = ASS_HEADER
    stream.time_base = MILLISECONDS
    return stream


def _mux_cue(container: OutputContainer, stream: SubtitleStream, cue: SampleCue) -> None:
    start, length = int(cue.start_s * 1000), int((cue.end_s - cue.start_s) * 1000)
    line = f"0,0,Default,,0,0,0,,{cue.text}".encode()
    packet = stream.codec_context.encode_subtitle(
        SubtitleSet.create(text=line, start=0, end=length, pts=start)
    )
    packet.stream, packet.time_base = stream, MILLISECONDS
    packet.pts = packet.dts = start
    packet.duration = length
    container.mux(packet)


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"00:{minutes:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"
