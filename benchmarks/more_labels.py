"""Whether self-training and augmented texts make more of the same answers.

    python -m benchmarks.more_labels            the sample's styles and topics, known by design
    python -m benchmarks.more_labels FOLDER     genres of MovieLens (folder with u.item), by title

Heads as of `kinoloop.semantics.answered_heads` learn from 40 and 100 random answers; F1 on a
fifth of the videos that is held out. Self-training adds the rest of the videos of which the head
is surest (a tenth of them, in the shares of the answers) and learns again; augmented texts are
two copies of each answered text with three words in ten left out. Mean over labels and seeds 0 to
2, and an interval (95 %, bootstrap over pairs of label and seed) of the difference to the plain
head.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from benchmarks.active_labels import SEEDS, Floats, Truth, movielens, sample
from kinoloop.encoders import base as encoders
from kinoloop.encoders.base import TextEncoder
from kinoloop.semantics.answered_heads import fit_head

SIZES = (40, 100)
DROPPED, COPIES = 0.3, 2
SUREST = 0.1


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    options = parser.parse_args()
    encoder = encoders.build({"kind": "minilm"})
    assert isinstance(encoder, TextEncoder)
    texts, labels = movielens(options.folder) if options.folder else sample()
    vectors = encoder.encode_documents(texts)
    rng = np.random.default_rng(0)
    shorter = [_without_words(text, rng) for _ in range(COPIES) for text in texts]
    copies = encoder.encode_documents(shorter).reshape(COPIES, len(texts), -1)
    print(f"{len(texts)} videos; labels {', '.join(labels)}; seeds {SEEDS}")
    for size in SIZES:
        found = np.array(
            [
                _f1s(vectors, copies, truth, size, seed)
                for truth in labels.values()
                for seed in SEEDS
            ]
        )
        print(f"{size} answers: plain {found[:, 0].mean():.3f}", end="")
        for name, column in (("self-trained", found[:, 1]), ("augmented", found[:, 2])):
            apart = column - found[:, 0]
            drawn = [rng.choice(apart, len(apart)).mean() for _ in range(2000)]
            low, high = np.quantile(drawn, [0.025, 0.975])
            print(f"; {name} {apart.mean():+.3f} ({low:+.3f} to {high:+.3f})", end="")
        print()


def _f1s(vectors: Floats, copies: Floats, truth: Truth, size: int, seed: int) -> list[float]:
    order = np.random.default_rng(seed).permutation(len(vectors))
    test, pool = order[: len(order) // 5], order[len(order) // 5 :]
    asked, rest = pool[:size], pool[size:]
    right = truth[asked]
    if min(right.sum(), (~right).sum()) < 2:
        return [0.0, 0.0, 0.0]

    def f1(x: Floats, y: Truth) -> tuple[float, Floats]:
        head = fit_head("it", x, y)[0]
        said = head.score(vectors)[:, 0]
        return float(f1_score(truth[test], said[test] >= 0.5, zero_division=0)), said

    plain, said = f1(vectors[asked], right)
    sure = _surest(said[rest], right.mean())
    taught = np.concatenate([asked, rest[sure >= 0]])
    own, _ = f1(vectors[taught], np.concatenate([right, sure[sure >= 0] == 1]))
    more = np.concatenate([vectors[asked], *copies[:, asked]])
    longer, _ = f1(more, np.tile(right, COPIES + 1))
    return [plain, own, longer]


def _surest(scores: Floats, share: float) -> NDArray[np.int8]:
    """1 and 0 for the surest, −1 for all others."""
    wanted = int(SUREST * len(scores))
    order = np.argsort(scores)
    found = np.full(len(scores), -1, dtype=np.int8)
    found[order[: round(wanted * (1 - share))]] = 0
    found[order[len(order) - max(round(wanted * share), 1) :]] = 1
    return found


def _without_words(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    kept = [word for word in words if rng.random() >= DROPPED]
    return " ".join(kept or words)


if __name__ == "__main__":
    main()
