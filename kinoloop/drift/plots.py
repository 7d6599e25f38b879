"""Pictures of a measurement, as SVG that needs nothing from outside.

Drawn with matplotlib's object interface: no global state, no display, safe in threads.
"""

import base64
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from kinoloop.drift.base import Bars, Curves, Plot

BEFORE, NOW, GRID = "#a8b3c2", "#d6483b", "#e6e9ee"
MAX_BARS = 10
LABEL_LENGTH = 16
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # the page's fonts, a tenth of the size
    "svg.hashsalt": "kinoloop",
    "font.size": 10.5,
    "font.family": "DejaVu Sans",
}


def draw(plot: Plot) -> str:
    """Draw an SVG picture as a data address, for the `src` of an image."""
    with mpl.rc_context(STYLE):
        height = 0.34 * min(len(plot.labels), MAX_BARS) + 0.5 if isinstance(plot, Bars) else 2.2
        figure = Figure(figsize=(4.6, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        if isinstance(plot, Bars):
            _bars(axes, plot)
        else:
            _curves(axes, plot)
        for side in ("top", "right", "left" if isinstance(plot, Bars) else "top"):
            axes.spines[side].set_visible(False)
        for side in ("bottom", "left"):
            axes.spines[side].set_color(GRID)
        axes.tick_params(length=0, colors="#4a5563")
        buffer = BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _bars(axes: Axes, plot: Bars) -> None:
    shown = min(len(plot.labels), MAX_BARS)
    place = np.arange(shown)
    axes.barh(place - 0.18, plot.reference[:shown], height=0.34, color=BEFORE)
    axes.barh(place + 0.18, plot.current[:shown], height=0.34, color=NOW)
    axes.set_yticks(place, [_short(label) for label in plot.labels[:shown]])
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.grid(axis="x", color=GRID)
    axes.set_axisbelow(True)


def _curves(axes: Axes, plot: Curves) -> None:
    axes.plot(plot.values, plot.reference, color=BEFORE, linewidth=2)
    axes.plot(plot.values, plot.current, color=NOW, linewidth=2)
    axes.set_xlabel(plot.label, color="#4a5563")
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.grid(color=GRID)


def _short(label: str) -> str:
    return label if len(label) <= LABEL_LENGTH else label[: LABEL_LENGTH - 1] + "…"
