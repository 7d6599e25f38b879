"""Decode the pictures of one stream that a sampling policy wants, packet by packet.

Everything is decoded once and in order, as a player does, except where a policy needs few pictures
of a long video: where there are at least two key frames for each wanted time, only the key frames
nearest to these times are decoded at all, and some more for the perceptual hashes. That moves a
picture by at most a quarter of the distance between two, and a film of two hours costs some
seventy pictures and not 170,000.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from kinoloop.errors import MediaError
from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.pages import PageTaker
from kinoloop.media.pictures import Converter, Picture
from kinoloop.media.prints import PictureTaker
from kinoloop.media.sampling import (
    ByTime,
    KeyFrames,
    Nearest,
    Scenes,
    Shots,
    Thinned,
    pictures_of,
    uniform_times,
    wanted_times,
)
from kinoloop.media.shots import choose, shots_between

PRINTED_KEY_FRAMES = 64
"""Key frames that are decoded for the perceptual hashes where not all pictures are."""

Packet: TypeAlias = "av.Packet[av.VideoStream]"
Timed = tuple[float, av.VideoFrame]


@dataclass(frozen=True)
class Outline:
    """What is known of a stream before it is decoded.

    Attributes:
        end_s: End of its last picture, seconds from the start.
        key_frames: Pictures that can be decoded alone; 0 where that is not known.
    """

    end_s: float
    key_frames: int = 0


class PictureReader:
    """Receives the packets of one video stream, gives its pictures.

    Args:
        video: The stream; its decoder is set up here.
        outline: Its length and key frames, as far as they are known.
        config: What is wanted.
        start_s: Time stamp that counts as 0 s.

    Attributes:
        prints: Perceptual hashes of what passed.
        pages: Pictures of it to read words in.
    """

    def __init__(
        self, video: av.VideoStream, outline: Outline, *, config: DecodeConfig, start_s: float
    ) -> None:
        self.prints = PictureTaker()
        pixel_aspect = float(video.sample_aspect_ratio or 1)
        self.pages = PageTaker(config.pages, config.page_side, pixel_aspect)
        self._max_pixels, self._start_s = config.max_pixels, start_s
        self._context = video.codec_context
        self._context.options = {"max_pixels": str(config.max_pixels)}
        self._context.thread_count = 1  # the pool decodes one file per core
        self._check_size(self._context.width, self._context.height)
        self._tick_s = float(video.time_base or 0)
        self._step_s = 1 / float(video.average_rate or 25)
        self._time_s = -self._step_s
        self._converter = Converter(config.frame_side, pixel_aspect)
        self._picker = picker_for(self._converter, config, outline.end_s, self.prints)
        self._keys: Nearest[Packet] | None = None
        self._key_frames_only = isinstance(config.sampling, KeyFrames)
        if isinstance(config.sampling, ByTime):
            wanted = wanted_times(config.sampling, outline.end_s)
            if outline.key_frames >= 2 * pictures_of(config.sampling, outline.end_s):
                grid = uniform_times(PRINTED_KEY_FRAMES, outline.end_s)
                self._keys = Nearest(sorted({*wanted, *grid}))

    @property
    def skips(self) -> bool:
        """Whether only chosen key frames are decoded."""
        return self._keys is not None

    def feed(self, packet: Packet) -> None:
        """Take the next packet; the empty one at the end drains the decoder.

        Raises:
            MediaError: A frame is too large (`too_many_pixels`).
            av.error.FFmpegError: The packet is damaged.
        """
        if self._keys is not None:
            chosen = (
                self._keys.finish()
                if not packet.size
                else self._keys.offer(_seconds(packet) - self._start_s, packet)
                if packet.is_keyframe
                else ()
            )
            for _, key_frame in chosen:
                self._decode_alone(key_frame)
        elif not self._key_frames_only or packet.is_keyframe or not packet.size:
            for frame in packet.decode():
                self._offer(frame)

    def finish(self) -> list[Picture]:
        """Return the pictures in order of time."""
        return self._picker.finish()

    def _decode_alone(self, packet: Packet) -> None:
        for frame in (*self._context.decode(packet), *self._context.decode(None)):
            self._offer(frame)
        self._context.flush_buffers()

    def _offer(self, frame: av.VideoFrame) -> None:
        self._check_size(frame.width, frame.height)
        if frame.pts is None or not self._tick_s:
            self._time_s += self._step_s
        else:
            self._time_s = frame.pts * self._tick_s - self._start_s
        self.prints.offer(self._time_s, frame)
        self.pages.offer(self._time_s, frame)
        self._picker.offer(self._time_s, frame)

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            detail = f"a frame has {width}x{height} pixels, limit {self._max_pixels}"
            raise MediaError("too_many_pixels", detail)


def _seconds(packet: Packet) -> float:
    at = packet.pts if packet.pts is not None else packet.dts
    return 0.0 if at is None or packet.time_base is None else float(at * packet.time_base)


class Picker:
    """Chooses among decoded frames; converts only what is chosen."""

    def __init__(self, converter: Converter) -> None:
        self._converter = converter
        self._pictures: list[Picture] = []

    def offer(self, time_s: float, frame: av.VideoFrame) -> None:
        """Look at the next frame, in order of time."""
        raise NotImplementedError

    def finish(self) -> list[Picture]:
        """Those that were chosen."""
        return self._pictures

    def _take(self, chosen: Iterator[Timed]) -> None:
        self._pictures += [self._converter.picture(*timed) for timed in chosen]


def picker_for(
    converter: Converter, config: DecodeConfig, end_s: float, prints: PictureTaker
) -> Picker:
    """Who chooses among the frames of a video, as the settings say.

    Args:
        converter: Makes pictures of frames.
        config: What is wanted.
        end_s: End of the video, seconds.
        prints: Sees the same frames; knows where shots begin.
    """
    if isinstance(config.sampling, Shots):
        return _ByShots(converter, config.sampling, end_s, prints)
    if isinstance(config.sampling, ByTime):
        return _ByTime(converter, wanted_times(config.sampling, end_s))
    if isinstance(config.sampling, Scenes):
        return _Scenes(converter, config.sampling)
    return _KeyFrames(converter, config.sampling)


class _ByTime(Picker):
    def __init__(self, converter: Converter, wanted_s: list[float]) -> None:
        super().__init__(converter)
        self._nearest: Nearest[av.VideoFrame] = Nearest(wanted_s)

    def offer(self, time_s: float, frame: av.VideoFrame) -> None:
        if not self._nearest.done:
            self._take(self._nearest.offer(time_s, frame))

    def finish(self) -> list[Picture]:
        self._take(self._nearest.finish())
        return self._pictures


class _ByShots(_ByTime):
    """Converts some candidates as they pass, and chooses when it is known where shots begin."""

    def __init__(
        self, converter: Converter, sampling: Shots, end_s: float, prints: PictureTaker
    ) -> None:
        super().__init__(converter, wanted_times(sampling, end_s))
        self._sampling, self._prints = sampling, prints

    def finish(self) -> list[Picture]:
        pictures = super().finish()
        if not pictures:
            return []
        times = [picture.time_s for picture in pictures]
        shots = shots_between(self._prints.cuts_s, times[-1])
        least, most = self._sampling.frames, self._sampling.max_frames
        return [pictures[i] for i in choose(times, shots, least=min(least, most), most=most)]


class _KeyFrames(Picker):
    def __init__(self, converter: Converter, sampling: KeyFrames) -> None:
        super().__init__(converter)
        self._thinned: Thinned[Picture] = Thinned(sampling.max_frames)

    def offer(self, time_s: float, frame: av.VideoFrame) -> None:
        if self._thinned.wants_next:
            self._thinned.keep(self._converter.picture(time_s, frame))
        else:
            self._thinned.skip()

    def finish(self) -> list[Picture]:
        return self._thinned.kept


class _Scenes(Picker):
    """Takes the first frame and those that change much.

    The change is the smaller of how far a frame is from the one before and how much that distance
    grew: a pan moves as much each time, a cut only once.
    """

    def __init__(self, converter: Converter, sampling: Scenes) -> None:
        super().__init__(converter)
        self._sampling = sampling
        self._before: NDArray[np.float32] | None = None
        self._moved = 0.0
        self._cuts: list[tuple[float, int, Picture]] = []
        self._seen = 0

    def offer(self, time_s: float, frame: av.VideoFrame) -> None:
        luma = self._converter.luma(frame)
        change = 1.0
        if self._before is not None:
            moved = float(np.abs(luma - self._before).mean())
            change, self._moved = min(moved, abs(moved - self._moved)), moved
        self._before = luma
        self._seen += 1
        full = len(self._cuts) == self._sampling.max_frames
        if change < self._sampling.threshold or (full and change <= self._cuts[0][0]):
            return
        cut = (change, self._seen, self._converter.picture(time_s, frame))
        (heapq.heappushpop if full else heapq.heappush)(self._cuts, cut)

    def finish(self) -> list[Picture]:
        return sorted((picture for _, _, picture in self._cuts), key=lambda p: p.time_s)
