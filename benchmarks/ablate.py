"""What each part of the sequence recommender is worth: validation NDCG@10 without it.

    python -m benchmarks.ablate DATA_DIR [--users 10000] [--epochs 5] [--only base "no words"]

Leave-one-out on the first users: fitted on all but the last two videos of interest, measured on the
second last one of at most 5,000 rows, which is what defaults may be chosen by; the last ones are
not looked at. No early stopping. `no time gap` tells the recommender that all happened at once;
`document mask` packs the same rows and hides other rows by a mask, to say what the blocks save.

Needs: a directory with the Delta tables of an ingest (DATA_DIR)
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from kinoloop.data.catalogue import Catalogue, load_catalogue
from kinoloop.data.histories import Histories
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.tables import Tables
from kinoloop.evaluation.split import leave_one_out
from kinoloop.models.base import build
from kinoloop.models.transformer import attention

VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "no match": {"match_weight": 0.0},
    "no words": {"words": 0, "match_weight": 0.0},
    "no dense vectors": {"modalities": False},
    "ids only": {"modalities": False, "words": 0, "match_weight": 0.0},
    "content only": {"id_dropout": 1.0},
    "id dropout 0": {"id_dropout": 0.0},
    "id dropout 0.4": {"id_dropout": 0.4},
    "no time gap": {"gaps": False},
    "full softmax": {"loss": "softmax"},
    "gbce": {"loss": "gbce"},
    "bce": {"loss": "bce"},
    "128 negatives": {"negatives": 128},
    "document mask": {"mask": True},
}


def main() -> None:
    """Fit and measure each variant."""
    parser = argparse.ArgumentParser(description="Ablations of the sequence recommender.")
    parser.add_argument("data", type=Path, help="directory with the Delta tables")
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--length", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--set", default="{}", help="settings of all variants, as JSON")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    tables = Tables(arguments.data)
    catalogue = load_catalogue(tables)
    histories = load_histories(tables, catalogue.ids, InterestConfig(rating_liked_from=0))
    split = leave_one_out(histories.rows(slice(arguments.users)))
    shared = {"kind": "sequence", "epochs": arguments.epochs, "length": arguments.length}
    shared |= {"match_weight": 2.0, **json.loads(arguments.set)}
    for name in arguments.only:
        settings = {**shared, **VARIANTS[name]}
        videos, train, validation = catalogue, split.train, split.validation
        if not settings.pop("modalities", True):
            videos = Catalogue(catalogue.ids, catalogue.published_at, catalogue.videos)
        if not settings.pop("gaps", True):
            train = _at_once(train)
            validation = replace(validation, histories=_at_once(validation.histories))
        masked = settings.pop("mask", False)
        AttentionInterface.register(
            attention.NAME, masked_attention if masked else attention.packed_attention
        )
        moments: list[float] = []
        model = build(settings, seed=arguments.seed)
        model.fit(train, videos, report=_clock(moments))
        seconds = float(np.diff(moments).min()) if len(moments) > 1 else float("nan")
        found = validation.ndcg(model.score)
        print(f"{name}: NDCG@10 {found:.4f}, {seconds:.1f} CPU s per epoch", flush=True)


def masked_attention(
    module: torch.nn.Module,  # noqa: ARG001 (the attention interface's)
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001 (the attention interface's; the runs say it all)
    *,
    runs: attention.Runs,
    scaling: float | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Compute the same as `packed_attention`, by one mask over the whole row."""
    lengths = np.repeat([length for _, length in runs], [count for count, _ in runs])
    window = torch.repeat_interleave(torch.arange(len(lengths)), torch.from_numpy(lengths))
    place = torch.arange(len(window))
    seen = (window[:, None] == window) & (place[:, None] >= place)
    found = scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=scaling)
    return found.transpose(1, 2), None


def _at_once(histories: Histories) -> Histories:
    return replace(histories, timestamps=np.zeros_like(histories.timestamps))


def _clock(moments: list[float]) -> Callable[[str, float, int], None]:
    def report(name: str, value: float, step: int) -> None:  # noqa: ARG001 (a Report; only when it comes counts)
        moments.append(time.process_time())

    return report


if __name__ == "__main__":
    main()
