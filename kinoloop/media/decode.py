"""Decode one media file, once: sampled frames, sound, words, measured durations, a thumbnail.

Two passes over the packets, one over each stream's samples. The first pass reads every packet,
decodes sound (up to a limit) and subtitles, and measures how long the streams really are: headers
lie. The second decodes pictures at times spread evenly over the measured duration; where there
are at least two key frames for each wanted frame it decodes key frames only, which is about 20
times faster on long videos and moves a frame by at most a quarter of the distance between two.

Not covered: encrypted media, network streams, picture subtitles, attached cover pictures. Run it
in a worker of `kinoloop.media.guard`: decoders are C code that reads untrusted bytes.
"""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray
from PIL import Image

from kinoloop.errors import MediaError
from kinoloop.media.decoded import DecodeConfig, DecodedMedia, nothing
from kinoloop.media.diagnosis import why_unreadable
from kinoloop.media.prints import PictureTaker, hash_sound
from kinoloop.media.sampling import Picture, pick, uniform_times
from kinoloop.media.scan import Scan, choose_streams, codec_name, scan_packets, start_of
from kinoloop.media.sound import SoundReader
from kinoloop.media.source import open_regular
from kinoloop.media.subtitles import join_lines, read_subtitles

DECODE_VERSION = 2
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
        MediaError: Nothing can be read from `media`.
    """
    config = config or DecodeConfig()
    found = nothing(config) if media is None else _decode_file(media, config)
    if subtitles is None:
        return found
    try:
        beside = read_subtitles(subtitles)
    except MediaError as err:
        reason = found.reason or "subtitles_unreadable"
        return replace(found, reason=reason, detail=found.detail or str(err))
    return replace(found, words=beside.words, cues=beside.cues)


def _decode_file(path: Path, config: DecodeConfig) -> DecodedMedia:
    sound = SoundReader(config.sample_rate, config.audio_s, config.silence_rms)
    with open_regular(path, max_bytes=config.max_bytes) as file:
        with _open(file, path) as container:
            streams = choose_streams(container)
            if streams.video is None and streams.audio is None:
                raise MediaError("no_streams", f"{path} has neither picture nor sound")
            if streams.video is not None:
                _check_pixels(streams.video, config)
            scan = scan_packets(container, streams, sound)
            claimed_s = (container.duration or 0) / av.time_base
            names = tuple(codec_name(stream) or "unknown" for stream in container.streams)
        pictures: list[Picture] = []
        width = height = 0
        taker = PictureTaker()
        if streams.video is not None:
            pictures, (width, height) = _pictures(file, path, scan, config, taker)
    audio = sound.finish()
    print_times_s, picture_print = taker.finish()
    reason, detail = _shortfall(scan, claimed_s, missing_pictures=width > 0 and not pictures)
    if not pictures and not sound.seconds:
        reason = reason or "no_frames"
        said = f"{path}: no picture and no sound in it"
        raise MediaError(reason, f"{said}; {detail}" if detail else said)
    return DecodedMedia(
        frames=_stack(pictures) if pictures else nothing(config).frames,
        frame_times_s=np.array([p.time_s for p in pictures], dtype=np.float64),
        audio=audio,
        sample_rate=config.sample_rate,
        words=join_lines(scan.cues),
        cues=len(scan.cues),
        duration_s=max(scan.end_s, 0.0),
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


def _open(file: IO[bytes], path: Path) -> InputContainer:
    file.seek(0)
    try:
        return av.open(
            file,
            "r",
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except MemoryError as err:
        raise MediaError("memory", f"{path}: opening it needs more memory than allowed") from err
    except (av.error.FFmpegError, OSError, ValueError) as err:
        reason, detail = why_unreadable(file, err)
        raise MediaError(reason, f"{path}: {detail}") from err


def _check_pixels(video: av.VideoStream, config: DecodeConfig) -> None:
    context = video.codec_context
    context.options = {"max_pixels": str(config.max_pixels)}
    context.thread_count = 1  # the pool decodes one file a core
    _check_size(context.width, context.height, config)


def _check_size(width: int, height: int, config: DecodeConfig) -> None:
    if width * height > config.max_pixels:
        detail = f"a frame has {width}x{height} pixels, limit {config.max_pixels}"
        raise MediaError("too_many_pixels", detail)


def _pictures(
    file: IO[bytes], path: Path, scan: Scan, config: DecodeConfig, taker: PictureTaker
) -> tuple[list[Picture], tuple[int, int]]:
    """Second pass: the sampled pictures and the size of the upright picture."""
    wanted = uniform_times(config.frames, scan.video_end_s or scan.end_s or 1.0)
    with _open(file, path) as container:
        video = choose_streams(container).video
        assert video is not None
        _check_pixels(video, config)
        if scan.key_frames >= 2 * config.frames:
            video.codec_context.skip_frame = "NONKEY"
        aspect = float(video.sample_aspect_ratio or 1)
        pictures: list[Picture] = []
        try:
            for picture in pick(
                taker.watch(_frames(container, video, scan, config)),
                wanted,
                short_side=config.frame_side,
                pixel_aspect=aspect if 0.25 <= aspect <= 4 else 1.0,  # beyond: a damaged header
            ):
                pictures.append(picture)  # noqa: PERF402 (those before an error are kept)
        except (MemoryError, BlockingIOError) as err:  # EAGAIN: no memory for a thread's stack
            raise MediaError("memory", "its pictures need more memory than allowed") from err
        except av.error.FFmpegError as err:
            scan.note(err)
            scan.cut = True
        width, height = video.codec_context.width, video.codec_context.height
    turned = bool(pictures) and pictures[0].turned
    return pictures, (height, width) if turned else (width, height)


def _frames(
    container: InputContainer, video: av.VideoStream, scan: Scan, config: DecodeConfig
) -> Iterator[tuple[float, av.VideoFrame]]:
    start_s = start_of(container)
    step_s = 1 / float(video.average_rate or 25)
    time_s = -step_s
    for packet in container.demux(video):
        try:
            decoded = packet.decode()
        except (MemoryError, BlockingIOError):
            raise
        except av.error.FFmpegError as err:
            scan.note(err)
            continue
        for frame in decoded:
            _check_size(frame.width, frame.height, config)
            time_s = time_s + step_s if frame.time is None else frame.time - start_s
            yield time_s, frame


def _shortfall(scan: Scan, claimed_s: float, *, missing_pictures: bool) -> tuple[str, str]:
    """Why what was read is not all: (reason, detail), empty where it is."""
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
