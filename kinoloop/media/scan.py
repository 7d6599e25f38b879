"""Look at a file's packets: which streams to read, how long they really are. Headers lie."""

from dataclasses import dataclass, field
from typing import Any, cast

import av
from av.container import InputContainer
from av.stream import Disposition
from av.subtitles.stream import SubtitleStream

from kinoloop.media.captions import clean
from kinoloop.media.picture_reader import Outline
from kinoloop.media.sound import SoundReader
from kinoloop.media.subtitle_formats import MAX_CUES, Cue
from kinoloop.media.timeline import Timeline

TEXT_SUBTITLES = ("mov_text", "subrip", "srt", "webvtt", "ass", "ssa", "text")

LONG_S = 60.0
"""Above this it pays to look for key frames before a picture is decoded."""


@dataclass
class Streams:
    """The streams to read, None where there is none of the kind."""

    video: av.VideoStream | None = None
    audio: av.AudioStream | None = None
    subtitles: SubtitleStream | None = None


@dataclass
class Scan:
    """What the packets told so far.

    Attributes:
        start_s: Time stamp that counts as 0 s.
        video_end_s: End of the last picture, seconds from the start.
        audio_end_s: End of the last sound.
        pictures: Packets of pictures.
        key_frames: Pictures that can be decoded alone.
        jumps: How often a stream started a new clock.
        errors: Packets that could not be decoded.
        first_error: What was said of the first of them.
        cut: Whether reading ended in an error.
        corrupt: Streams whose last packet is not whole.
        too_long: Whether reading ended because the video is longer than allowed.
        cues: Embedded subtitles, as the file has them.
    """

    start_s: float = 0.0
    video_end_s: float = 0.0
    audio_end_s: float = 0.0
    pictures: int = 0
    key_frames: int = 0
    jumps: int = 0
    errors: int = 0
    first_error: str = ""
    cut: bool = False
    corrupt: set[int] = field(default_factory=set)
    too_long: bool = False
    cues: list[Cue] = field(default_factory=list)
    _ticks: dict[int, float] = field(default_factory=dict)

    @property
    def end_s(self) -> float:
        """End of the last picture or sound."""
        return max(self.video_end_s, self.audio_end_s)

    def note(self, err: Exception) -> None:
        """Count an error."""
        self.errors += 1
        self.first_error = self.first_error or f"{type(err).__name__}: {err}"

    def measure(self, packet: "av.Packet[Any]") -> None:
        """Take what a packet says of time, without decoding it."""
        if packet.is_corrupt:
            self.corrupt.add(packet.stream_index)
        elif self.corrupt and packet.size:
            self.corrupt.discard(packet.stream_index)
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None:
            return
        end_s = (at + (packet.duration or 0)) * self._tick_s(packet) - self.start_s
        if packet.stream.type == "video":
            self.video_end_s = max(self.video_end_s, end_s)
            self.pictures += packet.size > 0
            self.key_frames += packet.is_keyframe
        elif packet.stream.type == "audio":
            self.audio_end_s = max(self.audio_end_s, end_s)

    def _tick_s(self, packet: "av.Packet[Any]") -> float:
        """Length of a tick of a stream's clock; fractions cost more than all else here."""
        tick_s = self._ticks.get(packet.stream_index)
        if tick_s is None:
            tick_s = self._ticks[packet.stream_index] = float(packet.stream.time_base or 0)
        return tick_s


def choose_streams(container: InputContainer, *, without: str = "") -> Streams:
    """FFmpeg's best picture and best sound, and the first subtitles that are text.

    Args:
        container: The file.
        without: `sound`, `words` or `pictures` that are not chosen.
    """
    video, audio = container.streams.best("video"), container.streams.best("audio")
    chosen = Streams()
    # FFmpeg may name a stream the best that it has no decoder for
    if isinstance(video, av.VideoStream) and codec_name(video) and not _is_cover(video):
        chosen.video = video if without != "pictures" else None
    if isinstance(audio, av.AudioStream) and codec_name(audio):
        chosen.audio = audio if without != "sound" else None
    if (chosen.video or chosen.audio) and without != "words":
        chosen.subtitles = next(
            (s for s in container.streams.subtitles if codec_name(s) in TEXT_SUBTITLES), None
        )
    return chosen


def unreadable_streams(container: InputContainer, chosen: Streams) -> str:
    """Names of pictures and sound that are there and have no decoder; "" where there are none."""
    sound = [] if chosen.audio else container.streams.audio
    pictures = [] if chosen.video else [v for v in container.streams.video if not _is_cover(v)]
    return ", ".join(f"{s.type} ({codec_name(s) or 'unknown codec'})" for s in (*pictures, *sound))


def _is_cover(video: av.VideoStream) -> bool:
    return Disposition.attached_pic in video.disposition


def codec_name(stream: av.stream.Stream) -> str:
    """Name of a stream's codec; "" where this build has no decoder for it."""
    return stream.codec_context.name if stream.codec_context is not None else ""


def start_of(container: InputContainer) -> float:
    """Time stamp that counts as 0 s."""
    return (container.start_time or 0) / av.time_base


def claimed_outline(container: InputContainer, video: av.VideoStream) -> Outline:
    """Read what the header and the index say of a stream, without reading packets.

    Returns:
        Length 0 where the header does not say.
    """
    start_s = start_of(container)
    if video.duration and video.time_base is not None:
        first = video.start_time or 0
        end_s = float((first + video.duration) * video.time_base) - start_s
    else:
        end_s = (container.duration or 0) / av.time_base
    index = video.index_entries
    # an index of key frames alone (Matroska's cues, FLV's) says as much as one of all frames
    return Outline(max(end_s, 0.0), sum(1 for entry in index if entry.is_keyframe))


def measured_outline(container: InputContainer, video: av.VideoStream) -> Outline:
    """Read every packet of a stream without decoding any: how long it is, how many key frames."""
    scan, timeline = Scan(start_s=start_of(container)), Timeline(container)
    try:
        for packet in container.demux(video):
            timeline.straighten(packet)
            scan.measure(packet)
    except av.error.FFmpegError as err:
        scan.note(err)
    return Outline(scan.video_end_s, scan.key_frames)


def read_sound(packet: "av.Packet[Any]", sound: SoundReader) -> None:
    """Decode a packet of sound, as long as more is wanted."""
    if not sound.full:
        for frame in packet.decode():
            sound.add(cast("av.AudioFrame", frame))


def read_cues(packet: "av.Packet[Any]", scan: Scan) -> None:
    """Decode a packet of subtitles."""
    if len(scan.cues) >= MAX_CUES or packet.pts is None or packet.time_base is None:
        return
    start_s = max(0.0, float(packet.pts * packet.time_base) - scan.start_s)
    lasts_s = float((packet.duration or 0) * packet.time_base)
    for cue in packet.decode():
        said = getattr(cue, "dialogue", b"") or getattr(cue, "text", b"")
        text = said.decode("utf-8", errors="replace")
        if clean(text):
            scan.cues.append(Cue(start_s, start_s + max(0.0, lasts_s), text))
