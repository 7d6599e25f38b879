"""The Python client against the running service, and its page."""

import asyncio
import json
import sqlite3
import time
from datetime import datetime

import pytest

from kinoloop import client as face
from kinoloop.client import AsyncClient, Client, Retries, calls, operation, options
from kinoloop.errors import DataError, RefusedError
from kinoloop.privacy.pseudonyms import Pseudonyms
from kinoloop.testing.service import KEY
from serving import event_check, explanation, facts, messages, overview, upload_messages, uploads
from serving.takedowns import AvailabilityPatch
from tests.docs.pages import DOCS, blocks_of
from tests.serving.conftest import JPEG, operator_key

PAIRS = [
    (face.Slate, messages.Slate),
    (face.Move, explanation.Move),
    (face.Explained, explanation.Explained),
    (face.Left, explanation.Left),
    (face.Explanation, explanation.Explanation),
    (face.Place, messages.SlateVideo),
    (face.FeedbackReceipt, messages.FeedbackReceipt),
    (face.RejectedEvent, messages.RejectedEvent),
    (face.Lineage, facts.LineageRecord),
    (face.Video, facts.VideoDetails),
    (face.VideoLabel, facts.VideoLabel),
    (face.VideoMoment, facts.VideoMoment),
    (face.VideoOccurrence, facts.VideoOccurrence),
    (face.About, facts.About),
    (face.ReleaseFacts, facts.ReleaseFacts),
    (face.Availability, facts.VideoAvailability),
    (face.Uploaded, upload_messages.Uploaded),
    *(
        (getattr(operation, name), model)
        for name, model in vars(overview).items()
        if getattr(model, "__module__", "") == overview.__name__
    ),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda one: one.__name__)
def test_answers_have_the_fields_of_the_service(ours, theirs):
    def shape(model):
        return {name: field.is_required() for name, field in model.model_fields.items()}

    assert shape(ours) == shape(theirs)


def test_every_field_of_a_request_can_be_said():
    asked = {
        messages.RecommendRequest: (options.RecommendOptions, {"user_id"}),
        messages.BatchRequest: (options.ManyOptions, {"users"}),
        messages.SimilarRequest: (options.FindOptions, {"video_id"}),
        messages.SearchRequest: (options.FindOptions, {"query"}),
        upload_messages.UploadRequest: (options.ClipOptions, {"title"}),
    }
    for body, (said, subject) in asked.items():
        assert set(said.__annotations__) | subject == set(body.model_fields)
    assert set(options.Event.__annotations__) <= set(event_check.FIELDS)
    assert calls.PIECE_BYTES == uploads.PIECE_BYTES
    assert set(options.AvailabilityOptions.__annotations__) == set(AvailabilityPatch.model_fields)


def test_every_route_answers_its_type(service):
    with Client(service.url, retries=Retries(attempts=1)) as client:
        assert client.ready()
        slate = client.recommend("client-1", top_k=3, surface="home", context={"network": "wifi"})
        raw = service.ask("/recommend", {"user_id": "client-1", "top_k": 3}).body
        assert [place.model_dump(exclude_none=True) for place in slate.slate] == raw["slate"]
        told = client.recommend("client-1", top_k=3, explain=True).explained
        assert [one.video_id for one in told.places] == slate.video_ids
        page = client.recommend("client-1", top_k=3, cursor=slate.cursor)
        assert not set(page.video_ids) & set(slate.video_ids)
        assert client.lineage(page.request_id).page_after == slate.request_id
        assert len(client.similar("v001", top_k=2, user_id="client-1").slate) == 2
        assert "football" in client.search("football goal", top_k=1).slate[0].title
        about = client.about().release
        assert about.model_version == slate.model_version
        assert about.dataset_version == slate.dataset_version
        assert client.video("v001").video_id == "v001"
        assert client.thumbnail("v000") == JPEG
        told = {"user_id": "client-1", "event": "view", "request_id": slate.request_id}
        events = [{**told, "video_id": v, "position": n} for n, v in enumerate(slate.video_ids)]
        receipt = client.feedback([*events, {**told, "video_id": "v001", "event": "clap"}])
        assert (receipt.accepted, receipt.rejected) == (3, 1)
        assert (receipt.reasons[0].position, receipt.reasons[0].field) == (3, "event")
        assert not set(client.recommend("client-1").video_ids) & set(slate.video_ids)
        assert client.identify("phone", "client-1").accepted == 1
        assert not set(client.recommend("phone").video_ids) & set(slate.video_ids)
        with pytest.raises(RefusedError, match=r"404 unknown_video: .*take a video_id") as told:
            client.similar("v999")
        assert told.value.got == "v999"


