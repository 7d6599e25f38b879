import time
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.histories import Histories
from kinoloop.encoders import base as encoders
from kinoloop.encoders.fingerprint import text_space
from kinoloop.evaluation.split import temporal_split
from kinoloop.models.base import build
from kinoloop.privacy.pseudonyms import Pseudonyms
from kinoloop.privacy.sealed import Seal
from kinoloop.ranking.config import RankerConfig
from kinoloop.ranking.data import RankerData
from kinoloop.ranking.fitting import fit_ranker
from kinoloop.release.bundle import write_bundle
from kinoloop.release.given import Given
from kinoloop.release.info import Provenance
from kinoloop.release.release import Release
from kinoloop.schema import DAY_US, EVENT_KINDS
from kinoloop.testing.service import KEY, SIGNER, free_port, running
from kinoloop.testing.toy import START_US, TOPICS, toy_catalogue
from serving.inputs import Inputs, Made, find
from serving.live_event import LiveEvent, Parcel
from serving.reading import Reading
from serving.slates import Asked
from serving.unread import texts_of
from serving.written import searched, written_by
from tests.ranking.searching import searching
from tests.serving.conftest import Service
from tests.serving.stored import rows

CONFIG = RankerConfig(
    groups=("written", "video"), epochs=4, hidden=16, batch_size=128, learning_rate=0.01,
    candidates=40, label={"watch": "view"},
)  # fmt: skip
SEARCH, COMMENT = EVENT_KINDS.index("search"), EVENT_KINDS.index("comment")
NOTHING = np.empty(0, dtype=np.int32)


class Texts:
    """Reads a text as its length."""

    space = "s"

    def of(self, user):
        return []

    def encode(self, texts):
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)


IN_SERVICE = SimpleNamespace(release=SimpleNamespace(texts=Texts()))


def wrote(state, kind, timestamp, text, *, user="p", video="", undoes=None, texts=None):
    event = LiveEvent(f"{user}-{kind}-{timestamp}", user, video, kind, None, None, timestamp)
    parcel = Parcel("raw", text=text, undoes=undoes)
    texts = texts or Texts()
    state.record([event], [parcel], texts=texts_of([event], [parcel], texts))


def found(state, user="p", *, reading=None):
    """Return what counts in the next slate of a user, at a worker that has read all."""
    reading = reading or Reading(state)
    reading.read_of(user, Texts())
    return written_by(user, IN_SERVICE, state, reading)


def lengths(state, user="p", *, reading=None):
    return [int(one.vector[0]) for one in found(state, user, reading=reading)]


def query(text, at, *, user="p"):
    (vector,) = Texts().encode([text.strip()])
    return searched(user, text, vector, "s", at=at)


