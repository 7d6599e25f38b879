"""Decode one media file, once: sampled frames, sound, words, measured durations, a thumbnail.

One pass over the packets decodes pictures, sound and subtitles together and measures how long
they really are. Where to look is planned by what header and index say. Headers lie: where the
pictures turn out to end elsewhere, they are read once more by what was measured; where a header
says nothing, or a long file has no index, the packets are looked at first, undecoded.

Not covered: encrypted media, network streams, picture subtitles, attached cover pictures. Run it
in a worker of `kinoloop.media.guard`: decoders are C code that reads untrusted bytes.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinoloop.errors import MediaError
from kinoloop.media.captions import unroll
from kinoloop.media.decoded import DecodeConfig, DecodedMedia, nothing
from kinoloop.media.diagnosis import is_encrypted
from kinoloop.media.passes import Reading, read_streams
from kinoloop.media.pictures import stack_pictures, thumbnail
from kinoloop.media.prints import hash_sound
from kinoloop.media.scan import Scan
from kinoloop.media.shots import shots_between
from kinoloop.media.sound import SoundReader
from kinoloop.media.source import open_regular
from kinoloop.media.subtitles import Subtitles, first_cues, join_lines, read_subtitles

DECODE_VERSION = 5
"""Raised whenever this module starts to give other frames or samples for the same file."""


def decode_media(
    media: Path | None,
    subtitles: Path | None = None,
    config: DecodeConfig | None = None,
    *,
    without: str = "",
) -> DecodedMedia:
    """Decode a video and the subtitle file beside it.

    Args:
        media: The media file; None where a video is words only.
        subtitles: Subtitle file; it wins over embedded tracks.
        config: What to take.
        without: `sound`, `words` (of embedded tracks) or `pictures` that are not read.

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
    found, fps = _decode_file(media, config, without)
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
        detail = f"{said.broken} time lines of the subtitles cannot be read"
        return replace(found, reason="broken_timings", detail=detail)
    return found


def _decode_file(
    path: Path, config: DecodeConfig, without: str
) -> tuple[DecodedMedia, float | None]:
    sound = SoundReader(config.sample_rate, config.audio_s, config.silence_rms)
    with open_regular(path, max_bytes=config.max_bytes) as file:
        reading = read_streams(file, path, sound=sound, config=config, without=without)
        encrypted = is_encrypted(file)
    audio = sound.finish()
    pictures, (width, height) = reading.pictures, reading.size
    reason, detail = _shortfall(
        reading.scan, reading.claimed_s, config, missing_pictures=width > 0 and not pictures
    )
    if reading.unread and not reason:
        reason, detail = "unsupported_codec", f"no decoder for {reading.unread}"
    if not pictures and not sound.seconds:
        if encrypted:
            raise MediaError("encrypted", f"{path}: its samples are encrypted")
        said = f"{path}: no picture and no sound in it"
        raise MediaError(reason or "no_frames", f"{said}; {detail}" if detail else said)
    size = (config.thumbnail_width, config.thumbnail_height)
    cues = tuple(unroll(reading.scan.cues))
    print_times_s, picture_print = reading.prints.finish()
    shots_s = _shots(reading) if pictures else nothing(config).shots_s
    page_times_s, pages = reading.pages.finish(shots_s)
    found = DecodedMedia(
        frames=stack_pictures(pictures) if pictures else nothing(config).frames,
        frame_times_s=np.array([p.time_s for p in pictures], dtype=np.float64),
        audio=audio,
        sample_rate=config.sample_rate,
        sound_s=sound.seconds,
        words=join_lines(cue.text for cue in cues),
        cues=first_cues(cues),
        cue_count=len(cues),
        duration_s=max(reading.scan.end_s, 0.0),
        width=width,
        height=height,
        thumbnail=thumbnail(pictures, size) if pictures else b"",
        reason=reason,
        detail=detail,
        streams=reading.codecs,
        print_times_s=print_times_s,
        picture_print=picture_print,
        sound_print=hash_sound(audio, config.sample_rate),
        shots_s=shots_s,
        pages=pages,
        page_times_s=page_times_s,
    )
    return found, reading.fps


def _shots(reading: Reading) -> NDArray[np.float64]:
    last_s = reading.pictures[-1].time_s
    return shots_between(reading.prints.cuts_s, max(reading.scan.video_end_s, last_s))


def _shortfall(
    scan: Scan, claimed_s: float, config: DecodeConfig, *, missing_pictures: bool
) -> tuple[str, str]:
    """Why what was read is not all: (reason, detail), empty where it is."""
    if scan.too_long:
        return "too_long", f"it was read up to {config.max_duration_s:.0f} s, the limit"
    if scan.cut or scan.corrupt or scan.end_s < 0.9 * claimed_s - 0.5:
        claims_more = claimed_s > scan.end_s + 0.05
        claim = f"its header claims {claimed_s:.1f} s" if claims_more else "parts of it are missing"
        return "truncated", f"it ends at {scan.end_s:.1f} s, {claim}"
    if scan.errors:
        return "decode_errors", f"{scan.errors} packets are damaged; {scan.first_error}"
    if missing_pictures:
        return "no_frames", "it has a video stream but no picture in it"
    return "", ""