def test_operators_see_what_goes_on_take_videos_down_and_upload(service, tmp_path):
    key = operator_key(service.folder)
    with Client(service.url, token=key, retries=Retries(attempts=1)) as client:
        client.recommend("client-3")
        while (view := client.overview()).serving.ready_workers < 2:
            time.sleep(0.2)  # the second worker starts beside the first
        assert view.serving.release == client.about().release
        (asked,) = [one for one in view.traffic.routes if one.route == "/recommend"]
        assert asked.requests >= 1
        assert 0 < asked.p50_ms <= asked.p99_ms
        assert "asks no registry" in view.decisions.unknown_because
        assert 'kinoloop_requests_total{route="/recommend"' in client.metrics()
        assert client.take_down("v009").hidden
        with pytest.raises(RefusedError, match="404 unknown_video"):
            client.video("v009")
        back = client.change_availability("v009", hidden=False, available_until=None)
        assert (back.hidden, back.in_catalogue) == (False, True)
        assert client.video("v009").video_id == "v009"
        assert service.ask("/clips/v009").body["error"] == "no_clip"
        film = tmp_path / "film.mp4"
        film.write_bytes(bytes(4) + b"ftypisom" + bytes(calls.PIECE_BYTES))  # two pieces
        landed = client.upload(film, "A film", creator_id="ann", tags=["trains"])
        (row,) = (service.folder / "state/landing/videos/uploads").iterdir()
        assert json.loads(row.read_text())["video_id"] == landed.video_id
        assert landed.bytes == film.stat().st_size
        film.write_bytes(b"no film at all")
        with pytest.raises(RefusedError, match="422 invalid_request: the upload is no film"):
            client.upload(film, "Not a film")
        with pytest.raises(DataError, match="available_from 2026-05-01T00:00:00 has no time zone"):
            client.change_availability("v009", available_from=datetime(2026, 5, 1))  # noqa: DTZ001


def test_feedback_that_comes_twice_counts_once(service):
    body = calls.feedback([{"user_id": "client-2", "video_id": "v003", "event": "like"}]).body
    for _ in range(2):
        assert service.ask("/feedback", body).body["accepted"] == 1
    pseudonym = Pseudonyms(bytes.fromhex(KEY)).of("client-2")
    with sqlite3.connect(service.folder / "state" / "serving" / "live.db") as state:
        count = state.execute("SELECT count(*) FROM live WHERE user = ?", (pseudonym,))
        assert count.fetchone() == (1,)


def test_many_may_ask_at_a_time(service):
    async def ask():
        async with AsyncClient(service.url) as client:
            return await asyncio.gather(*(client.recommend(f"u{n:03d}") for n in range(20)))

    assert len({slate.request_id for slate in asyncio.run(ask())}) == 20


def test_the_examples_of_the_page_run(service, capsys):
    names = {"__name__": "page"}
    blocks = [
        block for block in blocks_of(DOCS / "guides/python-client.md") if block.language == "python"
    ]
    assert len(blocks) > 2
    for block in blocks:
        code = block.code.replace("http://127.0.0.1:3000", service.url)
        exec(compile(code, f"{block.page}:{block.line}", "exec"), names)
    assert "no video of the release in service has this id" in capsys.readouterr().out
