"""The first pass over a file: every packet, no pictures. Headers lie; packets tell."""

from dataclasses import dataclass, field
from typing import Any, cast

import av
from av.container import InputContainer
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream

from kinoloop.errors import MediaError
from kinoloop.media.sound import SoundReader

TEXT_SUBTITLES = ("mov_text", "subrip", "srt", "webvtt", "ass", "ssa", "text")


@dataclass
class Streams:
    """The streams to read, None where there is none of the kind."""

    video: av.VideoStream | None = None
    audio: av.AudioStream | None = None
    subtitles: SubtitleStream | None = None


@dataclass
class Scan:
    """What the packets tell.

    Attributes:
        video_end_s: End of the last picture, seconds from the start.
        audio_end_s: End of the last sound.
        key_frames: Pictures that can be decoded alone.
        errors: Packets that could not be decoded.
        first_error: What was said of the first of them.
        cut: Whether reading ended in an error.
        cues: Lines of the embedded subtitles.
    """

    video_end_s: float = 0.0
    audio_end_s: float = 0.0
    key_frames: int = 0
    errors: int = 0
    first_error: str = ""
    cut: bool = False
    cues: list[str] = field(default_factory=list)

    @property
    def end_s(self) -> float:
        """End of the last picture or sound."""
        return max(self.video_end_s, self.audio_end_s)

    def note(self, err: Exception) -> None:
        """Count an error."""
        self.errors += 1
        self.first_error = self.first_error or f"{type(err).__name__}: {err}"


def choose_streams(container: InputContainer) -> Streams:
    """FFmpeg's best picture and best sound, and the first subtitles that are text."""
    video, audio = container.streams.best("video"), container.streams.best("audio")
    chosen = Streams()
    if isinstance(video, av.VideoStream) and Disposition.attached_pic not in video.disposition:
        chosen.video = video
    if isinstance(audio, av.AudioStream):
        chosen.audio = audio
    if chosen.video or chosen.audio:
        chosen.subtitles = next(
            (s for s in container.streams.subtitles if codec_name(s) in TEXT_SUBTITLES), None
        )
    return chosen


def codec_name(stream: av.stream.Stream) -> str:
    """Name of a stream's codec; "" where this build has no decoder for it."""
    return stream.codec_context.name if stream.codec_context is not None else ""


def scan_packets(container: InputContainer, streams: Streams, sound: SoundReader) -> Scan:
    """Read every packet, decode sound and subtitles, measure the rest.

    Args:
        container: The open file.
        streams: What to read of it.
        sound: Receives the sound.

    Raises:
        MediaError: It needs more memory than allowed (`memory`).
    """
    scan = Scan()
    start_s = start_of(container)
    wanted = [s for s in (streams.video, streams.audio, streams.subtitles) if s is not None]
    try:
        for packet in container.demux(wanted):
            _measure(scan, packet, start_s)
            try:
                _decode(scan, packet, sound)
            except (MemoryError, BlockingIOError):
                raise
            except av.error.FFmpegError as err:
                scan.note(err)
    except (MemoryError, BlockingIOError) as err:  # EAGAIN: no memory for a thread's stack
        raise MediaError("memory", "reading it needs more memory than allowed") from err
    except av.error.FFmpegError as err:
        scan.note(err)
        scan.cut = True
    return scan


def start_of(container: InputContainer) -> float:
    """Time stamp that counts as 0 s."""
    return (container.start_time or 0) / av.time_base


def _decode(scan: Scan, packet: "av.Packet[Any]", sound: SoundReader) -> None:
    kind = packet.stream.type
    if kind == "audio" and not sound.full:
        for frame in packet.decode():
            sound.add(cast("av.AudioFrame", frame))
    elif kind == "subtitle":
        for cue in packet.decode():
            said = getattr(cue, "dialogue", b"") or getattr(cue, "text", b"")
            scan.cues.append(said.decode("utf-8", errors="replace"))


def _measure(scan: Scan, packet: "av.Packet[Any]", start_s: float) -> None:
    scan.cut = scan.cut or packet.is_corrupt
    at = packet.pts if packet.pts is not None else packet.dts
    if at is None or packet.time_base is None:
        return
    end_s = float((at + (packet.duration or 0)) * packet.time_base) - start_s
    if packet.stream.type == "video":
        scan.video_end_s = max(scan.video_end_s, end_s)
        scan.key_frames += packet.is_keyframe
    elif packet.stream.type == "audio":
        scan.audio_end_s = max(scan.audio_end_s, end_s)
