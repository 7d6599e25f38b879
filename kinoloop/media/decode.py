"""Decode one media file, once: sampled frames, sound, words, measured durations, a thumbnail.

One pass over the packets decodes pictures, sound and subtitles together and measures how long
they really are. Where to look is planned by what header and index say. Headers lie: where the
pictures turn out to end elsewhere, they are read once more by what was measured; where a header
says nothing, or a long file has no index, the packets are looked at first, undecoded.

Not covered: encrypted media, network streams, picture subtitles, attached cover pictures. Run it
in a worker of `kinoloop.media.guard`: decoders are C code that reads untrusted bytes.
"""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray
from PIL import Image

from kinoloop.errors import MediaError
from kinoloop.media.decoded import DecodeConfig, DecodedMedia, nothing
from kinoloop.media.diagnosis import is_encrypted, why_no_memory, why_unreadable
from kinoloop.media.picture_reader import Outline, PictureReader
from kinoloop.media.pictures import Picture
from kinoloop.media.prints import PictureTaker, hash_sound
from kinoloop.media.sampling import Interval, Uniform, wanted_times
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
from kinoloop.media.source import open_regular
from kinoloop.media.subtitles import Subtitles, first_cues, join_lines, read_subtitles

DECODE_VERSION = 3
"""Raised whenever this module starts to give other frames or samples for the same file."""

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,ogg,asf,wav,mp3,aac,flac,mpegvideo"
)
"""Containers that may be read; playlists (hls, concat, dash) can name other files and may not."""


def decode_media(
    media: Path | None, subtitles: Path | None = None, config: DecodeConfig | None = None
) -> DecodedMedia:
    """Decode a video and the subtitle file beside it.

    Args:
        media: The media file; None where a video is words only.
        subtitles: Subtitle file; it wins over embedded tracks.
        config: What to take.

    Returns:
        What could be read; `reason` tells if that is not all.

    Raises:
        MediaError: Nothing can be read from `media`, or from `subtitles` where that is all.
    """
    config = config or DecodeConfig()
    if media is None:
        if subtitles is None:
            return nothing(config)
        said = read_subtitles(subtitles)
        words_only = replace(nothing(config), duration_s=said.duration_s, streams=(said.format,))
        return _with_words(words_only, said)
    found, fps = _decode_file(media, config)
    if subtitles is None:
        return found
    try:
        return _with_words(found, read_subtitles(subtitles, fps=fps))
    except MediaError as err:
        reason = found.reason or "subtitles_unreadable"
        return replace(found, reason=reason, detail=found.detail or str(err))


def _with_words(found: DecodedMedia, said: Subtitles) -> DecodedMedia:
    found = replace(found, words=said.words, cues=first_cues(said.cues), cue_count=len(said.cues))
    if said.broken and not found.reason:
        detail = f"{said.broken} time lines of the subtitles can not be read"
        return replace(found, reason="broken_timings", detail=detail)
    return found


@dataclass
class _Reading:
    """One pass over an open file."""

    scan: Scan
    outline: Outline
    pictures: list[Picture]
    prints: PictureTaker
    skipped: bool = False
    size: tuple[int, int] = (0, 0)
    fps: float | None = None


def _decode_file(path: Path, config: DecodeConfig) -> tuple[DecodedMedia, float | None]:
    sound = SoundReader(config.sample_rate, config.audio_s, config.silence_rms)
    with open_regular(path, max_bytes=config.max_bytes) as file:
        outline = None
        with _open(file, path, config) as container:
            streams = choose_streams(container)
            unread = unreadable_streams(container, streams)
            if streams.video is None and streams.audio is None:
                reason = "unsupported_codec" if unread else "no_streams"
                said = f"no decoder for {unread}" if unread else "neither picture nor sound"
                raise MediaError(reason, f"{path}: it has {said}")
            claimed_s = (container.duration or 0) / av.time_base
            names = tuple(codec_name(stream) or "unknown" for stream in container.streams)
            if streams.video is not None:
                outline = claimed_outline(container, streams.video)
            if outline is None or not _unclear(outline, config):
                reading = _read(container, streams, outline, sound=sound, config=config)
        if outline is not None and _unclear(outline, config):
            reading = _look_first(file, path, sound=sound, config=config)
        better = _second_look(reading, config)
        if better is not None:
            _read_again(file, path, reading, outline=better, config=config)
        encrypted = is_encrypted(file)
    audio = sound.finish()
    pictures, (width, height) = reading.pictures, reading.size
    reason, detail = _shortfall(
        reading.scan, claimed_s, config, missing_pictures=width > 0 and not pictures
    )
    if unread and not reason:
        reason, detail = "unsupported_codec", f"no decoder for {unread}"
    if not pictures and not sound.seconds:
        if encrypted:
            raise MediaError("encrypted", f"{path}: its samples are encrypted")
        said = f"{path}: no picture and no sound in it"
        raise MediaError(reason or "no_frames", f"{said}; {detail}" if detail else said)
    print_times_s, picture_print = reading.prints.finish()
    found = DecodedMedia(
        frames=_stack(pictures) if pictures else nothing(config).frames,
        frame_times_s=np.array([p.time_s for p in pictures], dtype=np.float64),
        audio=audio,
        sample_rate=config.sample_rate,
        sound_s=sound.seconds,
        words=join_lines(cue.text for cue in reading.scan.cues),
        cues=first_cues(reading.scan.cues),
        cue_count=len(reading.scan.cues),
        duration_s=max(reading.scan.end_s, 0.0),
        width=width,
        height=height,
        thumbnail=_thumbnail(pictures, config) if pictures else b"",
        reason=reason,
        detail=detail,
        streams=names,
        print_times_s=print_times_s,
        picture_print=picture_print,
        sound_print=hash_sound(audio, config.sample_rate),
    )
    return found, reading.fps


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
    by_time = isinstance(config.sampling, Uniform | Interval)
    indexed = outline.key_frames > 1
    return by_time and (not outline.end_s or (outline.end_s > LONG_S and not indexed))


