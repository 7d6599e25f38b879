"""What the guarded decoder costs over a bare PyAV loop that decodes the same frames.

    python -m benchmarks.decode [--clips FOLDER] [--rounds 3]

The bare loop opens each file, decodes every packet of its best picture and sound, scales the same
number of frames to the same size with one kept scaler, and resamples the sound to the same rate:
what anybody would write first, without measuring, limits, subtitles, thumbnails or processes.
Where extraction decodes chosen key frames only, so does the loop. All run on one thread per file,
in turn; CPU seconds of the workers are read from the kernel when they have ended. Without --clips
it makes its own.
"""

import argparse
import resource
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from kinoloop.errors import MediaError
from kinoloop.media.decode import decode_media
from kinoloop.media.decoded import DecodeConfig, DecodedMedia
from kinoloop.media.guard import DecoderPool, Job
from kinoloop.media.passes import FORMATS
from kinoloop.media.process import GuardConfig
from kinoloop.media.scan import choose_streams
from kinoloop.testing.clips import bar_clip

SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".ogv", ".ts", ".flv")


@dataclass(frozen=True)
class _Wanted:
    """What extraction took from a file, and whether it decoded chosen key frames alone."""

    found: DecodedMedia
    skips: bool


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = _files(options.clips) if options.clips else _make(Path(folder))
        return _run(files, options.rounds)


def _run(files: Sequence[Path], rounds: int) -> int:
    config = DecodeConfig()
    decodable, wanted = [], []
    with DecoderPool(config, GuardConfig(workers=1)) as pool:  # loads what tells languages, too
        for file in track(files, "looking", transient=True):
            try:
                found = pool.decode(Job(file))
            except MediaError:
                continue
            wanted.append(_Wanted(found, skips=_skips(file, found)))
            decodable.append(file)
    start_s = _rounds_cpu_s([], [], config)["guarded"]
    figures: dict[str, list[float]] = {"bare loop": [], "in process": [], "guarded": []}
    for _ in track(range(rounds), "measuring", transient=True):
        for name, seconds in _rounds_cpu_s(decodable, wanted, config).items():
            figures[name].append(seconds - (start_s if name == "guarded" else 0.0))
    table = Table("decoding", "CPU s (median)", "÷ bare loop (median)", "ms per video")
    for name, seconds in figures.items():
        median_s = statistics.median(seconds)
        ratios = [one / bare for one, bare in zip(seconds, figures["bare loop"], strict=True)]
        cells = (
            f"{median_s:.2f}",
            f"{statistics.median(ratios):.3f}",
            f"{median_s / len(decodable) * 1e3:.1f}",
        )
        table.add_row(name, *cells)
    console = Console()
    console.print(table)
    frames = sum(len(one.found.frames) for one in wanted)
    seconds = sum(one.found.duration_s for one in wanted)
    console.print(
        f"{len(decodable)} of {len(files)} files, {seconds:.0f} s of video, {frames} frames kept, "
        f"{rounds} rounds; starting a worker costs {start_s:.2f} CPU s, once in "
        f"{GuardConfig().files_per_worker} files, and is not in these figures"
    )
    return 0


def _bare(file: Path, wanted: _Wanted, config: DecodeConfig) -> None:
    """Decode what `wanted` was made from, and keep as much of it."""
    times = wanted.found.frame_times_s.tolist()
    chosen_s = times.copy() if wanted.skips else None
    scaler = VideoReformatter()
    resampler = av.AudioResampler(format="flt", layout="mono", rate=config.sample_rate)
    frames, sound, samples = [], [], 0
    with av.open(str(file), options={"format_whitelist": FORMATS}) as container:
        streams = choose_streams(container)
        start_s = (container.start_time or 0) / av.time_base
        for packet in container.demux([s for s in (streams.video, streams.audio) if s is not None]):
            if packet.stream.type == "audio":
                if samples < config.audio_s * config.sample_rate:
                    parts = [p for frame in _decode(packet) for p in resampler.resample(frame)]
                    sound += [part.to_ndarray()[0] for part in parts]
                    samples += sum(part.samples for part in parts)
            elif chosen_s is None or _is_chosen(packet, chosen_s, start_s):
                for frame in _decode(packet):
                    if times and frame.time is not None and frame.time - start_s >= times[0]:
                        times.pop(0)
                        frames.append(_small(scaler, frame, wanted.found))
    if frames:
        np.stack(frames)
    if sound:
        np.concatenate(sound)


def _decode(packet: av.Packet) -> Sequence[av.frame.Frame]:
    try:
        return packet.decode()
    except av.error.FFmpegError:
        return ()


def _is_chosen(packet: av.Packet, chosen_s: Sequence[float], start_s: float) -> bool:
    at = packet.pts if packet.pts is not None else packet.dts
    if at is None:  # the empty packet at the end
        return True
    return packet.is_keyframe and float(at * packet.time_base) - start_s in chosen_s


def _small(
    scaler: VideoReformatter, frame: av.VideoFrame, found: DecodedMedia
) -> NDArray[np.uint8]:
    height, width = found.frames.shape[1:3]
    small = scaler.reformat(frame, width, height, "rgb24", interpolation="AREA", threads=1)
    return small.to_ndarray()


def _skips(file: Path, found: DecodedMedia) -> bool:
    """Whether extraction decodes chosen key frames alone."""
    with av.open(str(file)) as container:
        video = choose_streams(container).video
        keys = 0 if video is None else sum(entry.is_keyframe for entry in video.index_entries)
    return keys >= 2 * len(found.frames)


def _rounds_cpu_s(
    files: Sequence[Path], wanted: Sequence[_Wanted], config: DecodeConfig
) -> dict[str, float]:
    """CPU seconds of each way, file by file in turn, so that a busy machine slows all alike."""
    spent = {"bare loop": 0.0, "in process": 0.0, "guarded": 0.0}
    children = _cpu_s(resource.RUSAGE_CHILDREN)
    with DecoderPool(config, GuardConfig(workers=1)) as pool:
        pool.decode(Job(None))
        for file, one in zip(files, wanted, strict=True):
            ways = {
                "bare loop": lambda file=file, one=one: _bare(file, one, config),
                "in process": lambda file=file: decode_media(file, config=config),
                "guarded": lambda file=file: pool.decode(Job(file)),
            }
            for name, way in ways.items():
                before = _cpu_s(resource.RUSAGE_SELF)
                way()
                spent[name] += _cpu_s(resource.RUSAGE_SELF) - before
    spent["guarded"] += _cpu_s(resource.RUSAGE_CHILDREN) - children
    return spent


def _cpu_s(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)


def _make(folder: Path) -> list[Path]:
    sizes = ((320, 180), (640, 360), (1280, 720))
    return [
        bar_clip(folder / f"{i}.mp4", seconds=4.0, size=sizes[i % 3], colour=(20 * i, 90, 40))
        for i in range(9)
    ]


if __name__ == "__main__":
    raise SystemExit(main())
