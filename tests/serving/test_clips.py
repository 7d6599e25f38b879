import asyncio
import os

import polars as pl
import pytest

from kinoloop.environment import Environment
from kinoloop.errors import MediaError
from kinoloop.extraction.inventory import Roots
from kinoloop.schema import VIDEOS
from serving.clips import Clips, media_type_of
from serving.streams import Stream

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
    with found.file as file:
        assert (file.read(), found.media_type) == (FILM, "video/mp4")


SCOPE = {
    "type": "http",
    "method": "GET",
    "headers": [(b"range", b"bytes=16-")],
    "asgi": {"spec_version": "2.4"},
}


@pytest.mark.parametrize("swapped", ["clips/film.mp4", "clips"])
@pytest.mark.parametrize("scope", [SCOPE, {**SCOPE, "headers": []}])
def test_what_was_checked_is_sent_whatever_its_name_means_by_then(
    clips, landing, tmp_path, swapped, scope
):
    found = clips.find("film", "1")
    swap(landing / swapped, tmp_path)
    told = []

    async def sending(message):
        told.append(message)

    asyncio.run(Stream(found.file, media_type="video/mp4")(scope, None, sending))
    sent = b"".join(message.get("body", b"") for message in told)
    assert sent == (FILM[16:] if scope["headers"] else FILM)
    assert found.file.closed


@pytest.mark.parametrize("swapped", ["clips/film.mp4", "clips"])
def test_a_link_that_is_put_there_after_the_check_is_not_followed(
    clips, landing, tmp_path, monkeypatch, swapped
):
    locate = Roots.locate

    def then_swap(roots, reference):
        place = locate(roots, reference)
        swap(landing / swapped, tmp_path)
        return place

    monkeypatch.setattr(Roots, "locate", then_swap)
    with pytest.raises(MediaError) as refused:
        clips.find("film", "1")
    assert refused.value.reason == "not_allowed"


def swap(name, outside):
    (outside / "film.mp4").write_bytes(bytes(4) + b"ftypisom" + b"secret" * 20)
    name.rename(outside / "away")
    name.symlink_to(outside / "film.mp4" if name.suffix else outside)


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
    clips.find("film", "1").file.close()
    rows = pl.DataFrame([{"video_id": "film", "title": "film", "media": None}], schema=VIDEOS)
    rows.write_delta(str(tmp_path / "data/videos"), mode="overwrite")
    clips.find("film", "1").file.close()
    with pytest.raises(MediaError, match="name no media"):
        clips.find("film", "2")


def test_a_type_is_told_by_the_first_bytes():
    assert media_type_of(b"\x1a\x45\xdf\xa3 webm") == "video/webm"
    assert media_type_of(b"OggS") == "video/ogg"
    assert media_type_of(b"PAR1") is None
    assert media_type_of(b"") is None