def _look_first(
    file: IO[bytes], path: Path, *, sound: SoundReader, config: DecodeConfig
) -> _Reading:
    with _open(file, path, config) as container:
        video = choose_streams(container).video
        assert video is not None
        outline = measured_outline(container, video)
    with _open(file, path, config) as container:
        streams = choose_streams(container)
        return _read(container, streams, outline, sound=sound, config=config)


def _read(
    container: InputContainer,
    streams: Streams,
    outline: Outline | None,
    *,
    sound: SoundReader | None,
    config: DecodeConfig,
) -> _Reading:
    """One pass: every packet of the chosen streams, each decoded as far as it is wanted."""
    scan = Scan(start_s=start_of(container))
    reader = None
    if streams.video is not None and outline is not None:
        reader = PictureReader(streams.video, outline, config=config, start_s=scan.start_s)
    kinds = (streams.video, streams.audio, streams.subtitles)
    try:
        for packet in container.demux([stream for stream in kinds if stream is not None]):
            scan.measure(packet)
            if scan.end_s > config.max_duration_s:
                scan.too_long = True
                break
            try:
                _decode(packet, scan, reader=reader, sound=sound)
            except (MemoryError, BlockingIOError):
                raise
            except av.error.FFmpegError as err:
                scan.note(err)
    except (MemoryError, BlockingIOError) as err:  # EAGAIN: no memory for a thread's stack
        raise MediaError("memory", "decoding it needs more memory than allowed") from err
    except av.error.FFmpegError as err:
        scan.note(err)
        scan.cut = True
    reading = _Reading(scan, outline or Outline(0.0), [], PictureTaker())
    if reader is not None:
        reading.pictures, reading.prints = reader.finish(), reader.prints
        reading.skipped = reader.skips
    if streams.video is not None:
        context = streams.video.codec_context
        turned = bool(reading.pictures) and reading.pictures[0].turned
        size = (context.width, context.height)
        reading.size = size[::-1] if turned else size
        reading.fps = float(streams.video.average_rate or 0) or None
    return reading


def _decode(
    packet: "av.Packet[Any]",
    scan: Scan,
    *,
    reader: PictureReader | None,
    sound: SoundReader | None,
) -> None:
    kind = packet.stream.type
    if kind == "video" and reader is not None:
        reader.feed(packet)
    elif kind == "audio" and sound is not None:
        read_sound(packet, sound)
    elif kind == "subtitle":
        read_cues(packet, scan)


def _second_look(reading: _Reading, config: DecodeConfig) -> Outline | None:
    """How to look for the pictures again, where they were looked for in the wrong places."""
    end_s = reading.scan.video_end_s
    if not isinstance(config.sampling, Uniform | Interval) or end_s <= 0:
        return None
    wanted = wanted_times(config.sampling, end_s)
    if reading.skipped and 2 * len(reading.pictures) < len(wanted):
        return Outline(end_s)  # what the index calls key frames can not be decoded alone
    if abs(end_s - reading.outline.end_s) > 0.25 * end_s / len(wanted):
        return Outline(end_s, reading.scan.key_frames)
    return None


def _read_again(
    file: IO[bytes], path: Path, reading: _Reading, *, outline: Outline, config: DecodeConfig
) -> None:
    with _open(file, path, config) as container:
        video = choose_streams(container).video
        again = _read(container, Streams(video=video), outline, sound=None, config=config)
    if len(again.pictures) >= len(reading.pictures):
        reading.pictures, reading.prints = again.pictures, again.prints
        reading.size = again.size


def _shortfall(
    scan: Scan, claimed_s: float, config: DecodeConfig, *, missing_pictures: bool
) -> tuple[str, str]:
    """Why what was read is not all: (reason, detail), empty where it is."""
    if scan.too_long:
        return "too_long", f"it was read up to {config.max_duration_s:.0f} s, the limit"
    if scan.cut or scan.end_s < 0.9 * claimed_s - 0.5:
        return "truncated", f"it ends at {scan.end_s:.1f} s, its header claims {claimed_s:.1f} s"
    if scan.errors:
        return "decode_errors", f"{scan.errors} packets are damaged; {scan.first_error}"
    if missing_pictures:
        return "no_frames", "it has a video stream but no picture in it"
    return "", ""


def _stack(pictures: list[Picture]) -> NDArray[np.uint8]:
    """One array; a stream that changes its size in the middle takes the size of its start."""
    height, width = pictures[0].pixels.shape[:2]
    same = [
        p.pixels
        if p.pixels.shape[:2] == (height, width)
        else np.asarray(Image.fromarray(p.pixels).resize((width, height)))
        for p in pictures
    ]
    return np.stack(same)


def _thumbnail(pictures: list[Picture], config: DecodeConfig) -> bytes:
    """The sampled frame nearest to the middle that is not blank."""
    middle = (len(pictures) - 1) / 2
    by_middle = sorted(range(len(pictures)), key=lambda i: abs(i - middle))
    lively = next((i for i in by_middle if pictures[i].pixels.std() > 8), by_middle[0])
    image = Image.fromarray(pictures[lively].pixels)
    image.thumbnail((config.thumbnail_width, config.thumbnail_height))
    target = io.BytesIO()
    image.save(target, "JPEG", quality=80, optimize=True)
    return target.getvalue()
