"""Three small catalogues that have nothing in common but the loop, made by code.

Each is a folder with `videos.csv` and `events.csv` as somebody else's system would have exported
it: its columns and kinds of event are its own, and flags of `kinoloop import` name them.
"""

import csv
import wave
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE, SIDE, FPS, SECONDS = 16_000, (96, 128), 12, 3
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
DAYS, PEOPLE, EACH, OTHERS = 12, 16, 12, 3
"""Of each person's events so many are of another kind than the one that the person follows."""


@dataclass(frozen=True)
class Domain:
    """A catalogue to be.

    Attributes:
        name: Of the folder, and of the settings beside this file.
        per_kind: Videos of each kind.
        kinds: What videos show, sound like or speak of, with what makes one.
        columns: For `--map-columns`.
        events: For `--map-events`.
        query: A search, where there are words.
    """

    name: str
    per_kind: int
    kinds: dict[str, Callable[[Path, int], dict[str, str]]]
    columns: str
    events: str
    query: str = ""


def write(domain: Domain, folder: Path, *, per_kind: int) -> dict[str, str]:
    """Write a catalogue and what people did with it.

    Args:
        domain: Which.
        folder: A new folder.
        per_kind: Videos of each kind.

    Returns:
        Kind by video id.
    """
    folder.mkdir(parents=True)
    kinds, rows = {}, []
    for number in range(per_kind):
        for kind, make in domain.kinds.items():
            name = f"{kind}-{number:02d}"
            kinds[name] = kind
            rows.append({"clip": name, **make(folder / name, number)})
    _csv(folder / "videos.csv", rows)
    renamed = [pair.partition("=")[0] for pair in domain.events.split(",")]
    _csv(folder / "events.csv", _behaviour(kinds, renamed))
    return kinds


def _behaviour(kinds: dict[str, str], words: list[str]) -> list[dict[str, str]]:
    """Make up what people did, mostly with one kind each, in words of the system that logged it."""
    rng = np.random.default_rng(0)
    names, rows = sorted(set(kinds.values())), []
    for person in range(PEOPLE):
        mine = [v for v, kind in kinds.items() if kind == names[person % len(names)]]
        theirs = [v for v in kinds if v not in mine]
        few = min(EACH - OTHERS, len(mine))
        chosen = [*rng.choice(mine, few, replace=False), *rng.choice(theirs, OTHERS, replace=False)]
        days = np.sort(rng.uniform(0, DAYS, len(chosen)))
        for video, day in zip(rng.permutation(chosen), days, strict=True):
            at = START + timedelta(days=float(day))
            first = {"who": f"p{person:02d}", "clip": str(video), "at": at.isoformat()}
            rows.append({**first, "what": words[0]})
            if video in mine and rng.random() < 0.3 and len(words) > 1:
                later = (at + timedelta(minutes=1)).isoformat()
                rows.append({**first, "at": later, "what": words[1]})
    return rows


def _csv(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _camera(
    draw: Callable[[NDArray[np.uint8], float], None],
) -> Callable[[Path, int], dict[str, str]]:
    """Make a clip of a camera that looks at the same grey scene all day; nobody says a word."""

    def make(place: Path, number: int) -> dict[str, str]:
        rng = np.random.default_rng(number)
        target = place.with_suffix(".mp4")
        with av.open(str(target), "w") as container:
            stream = container.add_stream("mpeg4", rate=FPS)
            stream.height, stream.width, stream.pix_fmt = *SIDE, "yuv420p"
            for i in range(FPS * SECONDS):
                frame = np.full((*SIDE, 3), 90 + 2 * (number % 5), dtype=np.uint8)
                frame[60:] = (70, 75, 70)
                draw(frame, i / (FPS * SECONDS))
                noise = rng.integers(0, 8, frame.shape, dtype=np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame + noise)))
            container.mux(stream.encode())
        return {"camera": f"cam{number % 3}", "label": "", "file": str(target)}

    return make


