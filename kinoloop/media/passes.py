"""Read the streams of one open file: how many passes it takes, and what they give.

One pass is enough where header and index tell where to look. Where they say nothing the packets are
looked at first; where they lied, the pictures are read once more by what was measured.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import av
from av.container import InputContainer

from kinoloop.errors import MediaError
from kinoloop.media.animation import is_webp, read_webp
from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.diagnosis import has_no_length, why_no_memory, why_unreadable
from kinoloop.media.pages import PageTaker
from kinoloop.media.picture_reader import Outline, PictureReader
from kinoloop.media.pictures import Picture
from kinoloop.media.prints import PictureTaker
from kinoloop.media.sampling import ByTime, pictures_of
from kinoloop.media.scan import (
    LONG_S,
    Scan,
    Streams,
    choose_streams,
    claimed_outline,
    codec_name,
    measured_outline,
    read_cues,
    read_sound,
    start_of,
    unreadable_streams,
)
from kinoloop.media.sound import SoundReader
from kinoloop.media.timeline import Timeline

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,ogg,asf,wav,mp3,aac,flac,mpegvideo,"
    "gif,apng"
)
"""Containers that may be read; playlists (hls, concat, dash) can name other files and may not."""

STILLS = ("gif", "apng")
"""Formats of pictures that may move, or not."""

STILL_BRANDS = ("avif", "heic", "heix", "mif1")
"""Pictures that may move, or not, in the container of MP4."""


@dataclass
class Reading:
    """What the passes over a file gave.

    Attributes:
        scan: What the packets told.
        outline: Where pictures were looked for.
        pictures: Those that the policy wants, in order of time.
        prints: Pictures for the perceptual hashes.
        pages: Pictures to read words in.
        skipped: Whether only chosen key frames were decoded.
        size: Width and height of the upright picture; 0 without picture.
        fps: Pictures per second, as the header says.
        codecs: Names of the streams.
        claimed_s: Length that the header claims.
        unread: Streams that no decoder is here for; "" where there are none.
    """

    scan: Scan
    outline: Outline
    pictures: list[Picture]
    prints: PictureTaker
    pages: PageTaker
    skipped: bool = False
    size: tuple[int, int] = (0, 0)
    fps: float | None = None
    codecs: tuple[str, ...] = ()
    claimed_s: float = 0.0
    unread: str = ""


def read_streams(
    file: IO[bytes],
    path: Path,
    *,
    sound: SoundReader,
    config: DecodeConfig,
    without: str = "",
) -> Reading:
    """Read pictures, sound and embedded subtitles.

    Args:
        file: The file, open.
        path: Its path, for what errors say.
        sound: Receives the sound.
        config: What to take.
        without: `sound`, `words` or `pictures` that are not read.

    Raises:
        MediaError: It cannot be opened, or has neither picture nor sound.
    """
    outline, reading = None, None
    if is_webp(file):
        found = read_webp(file, path, config)
        return Reading(**vars(found), codecs=("webp",))
    endless = has_no_length(file)
    with _open(file, path, config) as container:
        streams = choose_streams(container, without=without)
        unread = unreadable_streams(container, streams)
        if streams.video is None and streams.audio is None:
            reason = "unsupported_codec" if unread else "no_streams"
            said = f"no decoder for {unread}" if unread else "neither picture nor sound"
            raise MediaError(reason, f"{path}: it has {said}")
        claimed_s = 0.0 if endless else (container.duration or 0) / av.time_base
        brand = container.metadata.get("major_brand", "").strip()
        pictures_only = container.format.name in STILLS or brand in STILL_BRANDS
        codecs = tuple(codec_name(stream) or "unknown" for stream in container.streams)
        if streams.video is not None:
            outline = claimed_outline(container, streams.video)
        if outline is None or not _unclear(outline, config):
            reading = _read(container, streams, outline, sound=sound, config=config)
    if reading is None:
        reading = _look_first(file, path, sound=sound, config=config, without=without)
    if pictures_only and reading.scan.pictures == 1:
        raise MediaError("not_media", f"{path}: it is a still picture, not a video")
    reading.codecs, reading.claimed_s, reading.unread = codecs, claimed_s, unread
    if endless:
        reading.scan.corrupt.clear()  # its last packet is shorter than it could be
    if reading.scan.jumps:
        reading.claimed_s = 0.0  # it counts from the first clock to the last
    better = _second_look(reading, config)
    if better is not None:
        _read_again(file, path, reading, outline=better, config=config)
    return reading


def _open(file: IO[bytes], path: Path, config: DecodeConfig) -> InputContainer:
    file.seek(0)
    options = {
        "format_whitelist": FORMATS,
        "protocol_whitelist": "file",
        "max_pixels": str(config.max_pixels),  # of the decoders that look into the first packets
    }
    try:
        container = av.open(file, "r", options=options, metadata_errors="replace")
    except MemoryError as err:
        raise MediaError(*why_no_memory(file, path, options)) from err
    except (av.error.FFmpegError, OSError, ValueError) as err:
        reason, detail = why_unreadable(file, err)
        raise MediaError(reason, f"{path}: {detail}") from err
    if len(container.streams) > config.max_streams:
        count = len(container.streams)
        container.close()
        raise MediaError("too_many_streams", f"{path}: {count}, limit {config.max_streams}")
    return container


def _unclear(outline: Outline, config: DecodeConfig) -> bool:
    """Whether the packets must be looked at before it is known where to look for pictures."""
    by_time = isinstance(config.sampling, ByTime)
    indexed = outline.key_frames > 1
    return by_time and (not outline.end_s or (outline.end_s > LONG_S and not indexed))


def _look_first(
    file: IO[bytes], path: Path, *, sound: SoundReader, config: DecodeConfig, without: str
) -> Reading:
    with _open(file, path, config) as container:
        video = choose_streams(container).video
        assert video is not None
        outline = measured_outline(container, video)
    with _open(file, path, config) as container:
        streams = choose_streams(container, without=without)
        return _read(container, streams, outline, sound=sound, config=config)


def _read(
    container: InputContainer,
    streams: Streams,
    outline: Outline | None,
    *,
    sound: SoundReader | None,
    config: DecodeConfig,
) -> Reading:
    """One pass: every packet of the chosen streams, each decoded as far as it is wanted."""
    scan = Scan(start_s=start_of(container))
    reader = None
    if streams.video is not None and outline is not None:
        reader = PictureReader(streams.video, outline, config=config, start_s=scan.start_s)
    try:
        with _noting(scan, cuts=True):
            _demux(container, streams, scan, reader=reader, sound=sound, config=config)
        with _noting(scan):
            if sound is not None:
                sound.drain()
    except (MemoryError, BlockingIOError) as err:  # EAGAIN: no memory for a thread's stack
        raise MediaError("memory", "decoding it needs more memory than allowed") from err
    nothing = (PictureTaker(), PageTaker(0, config.page_side))
    reading = Reading(scan, outline or Outline(0.0), [], *nothing)
    if reader is not None:
        reading.pictures = reader.finish()
        reading.prints, reading.pages = reader.prints, reader.pages
        reading.skipped = reader.skips
    if streams.video is not None:
        context = streams.video.codec_context
        turned = bool(reading.pictures) and reading.pictures[0].turned
        size = (context.width, context.height)
        reading.size = size[::-1] if turned else size
        reading.fps = float(streams.video.average_rate or 0) or None
    return reading


def _demux(
    container: InputContainer,
    streams: Streams,
    scan: Scan,
    *,
    reader: PictureReader | None,
    sound: SoundReader | None,
    config: DecodeConfig,
) -> None:
    kinds = (streams.video, streams.audio, streams.subtitles)
    chosen = [stream for stream in kinds if stream is not None]
    timeline = Timeline(container)
    for packet in cast("Iterator[av.Packet[Any]]", container.demux(chosen)):
        if timeline.possible:
            timeline.straighten(packet)
            scan.jumps = timeline.jumps
        scan.measure(packet)
        if scan.end_s > config.max_duration_s:
            scan.too_long = True
            return
        kind = packet.stream.type
        with _noting(scan):
            if kind == "video" and reader is not None:
                reader.feed(packet)
            elif kind == "audio" and sound is not None:
                read_sound(packet, sound)
            elif kind == "subtitle":
                read_cues(packet, scan)


@contextmanager
def _noting(scan: Scan, *, cuts: bool = False) -> Iterator[None]:
    """Note an error of FFmpeg and go on, unless there is no memory left; some end the reading."""
    try:
        yield
    except (MemoryError, BlockingIOError):
        raise
    except av.error.FFmpegError as err:
        scan.note(err)
        scan.cut = scan.cut or cuts


def _second_look(reading: Reading, config: DecodeConfig) -> Outline | None:
    """How to look for the pictures again, where they were looked for in the wrong places."""
    end_s = reading.scan.video_end_s
    if not isinstance(config.sampling, ByTime) or end_s <= 0:
        return None
    wanted = pictures_of(config.sampling, end_s)
    if reading.skipped and 2 * len(reading.pictures) < wanted:
        return Outline(end_s)  # what the index calls key frames cannot be decoded alone
    if abs(end_s - reading.outline.end_s) > 0.25 * end_s / wanted:
        return Outline(end_s, reading.scan.key_frames)
    return None


def _read_again(
    file: IO[bytes], path: Path, reading: Reading, *, outline: Outline, config: DecodeConfig
) -> None:
    with _open(file, path, config) as container:
        video = choose_streams(container).video
        again = _read(container, Streams(video=video), outline, sound=None, config=config)
    if len(again.pictures) >= len(reading.pictures):
        reading.pictures = again.pictures
        reading.prints, reading.pages = again.prints, again.pages
        reading.size = again.size
