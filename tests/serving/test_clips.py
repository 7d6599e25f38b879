import os

import polars as pl
import pytest

from kinoloop.environment import Environment
from kinoloop.errors import MediaError
from kinoloop.schema import VIDEOS
from serving.clips import Clips, media_type_of

FILM = bytes(4) + b"ftypisom" + bytes(50)


@pytest.fixture
def landing(tmp_path):
    folder = tmp_path / "landing"
    (folder / "clips").mkdir(parents=True)
    (folder / "clips/film.mp4").write_bytes(FILM)
    (folder / "events").mkdir()
    (folder / "events/feedback.mp4").write_text('{"user_id": "anna"}\n')
    (tmp_path / "secret.mp4").write_bytes(FILM)
    os.mkfifo(folder / "clips/pipe.mp4")
    (folder / "clips/link.mp4").symlink_to(tmp_path / "secret.mp4")
    return folder


@pytest.fixture
def clips(tmp_path, landing):
    media = {
        "film": "clips/film.mp4",
        "rows": "events/feedback.mp4",
        "outside": str(tmp_path / "secret.mp4"),
        "climbing": "../secret.mp4",
        "link": "clips/link.mp4",
        "pipe": "clips/pipe.mp4",
        "gone": "clips/gone.mp4",
        "elsewhere": "https://cdn.example.com/film.mp4",
        "words": None,
    }
    rows = [{"video_id": name, "title": name, "media": place} for name, place in media.items()]
    pl.DataFrame(rows, schema=VIDEOS).write_delta(str(tmp_path / "data/videos"))
    return Clips(
        Environment(
            data_dir=tmp_path / "data",
            landing=str(landing),
            state_dir=tmp_path / "state",
            settings_file=tmp_path / "none.toml",
        )
    )


def test_a_film_below_the_landing_zone_is_found(clips, landing):
    found = clips.find("film", "1")
    assert (found.path, found.media_type) == (landing / "clips/film.mp4", "video/mp4")


@pytest.mark.parametrize(
    ("video_id", "reason"),
    [
        ("rows", "not_playable"),  # events carry user ids, whatever their file is called
        ("outside", "not_allowed"),
        ("climbing", "not_allowed"),
        ("link", "not_allowed"),
        ("pipe", "not_a_regular_file"),
        ("gone", "not_found"),
        ("elsewhere", "not_here"),
        ("words", "not_found"),
        ("unknown", "not_found"),
    ],
)
def test_nothing_else_is_opened_for_anybody(clips, video_id, reason):
    with pytest.raises(MediaError) as refused:
        clips.find(video_id, "1")
    assert refused.value.reason == reason


def test_a_row_that_changed_is_seen_with_the_next_catalogue_version(clips, tmp_path):
    clips.find("film", "1")
    rows = pl.DataFrame([{"video_id": "film", "title": "film", "media": None}], schema=VIDEOS)
    rows.write_delta(str(tmp_path / "data/videos"), mode="overwrite")
    assert clips.find("film", "1")
    with pytest.raises(MediaError, match="name no media"):
        clips.find("film", "2")


def test_a_type_is_told_by_the_first_bytes():
    assert media_type_of(b"\x1a\x45\xdf\xa3 webm") == "video/webm"
    assert media_type_of(b"OggS") == "video/ogg"
    assert media_type_of(b"PAR1") is None
    assert media_type_of(b"") is None
