from datetime import datetime
from pathlib import Path

import av
import polars as pl
import pytest

from kinoloop.errors import DataError
from kinoloop.sample import SampleConfig, build_world, write_sample
from kinoloop.sample.write import truncated_video, write_batches
from kinoloop.schema import LANDING_EVENTS, LANDING_VIDEOS

SMALL = SampleConfig(videos=14, users=12, new_videos=3)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    out = tmp_path_factory.mktemp("sample") / "out"
    steps = []
    world = write_sample(out, SMALL, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (14, 14)
    return out, world


def _read(out, batch, kind):
    return pl.concat(pl.read_parquet(p) for p in sorted((out / "batches" / batch / kind).iterdir()))


def test_every_clip_but_the_truncated_one_decodes(sample):
    out, world = sample
    broken = truncated_video(world)
    for video in world.videos:
        path = str(out / "media" / f"{video.video_id}.mp4")
        if video.video_id == broken:
            with pytest.raises(av.error.InvalidDataError):
                av.open(path)
            continue
        with av.open(path) as container:
            assert bool(container.streams.audio) == video.sound
            assert bool(container.streams.subtitles) == (video.subtitles == "embedded")
            assert sum(1 for _ in container.decode(video=0)) == int(video.seconds * video.fps)


def test_batches_are_in_landing_format_and_name_files_that_exist(sample):
    out, _ = sample
    for batch in ("01-history", "02-last-week"):
        videos = _read(out, batch, "videos")
        assert dict(videos.schema) == LANDING_VIDEOS
        assert dict(_read(out, batch, "events").schema) == LANDING_EVENTS
        named = videos["media"].drop_nulls().to_list() + videos["subtitles"].drop_nulls().to_list()
        assert named
        assert all(Path(name).exists() for name in named)


def test_boundary_between_batches_is_the_last_week(sample):
    out, world = sample
    boundary = world.config.at(world.config.history_days)
    assert _read(out, "01-history", "events")["timestamp"].max() < boundary
    assert _read(out, "01-history", "videos")["published_at"].max() < boundary
    fresh = _read(out, "02-last-week", "events").filter(~pl.col("event_id").str.starts_with("bad"))
    assert fresh["timestamp"].min() >= boundary


def test_new_batch_carries_bad_rows_for_quarantine(sample):
    out, world = sample
    events = _read(out, "02-last-week", "events")
    bad = events.filter(pl.col("event_id").str.starts_with("bad"))
    assert len(bad) == 7
    assert bad["user_id"].null_count() == 1
    assert "clicked" in bad["event"].to_list()
    assert len(events) - events["event_id"].n_unique() == 2
    known = {video.video_id for video in world.videos}
    assert len(_read(out, "02-last-week", "videos").filter(~pl.col("video_id").is_in(known))) == 2


def test_same_seed_writes_the_same_tables(sample, tmp_path):
    out, _ = sample
    (tmp_path / "media").mkdir()
    write_batches(tmp_path, build_world(SMALL))
    for batch in ("01-history", "02-last-week"):
        assert _read(tmp_path, batch, "events").equals(_read(out, batch, "events"))


def test_folder_with_content_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(DataError, match="is not empty; name a new folder"):
        write_sample(tmp_path, SMALL)


def test_pinned_sample_lies_in_the_past():
    config = SampleConfig()
    assert config.at(config.days) < datetime.now(config.start.tzinfo)
