"""Labels that are measured and not guessed: light, colour, motion, loudness, rhythm.

They rest on the numbers that the classical descriptors hold (`visual_measures` and `audio_measures`
give them back from a stored vector), so they say how a video looks and sounds and never what is in
it. What they say of emotion is a hint (slow and soft is calm, fast and loud is energetic) and never
counts for more than `HINT`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Measures = dict[str, Floats]

HINT = 0.6
"""Largest score of a hint about emotion."""


@dataclass(frozen=True)
class LabelRule:
    """A label and the measurements that speak for it.

    Attributes:
        facet: Of the label.
        label: Its name.
        modality: Whose descriptor is read, `visual` or `audio`.
        evidence: What the score rests on, for people.
        spread: From measurements to (n,) how far beyond the threshold, in spreads; 0 scores 0.5.
        limit: Largest score.
    """

    facet: str
    label: str
    modality: str
    evidence: str
    spread: Callable[[Measures], Floats]
    limit: float = 1.0

    def score(self, measures: Measures) -> Floats:
        """Probability-like score of each video, (n,) float32."""
        beyond = np.clip(self.spread(measures), -20, 20)
        scores: Floats = (self.limit / (1 + np.exp(-3 * beyond))).astype(np.float32)
        return scores


def _above(name: str, threshold: float, spread: float) -> Callable[[Measures], Floats]:
    return lambda m: (m[name] - np.float32(threshold)) / np.float32(spread)


def _below(name: str, threshold: float, spread: float) -> Callable[[Measures], Floats]:
    return lambda m: (np.float32(threshold) - m[name]) / np.float32(spread)


def _all(*parts: Callable[[Measures], Floats]) -> Callable[[Measures], Floats]:
    return lambda m: np.min([part(m) for part in parts], axis=0)


RULES = (
    LabelRule("style", "dark", "visual", "light", _below("light", 0.22, 0.06)),
    LabelRule("style", "bright", "visual", "light", _above("light", 0.62, 0.06)),
    LabelRule("style", "colourful", "visual", "colourfulness", _above("colourfulness", 0.26, 0.05)),
    LabelRule("style", "black and white", "visual", "colour", _below("colourfulness", 0.02, 0.01)),
    LabelRule("style", "warm colours", "visual", "red against blue", _above("warmth", 0.16, 0.05)),
    LabelRule("style", "cool colours", "visual", "red against blue", _below("warmth", -0.08, 0.04)),
    LabelRule("style", "still picture", "visual", "change", _below("change", 0.02, 0.01)),
    LabelRule("style", "much motion", "visual", "change", _above("change", 0.16, 0.04)),
    LabelRule("style", "loud", "audio", "loudness", _above("decibels", -18, 3)),
    LabelRule("style", "quiet", "audio", "loudness", _below("decibels", -46, 4)),
    LabelRule("style", "steady beat", "audio", "pulse", _above("pulse", 0.38, 0.08)),
    LabelRule("style", "noise-like sound", "audio", "flatness", _above("flatness", 0.34, 0.06)),
    LabelRule("emotion", "calm", "visual", "little change", _below("change", 0.035, 0.012), HINT),
    LabelRule("emotion", "energetic", "visual", "much change", _above("change", 0.19, 0.04), HINT),
    LabelRule("emotion", "calm", "audio", "soft, without a beat",
         _all(_below("decibels", -40, 5), _below("pulse", 0.2, 0.08)), HINT),
    LabelRule("emotion", "energetic", "audio", "loud, with a beat",
         _all(_above("decibels", -22, 4), _above("pulse", 0.3, 0.08)), HINT),
)  # fmt: skip
"""Thresholds lie about one spread off the usual value of 25 to 42 real clips, which the descriptors
also take their scales from."""