def _door(frame: NDArray[np.uint8], t: float) -> None:
    frame[20:80, 50:78] = (60, 45, 30)
    frame[20:80, 50 : 50 + int(26 * min(1, 2 * t))] = (250, 240, 200)


def _car(frame: NDArray[np.uint8], t: float) -> None:
    at = int(100 * t)
    frame[50:72, at : at + 40] = (190, 30, 30)
    frame[70:78, at + 4 : at + 12] = frame[70:78, at + 26 : at + 34] = 15


def _rain(frame: NDArray[np.uint8], t: float) -> None:
    drops = np.random.default_rng(int(t * 1000)).integers(0, (90, 128), (90, 2))
    for y, x in drops:
        frame[y : y + 6, x] = (150, 170, 230)


def _track(
    sound: Callable[[NDArray[np.float64], int], NDArray[np.float64]],
) -> Callable[[Path, int], dict[str, str]]:
    """Make a sound file whose title says nothing."""

    def make(place: Path, number: int) -> dict[str, str]:
        t = np.arange(RATE * SECONDS) / RATE
        samples = sound(t, number) + np.random.default_rng(number).normal(0, 0.003, len(t))
        target = place.with_suffix(".wav")
        with wave.open(str(target), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        return {"name": f"Track {number}", "file": str(target)}

    return make


def _chord(t: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    root = 196 * 2 ** ((number % 7) / 12)
    return sum(0.15 * np.sin(2 * np.pi * root * r * t) for r in (1, 1.26, 1.5))


def _drum(t: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    beat = t % (0.35 + 0.01 * (number % 7))
    return 0.8 * np.exp(-25 * beat) * np.sin(2 * np.pi * 70 * beat)


def _wind(t: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    noise = np.random.default_rng(100 + number).normal(0, 0.2, len(t))
    return noise * (0.6 + 0.4 * np.sin(2 * np.pi * (0.3 + 0.05 * (number % 7)) * t))


TOPICS = {
    "bread": ("sourdough starter", "baguette", "rye loaf", "flat bread", "focaccia", "dough"),
    "trains": (
        "steam engine",
        "night train",
        "narrow gauge railway",
        "signal box",
        "tram",
        "track",
    ),
    "stars": ("Saturn's rings", "a meteor shower", "dark nebulae", "the Moon", "comets", "Orion"),
}
WAYS = (
    "How we met {}",
    "{}: a short history",
    "All about {}",
    "An evening with {}",
    "{} explained",
)
HARMFUL = (
    "Watch uncensored porn for free",
    "Explicit hardcore sex with a stranger, click the link",
)


def _article(topic: str) -> Callable[[Path, int], dict[str, str]]:
    def make(_place: Path, number: int) -> dict[str, str]:
        things = TOPICS[topic]
        title = WAYS[number % len(WAYS)].format(things[number % len(things)])
        other = things[(number + 2) % len(things)]
        return {
            "headline": title,
            "abstract": f"Also about {other}. For everybody who likes {topic}.",
        }

    return make


def _spam(_place: Path, number: int) -> dict[str, str]:
    return {"headline": HARMFUL[number % len(HARMFUL)], "abstract": ""}


SHARED = "user=who,video=clip,time=at,event=what"
DOMAINS = (
    Domain(
        name="surveillance",
        per_kind=12,
        kinds={"door": _camera(_door), "car": _camera(_car), "rain": _camera(_rain)},
        columns=f"{SHARED},title=label,media=file",
        events="open=view,flag=save",
    ),
    Domain(
        name="sound",
        per_kind=12,
        kinds={"chord": _track(_chord), "drum": _track(_drum), "wind": _track(_wind)},
        columns=f"{SHARED},title=name,media=file",
        events="play=view,heart=like",
    ),
    Domain(
        name="text",
        per_kind=12,
        kinds={topic: _article(topic) for topic in TOPICS} | {"spam": _spam},
        columns=f"{SHARED},title=headline,description=abstract",
        events="read=view,star=save",
        query="railways and locomotives",
    ),
)
