"""What each topic looks like: one small procedural scene per topic.

A scene is painted frame by frame with Pillow on a canvas of the clip's size; `looks.py` gives it
the style. Coordinates are fractions of the canvas, so that vertical clips work too.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from kinoloop.sample.topics import Colour, Topic

Painter = Callable[["Canvas", float], None]


class Canvas:
    """One canvas with a topic's palette and a clip's own randomness.

    Args:
        topic: Whose palette is used.
        size: (width, height) in pixels.
        rng: Source of all that varies between clips.
    """

    def __init__(self, topic: Topic, size: tuple[int, int], rng: np.random.Generator) -> None:
        self.width, self.height = size
        shift = rng.integers(-18, 19, size=3)
        self.palette: list[Colour] = [_tint(colour, shift) for colour in topic.palette]
        self.dice: NDArray[np.float64] = rng.random((80, 4))
        self.grid: NDArray[np.bool_] = rng.random((24, 32)) < 0.3
        self.image = Image.new("RGB", size)
        self.draw = ImageDraw.Draw(self.image)

    def clear(self, colour: int = 0) -> None:
        """Fill the canvas with a colour of the palette."""
        self.box(0, 0, 1, 1, self.palette[colour])

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Draw a disc; the radius is a fraction of the shorter side."""
        r, cx, cy = radius * min(self.width, self.height), x * self.width, y * self.height
        self.draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=colour)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Draw a filled rectangle."""
        left, top = x * self.width, y * self.height
        right, bottom = left + width * self.width, top + height * self.height
        self.draw.rectangle((left, top, max(left, right), max(top, bottom)), fill=colour)

    def line(self, points: NDArray[np.float64], colour: Colour, width: int = 1) -> None:
        """Draw a polyline through (n, 2) points."""
        scaled = points * np.array([self.width, self.height])
        self.draw.line([(float(x), float(y)) for x, y in scaled], fill=colour, width=width)

    def hill(self, heights: NDArray[np.float64], colour: Colour) -> None:
        """Everything below a curve of heights (n,), spread over the width."""
        xs = np.linspace(0, self.width, len(heights))
        top = [(float(x), float(h) * self.height) for x, h in zip(xs, heights, strict=True)]
        self.draw.polygon([*top, (self.width, self.height), (0, self.height)], fill=colour)


def paint(topic: Topic, canvas: Canvas, t: float) -> NDArray[np.uint8]:
    """Paint one frame.

    Args:
        topic: Whose scene is painted.
        canvas: The clip's canvas.
        t: Time in the clip, seconds.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    SCENES[topic.name](canvas, t)
    return np.array(canvas.image)


def _tint(colour: Colour, shift: NDArray[np.int64]) -> Colour:
    red, green, blue = (int(np.clip(c + s, 0, 255)) for c, s in zip(colour, shift, strict=True))
    return red, green, blue


def _cooking(canvas: Canvas, t: float) -> None:
    """Draw a pan from above in which things bubble."""
    canvas.clear()
    canvas.disc(0.5, 0.5, 0.46, (30, 28, 28))
    canvas.disc(0.5, 0.5, 0.4, canvas.palette[1])
    for a, r, phase, size in canvas.dice[:34]:
        age = (t * 0.6 + phase) % 1
        x = 0.5 + 0.33 * r * np.cos(6.28 * a + 0.3 * t) * canvas.height / canvas.width
        y = 0.5 + 0.33 * r * np.sin(6.28 * a + 0.3 * t)
        canvas.disc(x, y, (0.015 + 0.05 * size) * age, canvas.palette[2 if phase < 0.7 else 3])


def _gardening(canvas: Canvas, t: float) -> None:
    """Stems that grow and put out leaves and flowers."""
    canvas.clear()
    canvas.box(0, 0.88, 1, 0.12, (92, 64, 40))
    for x, tall, lean, bloom in canvas.dice[:7]:
        grown = min(1.0, 0.25 + 0.22 * t) * (0.35 + 0.5 * tall)
        s = np.linspace(0, 1, 12)
        sway = 0.03 * np.sin(1.6 * t + 6 * lean)
        path = np.stack([x + (lean - 0.5) * 0.25 * s**2 + sway * s, 0.9 - grown * s], axis=1)
        canvas.line(path, canvas.palette[2], width=3)
        for i, (px, py) in enumerate(path[2::2]):
            canvas.disc(px + 0.025 * (-1) ** i, py, 0.035, canvas.palette[1])
        canvas.disc(float(path[-1, 0]), float(path[-1, 1]), 0.02 + 0.05 * bloom, canvas.palette[3])


