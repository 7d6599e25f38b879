"""A tiny catalogue with creators, series and free columns, and slates made of given scores."""

import json
from dataclasses import replace

import numpy as np
import polars as pl

from kinoloop.data.fusion import FusionConfig
from kinoloop.data.histories import Histories, Interaction
from kinoloop.models.top_k import best
from kinoloop.policy.config import RulesConfig
from kinoloop.policy.filters import VideoFilters
from kinoloop.policy.head import Context
from kinoloop.policy.policy import Best, Policy
from kinoloop.testing.toy import START_US, toy_catalogue

NOW = START_US + 365 * 86_400_000_000


def catalogue(n=40, *, creators=None, extra=None, **columns):
    made = toy_catalogue(n)
    columns = {name: pl.Series(values) for name, values in columns.items()}
    if creators is not None:
        columns["creator_id"] = pl.Series([*creators], dtype=pl.String)
    if extra is not None:
        columns["extra"] = pl.Series([json.dumps(row) if row else None for row in extra])
    return replace(made, videos=made.videos.with_columns(**columns))


def falling(n, *, best_of=()):
    """Scores that fall from the first video on, but for some that come before."""
    scores = np.linspace(1, 0, n, dtype=np.float32)
    scores[list(best_of)] += 2
    return scores


def policy(videos, **rules):
    return Policy(RulesConfig(**rules), videos, VideoFilters(videos.videos), FusionConfig())


def slate(videos, scores, *, top_k=5, history=(), met=(), surface=None, moment=NOW, **rules):
    made, scores = policy(videos, **rules), scores.copy()
    row = Histories.from_rows([[Interaction(*event) for event in history]])
    context = Context(moment, top_k, row, np.array(met, dtype=np.int32), surface)
    for left in made.leaves(context).values():
        scores[left] = -np.inf
    top = best(scores, made.candidates(top_k))
    found = made.arrange(Best(top, scores[top]), scores, context)
    assert len(set(found.videos.tolist())) == len(found.videos)
    return found.videos[:top_k].tolist()
