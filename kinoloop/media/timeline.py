"""One clock for streams whose time stamps jump: joined transport streams, clocks that wrap.

MPEG-TS and -PS, and chained Ogg, may start a new clock at any packet. A stream that jumps goes on
where it was: its content is what counts, not the gap between two clocks.

Source: FFmpeg's ffmpeg_demux.c (`ts_discontinuity_process`), which draws the line at 10 s, too.
"""

from dataclasses import dataclass
from typing import Any

import av
from av.container import InputContainer
from av.format import Flags

FORWARD_S = 10.0
"""A stream that is so far ahead of itself and of all others has a new clock."""

BACKWARD_S = 1.0


@dataclass
class _Stream:
    offset: int = 0
    last: int = 0
    following: int = 0


class Timeline:
    """Makes the time stamps of one pass go on.

    Args:
        container: The file; formats that cannot start a new clock are left alone.

    Attributes:
        possible: Whether this format can start a new clock at all.
        jumps: How often a stream started a new clock.
    """

    def __init__(self, container: InputContainer) -> None:
        self.possible = bool(Flags(container.format.flags) & Flags.ts_discont)
        self._streams: dict[int, _Stream] = {}
        self._latest_s = 0.0
        self.jumps = 0

    def straighten(self, packet: "av.Packet[Any]") -> None:
        """Move a packet to where it belongs; each stream's packets in order of decoding."""
        raw = packet.dts if packet.dts is not None else packet.pts
        if not self.possible or raw is None or packet.time_base is None:
            return
        tick_s = float(packet.time_base)
        stream = self._streams.get(packet.stream_index)
        if stream is None:
            stream = self._streams[packet.stream_index] = _Stream(last=raw, following=raw)
            self._latest_s = max(self._latest_s, raw * tick_s)
        at = raw + stream.offset
        back = (stream.last - at) * tick_s > BACKWARD_S
        ahead_s = min((at - stream.following) * tick_s, at * tick_s - self._latest_s)
        if back or ahead_s > FORWARD_S:
            stream.offset += stream.following - at
            at = stream.following
            self.jumps += 1
        stream.last, stream.following = at, at + (packet.duration or 0)
        self._latest_s = max(self._latest_s, at * tick_s)
        if stream.offset:
            packet.pts = None if packet.pts is None else packet.pts + stream.offset
            packet.dts = None if packet.dts is None else packet.dts + stream.offset