def _trains(canvas: Canvas, t: float) -> None:
    """Hills and houses pass by; a train with lit windows rolls through."""
    canvas.clear()
    xs = np.linspace(0, 6.28, 40)
    canvas.hill(0.5 + 0.08 * np.sin(xs + 0.4 * t + 6 * canvas.dice[0, 0]), (88, 118, 98))
    for x, tall, _, _ in canvas.dice[:9]:
        canvas.box((x * 1.4 - 0.25 * t) % 1.4 - 0.2, 0.6 - 0.2 * tall, 0.1, 0.5, canvas.palette[1])
    start = (0.5 * t + canvas.dice[10, 0]) % 1.6 - 0.8
    for wagon in range(4):
        left = start + 0.3 * wagon
        canvas.box(left, 0.66, 0.28, 0.16, canvas.palette[2])
        for window in range(4):
            canvas.box(left + 0.03 + 0.06 * window, 0.69, 0.035, 0.05, canvas.palette[3])
    canvas.box(0, 0.83, 1, 0.03, (50, 50, 50))


def _ocean(canvas: Canvas, t: float) -> None:
    """Layers of waves under a pale sky."""
    canvas.clear()
    canvas.disc(0.2 + 0.6 * canvas.dice[0, 0], 0.2, 0.09, canvas.palette[3])
    xs = np.linspace(0, 1, 48)
    for layer in range(5):
        phase, pace = 6.28 * canvas.dice[layer, 1], 1.0 + canvas.dice[layer, 2]
        swell = 0.05 * np.sin(9 * xs + pace * t + phase) + 0.02 * np.sin(23 * xs - 2 * t)
        mix = layer / 4
        colour = tuple(
            int(a + (b - a) * mix)
            for a, b in zip(canvas.palette[1], canvas.palette[2], strict=True)
        )
        canvas.hill(0.4 + 0.12 * layer + swell, (colour[0], colour[1], colour[2]))


def _storms(canvas: Canvas, t: float) -> None:
    """Rain streaks below clouds, and now and then a flash."""
    flash = np.sin(2.1 * t + 6.28 * canvas.dice[0, 0]) > 0.96
    canvas.clear(2 if flash else 0)
    for x, y, _, size in canvas.dice[:12]:
        canvas.disc((x + 0.03 * t) % 1.2 - 0.1, 0.2 * y, 0.12 + 0.1 * size, canvas.palette[1])
    for x, y, fall, _ in canvas.dice:
        top = (y + (1.2 + fall) * t) % 1.2 - 0.1
        left = (x - 0.1 * top) % 1
        canvas.line(np.array([[left, top], [left - 0.01, top + 0.07]]), canvas.palette[2])
    if flash:
        fork = np.cumsum(canvas.dice[20:28, :2] * np.array([0.16, 0.16]) - [0.08, 0.0], axis=0)
        canvas.line(fork + np.array([0.5, 0.1]), canvas.palette[3], width=3)


def _football(canvas: Canvas, t: float) -> None:
    """Draw a striped pitch with lines, two teams and a ball in flight."""
    canvas.clear()
    for stripe in range(0, 8, 2):
        canvas.box(stripe / 8, 0, 1 / 8, 1, canvas.palette[1])
    canvas.box(0.495, 0, 0.01, 1, canvas.palette[2])
    canvas.disc(0.5, 0.5, 0.2, canvas.palette[2])
    canvas.disc(0.5, 0.5, 0.185, canvas.palette[0])
    for i, (x, y, dx, dy) in enumerate(canvas.dice[:14]):
        team = canvas.palette[3] if i % 2 else (40, 70, 200)
        px, py = x + 0.12 * np.sin(t + 6 * dx), y + 0.12 * np.cos(t + 6 * dy)
        canvas.disc(px, py, 0.035, team)
    bounce = abs(np.sin(2.2 * t + canvas.dice[20, 0]))
    canvas.disc((0.3 * t + canvas.dice[20, 1]) % 1, 0.8 - 0.5 * bounce, 0.03, (255, 255, 255))


def _space(canvas: Canvas, t: float) -> None:
    """Stars that fly by and a planet with a ring."""
    canvas.clear()
    for angle, depth, phase, bright in canvas.dice:
        r = ((phase + 0.12 * t * (0.5 + depth)) % 1) ** 2 * 0.8
        level = int(90 + 165 * bright)
        x, y = 0.5 + r * np.cos(6.28 * angle), 0.5 + r * np.sin(6.28 * angle)
        canvas.disc(x, y, 0.004 + 0.008 * r, (level, level, 255))
    x, y = 0.25 + 0.5 * canvas.dice[0, 0] + 0.02 * t, 0.3 + 0.3 * canvas.dice[1, 0]
    canvas.disc(x, y, 0.16, canvas.palette[1])
    canvas.disc(x - 0.02, y - 0.02, 0.13, canvas.palette[2])
    angles = np.linspace(0, 6.28, 40)
    ring = np.stack([x + 0.24 * np.cos(angles), y + 0.06 * np.sin(angles)], axis=1)
    canvas.line(ring, canvas.palette[3], width=2)


