"""From decoded frames to the pictures that encoders see: small, upright, square pixels, sRGB.

The scaler goes from the decoder's YUV straight to small RGB; a full-size RGB picture never exists.
Its context is kept from frame to frame: making a new one costs more than scaling.
"""

import io
import struct
from dataclasses import dataclass
from typing import cast

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from kinoloop.media.tonemap import Transfer, to_srgb

MAX_ASPECT = 4.0
"""Longer pictures are squeezed to this ratio, so that a strip cannot blow up memory."""

_TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}  # AVCOL_TRC_SMPTE2084, _ARIB_STD_B67
_UNSPECIFIED = 2
_SD_LINES = 576


@dataclass(frozen=True)
class Picture:
    """One frame, upright, RGB.

    Attributes:
        time_s: Presentation time, seconds from the start.
        pixels: (height, width, 3) uint8.
        turned: Whether width and height changed places to make it upright.
    """

    time_s: float
    pixels: NDArray[np.uint8]
    turned: bool = False


class Converter:
    """Makes pictures of the frames of one stream.

    Args:
        short_side: Length of the shorter side of the result, pixels; never enlarged.
        pixel_aspect: Width over height of one pixel.
    """

    def __init__(self, short_side: int, pixel_aspect: float = 1.0) -> None:
        self._short_side = short_side
        # beyond that the header is damaged
        self._pixel_aspect = pixel_aspect if 0.25 <= pixel_aspect <= 4 else 1.0
        self._scaler, self._luma_scaler = VideoReformatter(), VideoReformatter()

    def picture(self, time_s: float, frame: av.VideoFrame) -> Picture:
        """Scale to the short side, square pixels, upright, 8-bit sRGB."""
        aspect = frame.width * self._pixel_aspect / frame.height
        aspect = min(max(aspect, 1 / MAX_ASPECT), MAX_ASPECT)
        short = min(self._short_side, frame.width, frame.height)
        width, height = (short * aspect, short) if aspect >= 1 else (short, short / aspect)
        transfer = _TRANSFERS.get(int(frame.color_trc))
        scaled = self._scaler.reformat(
            frame,
            width=round(width),
            height=round(height),
            format="rgb48le" if transfer else "rgb24",
            interpolation="AREA",
            src_colorspace=_colorspace(frame),
            src_color_range=ColorRange(int(frame.color_range)),
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        values = scaled.to_ndarray()
        if transfer:
            pixels = to_srgb(values.astype(np.uint16, copy=False), transfer)
        else:
            pixels = values.astype(np.uint8, copy=False)
        quarters, mirrored = orientation(frame)
        return Picture(time_s, turn_upright(pixels, quarters, mirrored), turned=quarters % 2 == 1)

    def luma(self, frame: av.VideoFrame) -> NDArray[np.float32]:
        """Shrink a frame to its brightness, (36, 64) float32 from 0 to 1, to compare frames."""
        tiny = self._luma_scaler.reformat(
            frame, width=64, height=36, format="gray", interpolation="FAST_BILINEAR", threads=1
        )
        return tiny.to_ndarray().astype(np.float32) / np.float32(255)


def stack_pictures(pictures: list[Picture]) -> NDArray[np.uint8]:
    """One array; a stream that changes its size in the middle takes the size of its start."""
    height, width = pictures[0].pixels.shape[:2]
    same = [
        p.pixels
        if p.pixels.shape[:2] == (height, width)
        else np.asarray(Image.fromarray(p.pixels).resize((width, height)))
        for p in pictures
    ]
    return np.stack(same)


def thumbnail(pictures: list[Picture], size: tuple[int, int]) -> bytes:
    """JPEG of the picture nearest to the middle that is not blank, within a width and a height."""
    middle = (len(pictures) - 1) / 2
    by_middle = sorted(range(len(pictures)), key=lambda i: abs(i - middle))
    lively = next((i for i in by_middle if pictures[i].pixels.std() > 8), by_middle[0])
    image = Image.fromarray(pictures[lively].pixels)
    image.thumbnail(size)
    target = io.BytesIO()
    image.save(target, "JPEG", quality=80, optimize=True)
    return target.getvalue()


def orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """Read from the display matrix quarter turns counter-clockwise, and a vertical mirror before.

    Source: ISO/IEC 14496-12, section 8.3.2 (a, b, u, c, d, v, x, y, w; 16.16 fixed point).
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, False
    a, b, _, c, d = struct.unpack_from("=5i", cast("bytes", matrix))
    quarters = round(frame.rotation / 90) % 4
    return quarters, a * d - b * c < 0


def turn_upright(pixels: NDArray[np.uint8], quarters: int, mirrored: bool) -> NDArray[np.uint8]:  # noqa: FBT001
    """Turn upside down by a mirror where asked, then by quarters counter-clockwise."""
    return np.ascontiguousarray(np.rot90(pixels[::-1] if mirrored else pixels, quarters))


def _colorspace(frame: av.VideoFrame) -> int:
    """How its Y'CbCr is meant; what does not say follows the size, as every player does."""
    if int(frame.colorspace) == _UNSPECIFIED:
        return int(Colorspace.ITU709 if frame.height > _SD_LINES else Colorspace.ITU601)
    return int(frame.colorspace)
