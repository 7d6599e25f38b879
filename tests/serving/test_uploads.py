import json

import pytest

from kinoloop.environment import Environment
from serving import uploads as module
from serving.problems import Problem
from serving.upload_messages import UploadRequest
from serving.uploads import Uploads

NAME = "a" * 16
FILM = bytes(4) + b"ftypisom" + bytes(1000)
SAID = UploadRequest(title=" A film ", tags=["trains"])


@pytest.fixture
def landing(tmp_path):
    return tmp_path / "landing"


@pytest.fixture
def uploads(tmp_path, landing):
    environment = Environment(state_dir=tmp_path / "state", landing=str(landing))
    return Uploads(environment, max_bytes=4000)


def refused(error):
    return pytest.raises(Problem, match=error)


def test_a_clip_in_pieces_is_a_file_and_a_row_of_the_landing_zone(uploads, landing):
    assert uploads.add(NAME, 0, FILM[:100]) == 100
    assert uploads.add(NAME, 0, FILM[:100]) == 100  # sent again: its answer was lost
    assert uploads.add(NAME, 100, FILM[100:]) == len(FILM)
    landed = uploads.finish(NAME, SAID)
    assert (landed.bytes, landed.media_type) == (len(FILM), "video/mp4")
    (row_file,) = (landing / "videos/uploads").iterdir()
    row = json.loads(row_file.read_text())
    assert (row["video_id"], row["title"], row["tags"]) == (landed.video_id, "A film", ["trains"])
    assert (landing / row["media"]).read_bytes() == FILM
    assert uploads.add(NAME, 0, b"") == 0  # nothing is left behind
    assert landed.video_id.startswith("upload-")


def test_the_same_clip_has_the_same_id_unless_one_is_given(uploads):
    found = []
    for said in (SAID, SAID, SAID.model_copy(update={"video_id": "mine/1"})):
        uploads.add(NAME, 0, FILM)
        found.append(uploads.finish(NAME, said).video_id)
    assert found[0] == found[1]
    assert found[2] == "mine/1"


def test_a_hole_is_refused_and_told_where_to_go_on(uploads):
    uploads.add(NAME, 0, FILM[:100])
    with refused("a piece before this one is missing") as told:
        uploads.add(NAME, 500, FILM[500:])
    assert told.value.body["next_step"] == "go on from 100"


def test_what_is_no_film_does_not_land_whatever_it_is_called(uploads, landing):
    uploads.add(NAME, 0, b'{"user_id": "anna"}')
    with refused("is no film"):
        uploads.finish(NAME, SAID)
    assert not landing.exists()
    with refused("there is no such upload"):
        uploads.finish(NAME, SAID)


def test_more_than_a_clip_may_have_is_refused_and_thrown_away(uploads):
    uploads.add(NAME, 0, FILM)
    with refused("the clip is too large"):
        uploads.add(NAME, len(FILM), bytes(4000))
    assert uploads.add(NAME, 0, b"") == 0


@pytest.mark.parametrize("name", ["../../../etc/passwd0", "short", "A" * 16, "a" * 65, ""])
def test_an_id_that_could_be_a_path_is_none(uploads, name):
    with refused("there is no such upload"):
        uploads.add(name, 0, FILM)


def test_only_so_many_are_under_way_and_stale_ones_make_room(uploads, monkeypatch):
    monkeypatch.setattr(module, "STAGED", 1)
    uploads.add(NAME, 0, FILM)
    with refused("1 uploads are under way"):
        uploads.add("b" * 16, 0, FILM)
    monkeypatch.setattr(module, "STALE_S", -1.0)
    assert uploads.add("b" * 16, 0, FILM) == len(FILM)
