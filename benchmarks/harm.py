"""How well words are scored for harm: on written lines that nothing was taught or tuned on.

    python -m benchmarks.harm [TITLES.csv …]

Prints, for the levels of `kinoloop.toml`, precision and recall of "harmful" over
benchmarks/harm_lines.toml, recall by kind, which harmless lines are taken for harmful, and what
share of the titles of real catalogues (a text file or CSV, last column) reaches each level.
"""

import csv
import random
import sys
import tomllib
from pathlib import Path

import numpy as np

from kinoloop.safety.config import USUAL
from kinoloop.safety.words import HARMLESS, WordsHarm, read_lines

HELD_OUT = Path(__file__).with_name("harm_lines.toml")
TITLES = 1_000


def main() -> int:
    """Print the tables."""
    lines = read_lines()
    model = WordsHarm(lines)
    held_out = tomllib.loads(HELD_OUT.read_text(encoding="utf-8"))
    texts = [text for listed in held_out.values() for text in listed]
    kinds = np.array([kind for kind, listed in held_out.items() for _ in listed])
    scores = model.score(texts)
    worst, harmful = scores.max(axis=1), kinds != HARMLESS
    print(
        f"{harmful.sum()} harmful and {(~harmful).sum()} harmless lines, {len(lines.texts)} taught"
    )
    print("| level | from | precision | recall | harmless taken |\n|---|---|---|---|---|")
    for name, level in USUAL.model_dump().items():
        taken = worst >= level
        right = (taken & harmful).sum()
        print(
            f"| {name} | {level} | {right / max(1, taken.sum()):.2f} | {right / harmful.sum():.2f} "
            f"| {(taken & ~harmful).sum()} of {(~harmful).sum()} |"
        )
    print("\n| kind | recall at mark | at wait | as this very kind at mark |\n|---|---|---|---|")
    for column, kind in enumerate(lines.kinds):
        here = kinds == kind
        shares = [(worst[here] >= level).mean() for level in (USUAL.mark, USUAL.wait)]
        own = (scores[here, column] >= USUAL.mark).mean()
        print(f"| {kind} | {shares[0]:.2f} | {shares[1]:.2f} | {own:.2f} |")
    for row in np.flatnonzero((worst >= USUAL.mark) & ~harmful):
        print(f"  harmless, {lines.kinds[scores[row].argmax()]} {worst[row]:.2f}: {texts[row]}")
    for path in map(Path, sys.argv[1:]):
        _titles(model, path)
    return 0


def _titles(model: WordsHarm, path: Path) -> None:
    with path.open(encoding="utf-8") as file:
        rows = [row[-1] for row in csv.reader(file) if row and row[-1].strip()][1:]
    chosen = random.Random(0).sample(rows, min(TITLES, len(rows)))
    worst = model.score(chosen).max(axis=1)
    shares = ", ".join(
        f"{name} {(worst >= level).mean():.2%}" for name, level in USUAL.model_dump().items()
    )
    print(f"{path.name}: of {len(chosen)} titles {shares}")


if __name__ == "__main__":
    sys.exit(main())
