import fcntl
import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import polars as pl
import pytest
from fastapi.testclient import TestClient
from starlette.middleware.cors import CORSMiddleware

from kinoloop.environment import Environment
from serving import uploads as module
from serving.problems import Problem
from serving.site import build_site
from serving.startup import cors
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


def finish(uploads, said=SAID):
    return uploads.finish(NAME, said, exists=lambda video_id: video_id == "v1")


def refused(error):
    return pytest.raises(Problem, match=error)


def test_a_clip_in_pieces_is_a_file_and_a_row_of_the_landing_zone(uploads, landing):
    assert uploads.add(NAME, 0, FILM[:100]) == 100
    assert uploads.add(NAME, 0, FILM[:100]) == 100  # sent again: its answer was lost
    assert uploads.add(NAME, 100, FILM[100:]) == len(FILM)
    landed = finish(uploads)
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
        found.append(finish(uploads, said).video_id)
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
        finish(uploads)
    assert not landing.exists()
    with refused("there is no such upload"):
        finish(uploads)


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


def test_of_many_that_finish_at_once_and_later_all_get_one_answer(uploads, landing):
    uploads.add(NAME, 0, FILM)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: finish(uploads), range(24)))
    assert found == {finish(uploads)}
    assert len(list((landing / "videos/uploads").iterdir())) == 1
    with refused("has landed, with another row"):
        finish(uploads, SAID.model_copy(update={"title": "Another"}))
    uploads.add(NAME, 0, FILM + b"more")  # the name is free for another clip
    assert finish(uploads).bytes == len(FILM) + 4


def test_a_piece_that_waited_while_the_upload_ended_begins_anew(uploads, monkeypatch):
    uploads.add(NAME, 0, FILM)
    flock, ended = fcntl.flock, []

    def ends_meanwhile(descriptor, how):
        if not ended:
            ended.append(1)
            finish(uploads)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", ends_meanwhile)
    with refused("a piece before this one is missing"):
        uploads.add(NAME, len(FILM), b"more")


def test_what_landed_is_forgotten_after_a_day(uploads, monkeypatch):
    uploads.add(NAME, 0, FILM)
    finish(uploads)
    monkeypatch.setattr(module, "STALE_S", -1.0)
    uploads.add("b" * 16, 0, FILM)
    with refused("there is no such upload"):
        finish(uploads)


def test_an_upload_does_not_take_the_place_of_a_video(uploads, landing):
    uploads.add(NAME, 0, FILM)
    with refused("there is a video with this id") as told:
        finish(uploads, SAID.model_copy(update={"video_id": "v1"}))
    assert told.value.status == 409
    assert not landing.exists()
    assert finish(uploads).video_id.startswith("upload-")  # it can still land as another


@pytest.fixture
def site(tmp_path, monkeypatch):
    for name in ("STATE_DIR", "DATA_DIR", "LANDING"):
        monkeypatch.setenv(f"KINOLOOP_{name}", str(tmp_path / name))
    videos = pl.DataFrame(
        {"video_id": ["v1"], "title": ["one"]}, schema={"video_id": pl.String, "title": pl.String}
    )
    videos.write_delta(str(tmp_path / "DATA_DIR/videos"))
    site = build_site()
    site.state.served = SimpleNamespace(in_service=None)
    return TestClient(site)


@pytest.mark.parametrize(
    ("video_id", "status", "error"),
    [("a\0b", 422, "invalid_request"), ("v1", 409, "video_exists"), ("v2", 200, None)],
)
def test_an_id_is_checked_before_a_clip_lands(site, video_id, status, error):
    assert site.put(f"/admin/uploads/{NAME}", content=FILM).json() == {"received": len(FILM)}
    told = site.post(f"/admin/uploads/{NAME}", json={"title": "one", "video_id": video_id})
    assert (told.status_code, told.json().get("error")) == (status, error)


@pytest.mark.parametrize("offset", ["abc", "-1", "9" * 5000])
def test_an_offset_that_is_none_is_named(site, offset):
    told = site.put(f"/admin/uploads/{NAME}?offset={offset}", content=FILM)
    assert (told.status_code, told.json()["what"]) == (422, "offset is wrong")
    assert told.headers["content-type"] == "application/problem+json"


def test_a_page_of_a_named_origin_may_upload():
    app = CORSMiddleware(
        build_site(),
        **{
            name.removeprefix("access_control_"): value
            for name, value in cors(["https://app.example"]).items()
            if name != "enabled"
        },
    )
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}
    told = TestClient(app).options(f"/admin/uploads/{NAME}", headers=asked)
    assert told.status_code == 200
