from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from kinoloop.data.tables import Tables
from kinoloop.duplicates.config import DuplicatesConfig
from kinoloop.duplicates.update import update_duplicates
from kinoloop.media.decode import decode_media
from kinoloop.schema import FEATURES, MEDIA, VIDEOS
from kinoloop.testing.clips import bar_clip
from kinoloop.testing.variants import VARIANTS, write_variant
from tests.duplicates.test_match import film, noise

CONFIG = DuplicatesConfig()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """A data directory with hashes as decoding leaves them."""

    def __init__(self, root):
        self.tables = Tables(root / "data")
        self.media, self.features, self.titles = {}, {}, {}

    def put(self, video_id, pictures, *, content="1", vector=None, title="A title"):
        self.titles[video_id] = title
        self.media[video_id] = {
            "video_id": video_id,
            "content_hash": content,
            "duration_s": len(pictures) / 2,
            "print_times_s": np.arange(len(pictures)) / 2,
            "picture_print": pictures,
            "sound_print": [],
            "extracted_at": NOW,
        }
        if vector is not None:
            self.features[video_id] = {
                "video_id": video_id,
                "modality": "visual",
                "fingerprint": "look",
                "present": True,
                "vector": vector,
            }

    def update(self, **options):
        self._write(
            "videos", [{"video_id": v, "title": self.titles[v]} for v in self.media], VIDEOS
        )
        self._write("media", self.media.values(), MEDIA)
        self._write("features", self.features.values(), FEATURES)
        return update_duplicates(self.tables, CONFIG, **options)

    def groups(self):
        rows = self.tables.scan("duplicates").collect().iter_rows(named=True)
        return {row["video_id"]: row["group_id"] for row in rows}

    def _write(self, name, rows, schema):
        full = [{column: row.get(column) for column in schema} for row in rows]
        path = str(self.tables.path(name))
        pl.DataFrame(full, schema=schema).write_delta(path, mode="overwrite")


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_copies_are_grouped_and_strangers_are_not(world):
    world.put("a", film(1))
    world.put("b", noise(film(1), 5))
    world.put("c", film(2))
    report = world.update()
    assert (report.videos, report.compared, report.groups, report.grouped) == (3, 3, 1, 2)
    assert world.groups() == {"a": "a", "b": "a", "c": None}


def test_the_same_title_over_other_pictures_is_another_video(world):
    world.put("a", film(1), title="Holiday")
    world.put("b", film(2), title="Holiday")
    assert world.update().groups == 0


def test_near_duplicates_are_listed_from_both_sides_with_how_they_agree(world):
    world.put("whole", film(1))
    world.put("cut", film(1)[6:])
    world.update()
    rows = world.tables.scan("duplicates").collect().sort("video_id")["twins"].to_list()
    (of_cut,), (of_whole,) = rows
    assert (of_cut["video_id"], of_whole["video_id"]) == ("whole", "cut")
    assert of_whole["offset_s"] == -of_cut["offset_s"] == 3.0
    assert of_whole["picture_share"] == 1.0


def test_only_new_and_changed_videos_are_compared(world):
    world.put("a", film(1))
    world.put("b", noise(film(1), 5))
    world.update()
    assert world.update().compared == 0
    world.put("c", noise(film(1), 3))
    assert world.update().compared == 1
    assert world.groups() == dict.fromkeys("abc", "a")


def test_a_changed_video_leaves_its_group(world):
    world.put("a", film(1))
    world.put("b", film(1))
    world.update()
    world.put("b", film(2), content="2")
    assert world.update().compared == 1
    assert world.groups() == {"a": None, "b": None}


def test_a_video_that_is_gone_leaves_its_group(world):
    world.put("a", film(1))
    world.put("b", film(1))
    world.update()
    del world.media["b"]
    report = world.update()
    assert (report.compared, report.groups) == (0, 0)
    assert world.groups() == {"a": None}


def test_vectors_that_are_far_apart_speak_against_it(world):
    world.put("a", film(1), vector=[1.0, 0.0])
    world.put("b", film(1), vector=[0.0, 1.0])
    assert world.update(visual="look").groups == 0
    assert world.update(visual=None).groups == 1


def test_nothing_to_compare_is_fine(world):
    assert world.update().groups == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_real_variants_of_a_clip_are_found_and_another_clip_of_its_kind_is_not(
    variant, tmp_path, world, clips
):
    for name, path in (
        ("clip", clips["fox"]),
        ("other", clips["wolf"]),
        ("again", write_variant(clips["fox"], tmp_path / "again", variant)),
    ):
        found = decode_media(path)
        world.put(name, found.picture_print)
        world.media[name] |= {
            "print_times_s": found.print_times_s,
            "sound_print": found.sound_print,
            "duration_s": found.duration_s,
        }
    world.update()
    assert world.groups() == {"again": "again", "clip": "again", "other": None}


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Two clips of the same topic and style: the sample's own scenes, from other seeds."""
    from kinoloop.sample.clips import write_clip
    from kinoloop.sample.looks import Shot, render_frames
    from kinoloop.sample.topics import STYLES, TOPICS

    folder, made = tmp_path_factory.mktemp("clips"), {}
    for name, seed in (("fox", 1), ("wolf", 2)):
        shot = Shot(TOPICS[3], STYLES[0], (160, 96), 12, 6.0, card=name)
        frames = render_frames(shot, np.random.default_rng(seed))
        write_clip(folder / f"{name}.mp4", frames, fps=12, sound=None, cues=())
        made[name] = folder / f"{name}.mp4"
    made["bar"] = bar_clip(folder / "bar.mp4", seconds=2)
    return made
