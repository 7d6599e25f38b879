from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from kinoloop.data.tables import Tables
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.inventory import Roots
from kinoloop.extraction.run import extract
from kinoloop.media.process import GuardConfig
from kinoloop.schema import VIDEOS
from kinoloop.testing.clips import bar_clip
from tests.encoders import tiny_models

START = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """A data directory, a landing zone with clips, and settings with a tiny text model."""

    def __init__(self, root, model):
        self.root, self.landing = root, root / "landing"
        self.landing.mkdir()
        self.tables = Tables(root / "data")
        self.config = ExtractConfig(
            shard_videos=2,
            encoders=(
                {"kind": "hf_text", "model": str(model), "max_tokens": 32},
                {"kind": "classical_visual"},
                {"kind": "classical_audio"},
            ),
            guard=GuardConfig(workers=1),
        )

    def put(self, **videos):
        """Add or replace videos: title, or title with media and subtitles."""
        rows = []
        for i, (video_id, video) in enumerate(videos.items()):
            given = (video,) if isinstance(video, str) else video
            title, media, subtitles = (*given, None, None)[:3]
            rows.append(
                {
                    "video_id": video_id,
                    "title": title,
                    "media": media,
                    "subtitles": subtitles,
                    "published_at": START + timedelta(hours=i),
                }
            )
        kept = self.tables.scan("videos").filter(~pl.col("video_id").is_in(list(videos))).collect()
        fresh = pl.DataFrame(rows, schema=VIDEOS)
        pl.concat([kept, fresh]).write_delta(str(self.tables.path("videos")), mode="overwrite")

    def clip(self, name, **options):
        bar_clip(self.landing / name, **{"seconds": 0.4, **options})
        return name

    def extract(self, *, retry=False, progress=None, **options):
        config = self.config.model_copy(update=options)
        roots = Roots((self.landing, self.root / "data"), access=config.access)
        state_dir = self.root / "state"
        return extract(
            self.tables, config, roots=roots, state_dir=state_dir, retry=retry, progress=progress
        )

    def rows(self, name):
        return self.tables.scan(name).collect()

    def media(self):
        return {row["video_id"]: row for row in self.rows("media").to_dicts()}

    def features(self):
        """(video, modality) → row; fails where there are two."""
        rows = self.rows("features").to_dicts()
        keyed = {(row["video_id"], row["modality"]): row for row in rows}
        assert len(keyed) == len(rows), "a feature is there twice"
        return keyed


@pytest.fixture(scope="session")
def tiny_text_model(tmp_path_factory):
    return tiny_models.text(tmp_path_factory.mktemp("model"))


@pytest.fixture
def world(tmp_path, tiny_text_model):
    return World(tmp_path, tiny_text_model)
