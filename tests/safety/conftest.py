"""A small catalogue for screening: words only, and pictures as their product leaves them."""

from datetime import UTC, datetime

import deltalake
import polars as pl
import pytest

from kinoloop.data.tables import Tables
from kinoloop.schema import TABLES

HARMFUL = {
    "porn": "watch uncensored porn for free",
    "suicide": "I want to kill myself, tonight is my last night",
}
HARMLESS = {
    "unix": "how to kill a process in Linux",
    "knife": "sharpening a kitchen knife on a whetstone",
    "town": "a walk through Scunthorpe and Penistone",
    "stars": "shooting stars over the desert, time-lapse",
}


class World:
    """Tables that a test fills row by row."""

    def __init__(self, root):
        self.tables = Tables(root)

    def add(self, table, *rows):
        schema = TABLES[table]
        full = [{column: row.get(column) for column in schema} for row in rows]
        frame = pl.DataFrame(full, schema=schema)
        path = str(self.tables.path(table))
        deltalake.write_deltalake(path, frame, mode="append")

    def say(self, video_id, title, **more):
        self.add("videos", {"video_id": video_id, "title": title, **more})

    def hear(self, video_id, cues):
        said = [{"start_s": at, "end_s": at + 2.0, "text": text} for at, text in cues]
        words = " ".join(text for _, text in cues)
        now = datetime.now(UTC)
        self.add("media", {"video_id": video_id, "words": words, "cues": said, "extracted_at": now})

    def see(self, video_id, scores):
        times = [float(i) for i in range(len(scores))]
        row = {"video_id": video_id, "scores": scores, "times_s": times}
        self.add("picture_harm", {**row, "extracted_at": datetime.now(UTC)})

    def comment(self, video_id, *texts):
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        rows = [
            {"video_id": video_id, "event": "comment", "text": text, "timestamp": moment,
             "event_id": f"{video_id}-{i}", "date": moment.date()}
            for i, text in enumerate(texts)
        ]  # fmt: skip
        self.add("events", *rows)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path / "data")