def _maths(canvas: Canvas, t: float) -> None:
    """Draw a curve that draws itself on squared paper."""
    canvas.clear()
    for i in range(1, 12):
        canvas.line(np.array([[i / 12, 0], [i / 12, 1]]), canvas.palette[1])
        canvas.line(np.array([[0, i / 12], [1, i / 12]]), canvas.palette[1])
    p, q = 1 + int(canvas.dice[0, 0] * 4), 2 + int(canvas.dice[0, 1] * 5)
    s = np.linspace(0, 6.28 * min(1.0, 0.15 + 0.28 * t), 160)
    x = 0.5 + 0.4 * np.sin(p * s + canvas.dice[1, 0] * 3)
    canvas.line(np.stack([x, 0.5 + 0.38 * np.sin(q * s)], axis=1), canvas.palette[2], width=2)
    canvas.disc(float(x[-1]), 0.5 + 0.38 * float(np.sin(q * s[-1])), 0.03, canvas.palette[3])


def _chess(canvas: Canvas, t: float) -> None:
    """Draw a board on which pieces hop from square to square."""
    for row in range(6):
        for column in range(8):
            dark = (row + column) % 2
            canvas.box(column / 8, row / 6, 1 / 8, 1 / 6, canvas.palette[dark])
    for i, (x, y, phase, _) in enumerate(canvas.dice[:11]):
        moves = int(0.7 * t + phase * 3)
        column, row = (int(x * 8) + moves * (i % 3)) % 8, (int(y * 6) + moves) % 6
        cx, cy = (column + 0.5) / 8, (row + 0.5) / 6
        white = i % 2 == 0
        canvas.disc(cx, cy, 0.06, (250, 250, 240) if white else canvas.palette[2])
        canvas.disc(cx, cy, 0.025, canvas.palette[3])


def _dance(canvas: Canvas, t: float) -> None:
    """Equaliser bars that jump on the beat under a strobing disc."""
    canvas.clear()
    pulse = np.exp(-((t * 2.1) % 1) * 4)
    canvas.disc(0.5, 0.35, 0.12 + 0.14 * float(pulse), canvas.palette[2])
    for i in range(14):
        a, b, c, _ = canvas.dice[i]
        level = 0.1 + 0.5 * abs(np.sin((3 + 4 * a) * t + 6 * b)) * (0.4 + 0.6 * pulse)
        colour = canvas.palette[1] if c < 0.6 else canvas.palette[3]
        canvas.box(i / 14 + 0.008, 1 - level, 0.055, level, colour)


def _piano(canvas: Canvas, t: float) -> None:
    """Draw notes that fall onto a keyboard."""
    canvas.clear()
    for x, y, length, hand in canvas.dice[:40]:
        column = int(x * 14)
        top = (y * 2 + 0.45 * t) % 2 - 0.9
        tall = 0.06 + 0.12 * length
        canvas.box(column / 14 + 0.01, top, 0.05, tall, canvas.palette[2 if hand < 0.6 else 3])
    for key in range(14):
        canvas.box(key / 14, 0.78, 1 / 14 - 0.006, 0.22, canvas.palette[1])
        if key % 7 not in {2, 6}:
            canvas.box(key / 14 + 0.045, 0.78, 0.045, 0.13, (10, 10, 10))


def _arcade(canvas: Canvas, t: float) -> None:
    """Conway's Life in coarse pixels, with a score bar."""
    canvas.clear()
    cells = canvas.grid
    for _ in range(int(t * 6)):
        around = sum(
            np.roll(cells, (dy, dx), (0, 1)).astype(int)
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            if dx or dy
        )
        cells = (around == 3) | (cells & (around == 2))
    rows, columns = cells.shape
    for row, column in np.argwhere(cells):
        colour = canvas.palette[1 + (row // 5 + column // 7) % 3]
        canvas.box(column / columns, row / rows, 0.8 / columns, 0.8 / rows, colour)
    canvas.box(0, 0, min(1.0, 0.1 + 0.2 * t), 0.05, canvas.palette[3])


SCENES: dict[str, Painter] = {
    "cooking": _cooking,
    "gardening": _gardening,
    "trains": _trains,
    "ocean": _ocean,
    "storms": _storms,
    "football": _football,
    "space": _space,
    "maths": _maths,
    "chess": _chess,
    "dance": _dance,
    "piano": _piano,
    "arcade": _arcade,
}
