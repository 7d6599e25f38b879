"""How each style looks: the same scene as a tutorial, calmly, loudly, or as a story."""

import textwrap
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kinoloop.sample.scenes import Canvas, paint
from kinoloop.sample.topics import Topic

PACE = {"tutorial": 0.8, "calm": 0.35, "hype": 1.9, "story": 0.7}
"""How fast a scene's time runs."""


@dataclass(frozen=True)
class Shot:
    """What a clip shows.

    Attributes:
        topic: What it is about.
        style: One of `topics.STYLES`.
        size: (width, height) in pixels, even.
        fps: Frames per second.
        seconds: Length.
        card: Words on the opening card of a tutorial or a story.
    """

    topic: Topic
    style: str
    size: tuple[int, int]
    fps: int
    seconds: float
    card: str


def render_frames(shot: Shot, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Paint a whole clip.

    Returns:
        (n_frames, height, width, 3) uint8 RGB.
    """
    canvas = Canvas(shot.topic, shot.size, rng)
    offset = rng.uniform(0, 3)
    times = np.arange(int(shot.seconds * shot.fps)) / shot.fps
    frames = [paint(shot.topic, canvas, offset + PACE[shot.style] * t) for t in times]
    return np.stack([_look(frame, shot, float(t)) for frame, t in zip(frames, times, strict=True)])


def _look(frame: NDArray[np.uint8], shot: Shot, t: float) -> NDArray[np.uint8]:
    pixels = frame.astype(np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    if shot.style == "calm":
        pixels = 0.55 * pixels + 0.25 * grey + 50
    elif shot.style == "hype":
        flash = 24 * (np.sin(12 * t) > 0.6)
        pixels = 1.35 * (pixels - grey) + 1.1 * grey + flash
    elif shot.style == "story":
        pixels = grey * np.array([1.0, 0.86, 0.64], dtype=np.float32)
        bar = frame.shape[0] // 9
        pixels[:bar] = pixels[-bar:] = 0
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if shot.style == "tutorial":
        _lower_third(image, shot.card)
    elif shot.style == "story" and t < 1.0:
        _title_card(image, shot.card)
    return np.array(image)


def _lower_third(image: Image.Image, words: str) -> None:
    draw = ImageDraw.Draw(image)
    top = image.height - 34
    draw.rectangle((0, top, image.width, image.height), fill=(245, 245, 245))
    text = "\n".join(textwrap.wrap(words, image.width // 7)[:2])
    draw.multiline_text((4, top + 2), text, fill=(20, 20, 20), font=ImageFont.load_default(12))


def _title_card(image: Image.Image, words: str) -> None:
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, image.width, image.height), fill=(24, 20, 14))
    text = "\n".join(textwrap.wrap(words, image.width // 8)[:4])
    draw.multiline_text(
        (8, image.height // 3), text, fill=(236, 220, 180), font=ImageFont.load_default(14)
    )
