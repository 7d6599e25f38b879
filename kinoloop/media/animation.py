"""Animated WebP as video: FFmpeg cannot read it, Pillow can.

Where frames are and how long each is shown stands in the file's chunks; they are read first, so
that no more is decoded than a sampling policy looks at, up to the last picture that it wants.

Source: WebP Container Specification (RFC 9649), section 2.7: VP8X, ANIM, ANMF.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import av
import numpy as np
from PIL import Image, UnidentifiedImageError

from kinoloop.errors import MediaError
from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.pages import PageTaker
from kinoloop.media.picture_reader import Outline, picker_for
from kinoloop.media.pictures import Converter, Picture
from kinoloop.media.prints import PictureTaker
from kinoloop.media.scan import Scan

MAX_PARTS = 1_000_000


@dataclass(frozen=True)
class Animation:
    """What an animated file gave, as `passes.Reading` has it."""

    scan: Scan
    outline: Outline
    pictures: list[Picture]
    prints: PictureTaker
    pages: PageTaker
    size: tuple[int, int]


def is_webp(file: IO[bytes]) -> bool:
    """Whether a file starts as WebP."""
    file.seek(0)
    head = file.read(12)
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def read_webp(file: IO[bytes], path: Path, config: DecodeConfig) -> Animation:
    """Read the pictures of an animated WebP.

    Raises:
        MediaError: It is a still picture (`not_media`), too large (`too_many_pixels`), or no frame
            of it can be read (`truncated`, `damaged`).
    """
    size, lengths_s, whole = _outline(file)
    cut = whole is not None
    if len(lengths_s) < 2 and not cut:
        raise MediaError("not_media", f"{path}: it is a still picture (WebP), not a video")
    if size[0] * size[1] > config.max_pixels:
        said = f"a frame has {size[0]}x{size[1]} pixels, limit {config.max_pixels}"
        raise MediaError("too_many_pixels", said)
    outline = Outline(min(sum(lengths_s), config.max_duration_s), 0)
    scan = Scan(cut=cut, too_long=sum(lengths_s) > config.max_duration_s)
    prints, pages = PictureTaker(), PageTaker(config.pages, config.page_side)
    picker = picker_for(Converter(config.frame_side), config, outline.end_s, prints)
    file.seek(0)
    source = file if whole is None else io.BytesIO(_ended(file.read(whole)))
    try:
        with Image.open(source, formats=["WEBP"]) as image:
            for at, length_s in enumerate(lengths_s):
                if scan.video_end_s >= config.max_duration_s:
                    break
                image.seek(at)
                frame = _frame(image)
                picker.offer(scan.video_end_s, frame)
                prints.offer(scan.video_end_s, frame)
                pages.offer(scan.video_end_s, frame)
                scan.video_end_s += length_s
    except (OSError, EOFError, ValueError, SyntaxError, UnidentifiedImageError) as err:
        scan.note(err)
    pictures = picker.finish()
    if not pictures:
        reason = "truncated" if cut else "damaged"
        raise MediaError(reason, f"{path}: no frame of its animation can be read")
    return Animation(scan, outline, pictures, prints, pages, size)


def _frame(image: Image.Image) -> av.VideoFrame:
    """Draw the picture as it is shown, what is transparent on white."""
    shown = Image.new("RGBA", image.size, "white")
    shown.alpha_composite(image.convert("RGBA"))
    return av.VideoFrame.from_ndarray(np.asarray(shown.convert("RGB")), format="rgb24")


def _ended(raw: bytes) -> bytes:
    """Whole chunks of a file that is cut off, as a file that ends there."""
    return raw[:4] + (len(raw) - 8).to_bytes(4, "little") + raw[8:]


def _outline(file: IO[bytes]) -> tuple[tuple[int, int], list[float], int | None]:
    """Width and height, seconds of each frame that is there, and bytes of whole chunks if cut."""
    end = file.seek(0, 2)
    at, size = 12, (0, 0)
    lengths_s: list[float] = []
    while at + 8 <= end and len(lengths_s) < MAX_PARTS:
        file.seek(at)
        head = file.read(24)
        kind, length = head[:4], int.from_bytes(head[4:8], "little")
        if at + 8 + length > end:
            return size, lengths_s, at
        if kind == b"VP8X":
            size = (_int24(head[12:15]) + 1, _int24(head[15:18]) + 1)
        elif kind == b"ANMF":
            lengths_s.append(max(_int24(head[20:23]), 1) / 1000)
        at += 8 + length + length % 2
    file.seek(4)
    claimed = int.from_bytes(file.read(4), "little") + 8
    return size, lengths_s, min(at, end) if claimed > end + 1 else None


def _int24(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
