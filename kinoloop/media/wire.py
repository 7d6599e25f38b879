"""How a decoding worker answers: one JSON header and raw arrays after it, never pickle.

The worker has parsed untrusted bytes in C code; whoever reads its answer must not run what it
says. Frame: 4 bytes big-endian header length, header, then each array's bytes in header order.
"""

import json
import math
import struct
from collections.abc import Callable
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from kinoloop.errors import MediaError
from kinoloop.media.decoded import DecodedMedia
from kinoloop.media.subtitle_formats import Cue

_ARRAYS: Final[dict[str, tuple[str, int]]] = {  # name: (dtype, dimensions)
    "frames": ("uint8", 4),
    "frame_times_s": ("float64", 1),
    "audio": ("float32", 1),
    "thumbnail": ("uint8", 1),
    "print_times_s": ("float32", 1),
    "picture_print": ("int64", 1),
    "sound_print": ("int32", 1),
    "shots_s": ("float64", 2),
    "pages": ("uint8", 3),
    "page_times_s": ("float64", 1),
}
_LENGTH: Final = struct.Struct(">I")
READY: Final = b"kinoloop decoder ready\n"
"""The first thing a worker says: whoever dies before that did not die of a file."""

MAX_HEADER_BYTES: Final = 4 << 20
MAX_ARRAY_BYTES: Final = 1 << 30


def write_result(target: BinaryIO, result: DecodedMedia | MediaError) -> None:
    """Write one answer and flush it."""
    if isinstance(result, MediaError):
        peak = result.peak_memory_mb
        detail = result.detail[:2000]
        _write_header(target, {"error": result.reason, "detail": detail, "peak_memory_mb": peak})
        target.flush()
        return
    left_out = {*_ARRAYS, "screen"}  # nobody reads in a worker
    facts = {name: value for name, value in vars(result).items() if name not in left_out}
    arrays: dict[str, NDArray[Any]] = {
        name: np.frombuffer(result.thumbnail, dtype=np.uint8)
        if name == "thumbnail"
        else getattr(result, name)
        for name in _ARRAYS
    }
    facts["detail"] = result.detail[:2000]
    facts["cues"] = [(cue.start_s, cue.end_s, cue.text) for cue in result.cues]
    _write_header(target, {"facts": facts, "shapes": {n: a.shape for n, a in arrays.items()}})
    for name, (dtype, _) in _ARRAYS.items():
        target.write(np.ascontiguousarray(arrays[name], dtype=dtype).data)
    target.flush()


def read_result(read: Callable[[int], bytes | bytearray]) -> DecodedMedia:
    """Read one answer.

    Args:
        read: Gives exactly as many bytes as asked for, or raises.

    Raises:
        MediaError: The worker says so, or its answer makes no sense (`crashed`).
    """
    (length,) = _LENGTH.unpack(read(_LENGTH.size))
    if length > MAX_HEADER_BYTES:
        raise MediaError("crashed", f"the decoder's answer has a header of {length} bytes")
    try:
        header: dict[str, Any] = json.loads(read(length))
        if "error" in header:
            peak = float(header["peak_memory_mb"])
            raise MediaError(str(header["error"]), str(header["detail"]), peak_memory_mb=peak)
        shapes = {name: _check_shape(name, header["shapes"][name]) for name in _ARRAYS}
    except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as err:
        raise MediaError("crashed", f"the decoder's answer is malformed: {err}") from err
    arrays: dict[str, Any] = {
        name: np.frombuffer(
            read(math.prod(shapes[name]) * np.dtype(dtype).itemsize), dtype=dtype
        ).reshape(shapes[name])
        for name, (dtype, _) in _ARRAYS.items()
    }
    facts = header["facts"]
    facts["streams"] = tuple(facts["streams"])
    facts["cues"] = tuple(Cue(*cue) for cue in facts["cues"])
    thumbnail = arrays.pop("thumbnail").tobytes()
    return DecodedMedia(**facts, **arrays, thumbnail=thumbnail)


def _write_header(target: BinaryIO, header: dict[str, Any]) -> None:
    encoded = json.dumps(header, ensure_ascii=False).encode(errors="replace")
    target.write(_LENGTH.pack(len(encoded)) + encoded)


def _check_shape(name: str, shape: list[int]) -> tuple[int, ...]:
    dtype, dimensions = _ARRAYS[name]
    sizes = tuple(int(size) for size in shape)
    too_many = math.prod(sizes) * np.dtype(dtype).itemsize > MAX_ARRAY_BYTES
    if len(sizes) != dimensions or min(sizes) < 0 or too_many:
        raise MediaError("crashed", f"the decoder's answer claims {name} of shape {sizes}")
    return sizes