def test_searches_and_comments_count_at_once_and_their_texts_are_not_kept(state):
    wrote(state, "search", 5 * DAY_US, "steam trains")
    wrote(state, "comment", 6 * DAY_US, "lovely", video="v1")
    wrote(state, "view", 7 * DAY_US, "no text of mine", video="v1")
    read = found(state)
    assert [(one.kind, one.timestamp // DAY_US) for one in read] == [(SEARCH, 5), (COMMENT, 6)]
    assert lengths(state) == [12, 6]
    assert lengths(state, "q") == []
    reading, end = Reading(state), time.monotonic() + 60
    reading.start(lambda: IN_SERVICE)
    while rows(state, "unread") and time.monotonic() < end:
        time.sleep(0.01)
    reading.close()
    assert (rows(state, "written"), rows(state, "unread")) == (2, 0)
    assert lengths(state) == [12, 6]


def test_the_newest_four_are_read_and_a_search_told_twice_is_one(state):
    for day in range(1, 7):
        wrote(state, "search", day * DAY_US, "x" * day)
    assert lengths(state) == [3, 4, 5, 6]
    state.keep_written([query(" xxxxxxx ", 8 * DAY_US)])
    wrote(state, "search", 8 * DAY_US + 1_000_000, "xxxxxxx")
    assert [one.timestamp // DAY_US for one in found(state)] == [4, 5, 6, 8]


def test_what_is_taken_back_or_erased_or_of_another_space_does_not_count(state):
    wrote(state, "comment", DAY_US, "oh no", video="v1")
    wrote(state, "undo", 2 * DAY_US, None, video="v1", undoes="comment")
    assert lengths(state) == []
    other = Texts()
    other.space = "another"
    wrote(state, "search", 3 * DAY_US, "abc", texts=other)
    assert lengths(state) == []
    wrote(state, "search", 4 * DAY_US, "abc")
    assert lengths(state) == [3]
    state.forget_user("p")
    assert not rows(state, "written")
    wrote(state, "search", 4 * DAY_US, "abc")
    state.forget_before(5 * DAY_US)
    assert lengths(state) == []


def test_a_release_that_reads_no_texts_has_none_kept(state):
    blind = Texts()
    blind.space = ""
    wrote(state, "search", DAY_US, "abc", texts=blind)
    (vector,) = Texts().encode(["abc"])
    assert searched("p", "abc", vector, "", at=1) is None
    assert searched("p", "abc", None, "s", at=1) is None
    assert searched("p", "x" * 201, vector, "s", at=1) is None
    assert not state.unread_of(["p"], "s")
    assert not rows(state, "written")


def test_an_answer_can_be_made_again_with_what_was_written(state, tmp_path):
    wrote(state, "search", DAY_US, "abc")
    asked = Asked([], NOTHING, NOTHING, [], 3, 5, found(state))
    seal = Seal(b"k" * 32, "words")
    inputs = Inputs(tmp_path, seal)
    inputs.record(Made("seg-1", asked, [("v1", 0.5)]))
    inputs.flush()
    (again,) = find(tmp_path, "seg-1", seal).asked.written
    assert again[:2] == asked.written[0][:2]
    assert again.vector.tolist() == [3.0, 1.0]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A release with words read by MiniLM, whose ranker has learned what a search says."""
    encoder = encoders.build({"kind": "minilm"})
    plain = toy_catalogue()
    vectors = encoder.encode_text(plain.videos["title"].to_list())
    text = Modality(vectors, np.ones(len(plain), dtype=bool), text_space(encoder.fingerprint))
    catalogue = Catalogue(plain.ids, plain.published_at, plain.videos, {"text": text})
    topics = encoder.encode_text([topic.split()[0] for topic in TOPICS])
    exposures, histories = searching(catalogue, topics, text.fingerprint)
    windows = RankerData(exposures, histories, START_US + 18 * DAY_US, START_US + 24 * DAY_US)
    split = temporal_split(histories, validation_days=6, test_days=6)
    pseudonyms = Pseudonyms(bytes.fromhex(KEY))
    named = tuple(pseudonyms.of_all(histories.user_ids))
    folder = tmp_path_factory.mktemp("release") / "bundle"
    write_bundle(
        folder,
        recommender=build({"kind": "popularity"}).fit(split.train, catalogue),
        catalogue=catalogue,
        histories=Histories(**{**vars(histories), "user_ids": named}),
        ranker=fit_ranker(CONFIG, windows, catalogue, seed=1).ranker,
        provenance=Provenance(encoders={"text": {"kind": "minilm"}}, key_id=pseudonyms.key_id),
    )
    SIGNER.sign(folder)
    return folder


def test_a_release_keeps_the_newest_texts_of_its_users_as_vectors(bundle):
    release = Release.open(bundle)
    user = Pseudonyms(bytes.fromhex(KEY)).of("u000")
    found = release.texts.of(user)
    assert [one.kind for one in found] == [SEARCH] * 4
    assert [one.timestamp for one in found] == sorted(one.timestamp for one in found)
    assert release.texts.of("nobody") == []
    slates = [
        release.recommend([], top_k=10, written=texts, given=Given(moment))
        for texts, moment in (([], 0), (found[-1:], found[-1].timestamp + 1))
    ]
    assert len({tuple(place.video_id for place in slate) for slate in slates}) == 2


@pytest.mark.e2e
def test_a_search_changes_the_next_slate_of_its_user(bundle, tmp_path, monkeypatch):
    def of_football(slate):
        return sum(int(place["video_id"][1:]) % 2 for place in slate.body["slate"])

    with running(tmp_path / "state", bundle=bundle) as url:
        service = Service(url, tmp_path)

        def slate(user):
            return service.ask("/recommend", {"user_id": user, "top_k": 8})

        service.ask("/search", {"query": "football", "user_id": "fan"})
        cook = {"user_id": "cook", "event": "search", "text": "cooking"}
        assert service.ask("/feedback", {"events": [cook]}).body["accepted"] == 1
        assert of_football(slate("fan")) >= 7
        assert of_football(slate("cook")) <= 1
        service.ask("/search", {"query": "cooking"})  # of nobody
        assert of_football(slate("fan")) >= 7
        shown = [place["title"] for place in slate("cook").body["slate"]]
    for name, value in {
        "STATE_DIR": str(tmp_path / "state"),
        "SERVICE_PORT": str(free_port()),
        "PSEUDONYM_KEY": KEY,
        "TRUSTED_KEYS": SIGNER.public,
        "BUNDLE": str(bundle),
    }.items():
        monkeypatch.setenv(f"KINOLOOP_{name}", value)
    monkeypatch.setenv("COLUMNS", "160")
    printed = CliRunner().invoke(app, ["recommend", "-u", "cook", "-k", "8"]).output
    assert "no service is running" in printed
    places = [printed.index(f" {title} ") for title in shown]
    assert places == sorted(places)
