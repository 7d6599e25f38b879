"""Answers of a service that explores, as ingest leaves them, with a truth that is known."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from kinoloop.data.ids import IdMap
from kinoloop.data.tables import Tables
from kinoloop.release.slate import Recommendation, Slate
from kinoloop.schema import EVENTS
from serving.exploring import Draw, explored
from tests.flows.toy_tables import write_toy_tables

PLACES = 4
DAYS = 5


def pleases(users: np.ndarray, videos: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Chance of a like: users with an even number like even videos, and look at the top first."""
    return np.where(users % 2 == videos % 2, 0.7, 0.1) / (1 + 0.25 * places)


def number(user_id: str) -> int:
    """Of a user of the toy tables, such as u007-0."""
    return int(user_id.split("-")[0].lstrip("u"))


def write_logged_tables(
    data_dir: Path, *, users: int = 400, answers: int = 4000, seed: int = 0
) -> None:
    """Write the toy tables, and answers of the days after with what came of them."""
    write_toy_tables(data_dir, users=users)
    tables, rng = Tables(data_dir), np.random.default_rng(seed)
    events = tables.scan("events").collect()
    names, end = sorted(events["user_id"].unique()), events["timestamp"].max()
    ids = IdMap(sorted(tables.scan("videos").collect()["video_id"]))
    rows = []
    for at in range(answers):
        user = names[int(rng.integers(len(names)))]
        order = rng.permutation(len(ids))
        ranked = [Recommendation(ids.ids[video], 1.0, "", "") for video in order.tolist()]
        best = Slate(ranked[:PLACES])
        best.more = True
        draw = Draw(1.0, len(ids), int(rng.integers(2**60)), 30.0)
        shown = explored(best, draw, lambda _, n, ranked=ranked: Slate(ranked[PLACES:][:n]))
        moment = end + timedelta(seconds=60 + float(rng.random()) * DAYS * 86_400)
        videos = ids.indices([place.video_id for place in shown])
        liked = rng.random(PLACES) < pleases(
            np.full(PLACES, number(user)), videos, np.arange(PLACES)
        )
        for place, propensity in enumerate(shown.propensities):
            row = {
                "user_id": user, "video_id": shown[place].video_id, "timestamp": moment,
                "event": "impression", "event_id": f"r{at}:{place}", "date": moment.date(),
                "request_id": f"r{at}", "position": place, "propensity": propensity,
                "policy": "explore:1:40:softmax:30", "surface": "home",
                "rules": "" if shown[place] == best[place] else "explore",
            }  # fmt: skip
            rows.append(row)
            if liked[place]:
                later = moment + timedelta(seconds=2)
                named = {"request_id": f"r{at}"} if at % 2 else {}
                keep = {name: row[name] for name in ("user_id", "video_id", "surface")}
                rows.append(
                    {**keep, **named, "timestamp": later, "event": "like", "date": later.date(),
                     "event_id": f"like-{at}-{place}"}
                )  # fmt: skip
    full = [{column: row.get(column) for column in EVENTS} for row in rows]
    pl.DataFrame(full, schema=EVENTS).write_delta(str(data_dir / "events"), mode="append")
