"""A release with indexes answers as one that scores every video, up to the recall it measured."""

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.growth import Growth
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.encoders import base as encoders
from kinoloop.encoders.fingerprint import text_space
from kinoloop.errors import BundleError
from kinoloop.models.base import build
from kinoloop.policy.config import RulesConfig
from kinoloop.policy.fresh import FreshConfig
from kinoloop.policy.limits import Limit
from kinoloop.policy.ruling import Ruling
from kinoloop.policy.trace import Trace
from kinoloop.release.availability import Window
from kinoloop.release.bundle import write_bundle
from kinoloop.release.given import Given
from kinoloop.release.indexes import read_plans
from kinoloop.release.info import Provenance, read_info
from kinoloop.release.release import Release
from kinoloop.release.version import write_version
from kinoloop.retrieval.config import RetrievalConfig

N, TOPICS, DAY = 4_000, 25, 86_400_000_000
NOW = 400 * DAY
CONFIG = RetrievalConfig(exact_below=1_000, queries=16)
RARE = {"language": "xx"}  # one video of a hundred
KINDS = ({"kind": "biased_mf", "factors": 8, "iterations": 2}, {"kind": "item_knn", "top_n": 20})


@pytest.fixture(scope="module")
def encoder():
    return encoders.build({"kind": "minilm"})


@pytest.fixture(scope="module")
def catalogue(encoder):
    rng = np.random.default_rng(1)
    topic = rng.integers(0, TOPICS, N)
    words = [f"tale{t} about{t}" for t in range(TOPICS)]
    titles = [f"{words[t]} number{i}" for i, t in enumerate(topic.tolist())]
    of_topic = encoder.encode_text(words)
    raw = of_topic[topic] + 0.03 * rng.normal(size=(N, of_topic.shape[1])).astype(np.float32)
    text = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    groups = np.full(N, None, dtype=object)
    groups[[10, 11, 12]] = "same"
    videos = pl.DataFrame(
        {
            "video_id": [f"v{i}" for i in range(N)],
            "title": titles,
            "language": ["xx" if i % 100 == 3 else "en" for i in range(N)],
            "creator_id": [f"c{i % 40}" for i in range(N)],
            "group_id": pl.Series(groups.tolist(), dtype=pl.String),
            "hidden": [i % 97 == 5 for i in range(N)],
        }
    )
    modality = Modality(text, np.ones(N, bool), text_space(encoder.fingerprint))
    published = np.arange(N, dtype=np.int64) * (NOW // N)
    return Catalogue(IdMap(videos["video_id"]), published, videos, {"text": modality}), topic


@pytest.fixture(scope="module")
def histories(catalogue):
    rng, (_, topic) = np.random.default_rng(2), catalogue
    of = [np.flatnonzero(topic == t) for t in range(TOPICS)]
    rows = []
    for user in range(300):
        mine = [rng.choice(of[(user + k) % TOPICS], 8, replace=False) for k in (0, 3)]
        liked = np.concatenate(mine).tolist()
        rows.append([Interaction(v, timestamp=NOW - DAY * (30 - i)) for i, v in enumerate(liked)])
    return Histories.from_rows(rows, user_ids=[f"{user:032d}" for user in range(300)])


@pytest.fixture(scope="module", params=KINDS, ids=lambda one: one["kind"])
def release(request, tmp_path_factory, catalogue, histories):
    videos, _ = catalogue
    directory = tmp_path_factory.mktemp("found") / "bundle"
    recommender = build(request.param).fit(histories, videos)
    write_bundle(
        directory,
        recommender=recommender,
        catalogue=videos,
        histories=histories,
        provenance=Provenance(encoders={"text": {"kind": "minilm"}}),
        retrieval=CONFIG,
    )
    return Release.open(directory)


def given(**more):
    return Given(NOW, **more)


def shared(found, expected):
    """Share of the expected that was found."""
    pairs = zip(found, expected, strict=True)
    return np.mean([len(set(one) & set(other)) / max(1, len(other)) for one, other in pairs])


def slates(release, rows, *, top_k=50, hidden=True, exact, ruling=None, **more):
    made = []
    for row in rows:
        known = Histories.from_rows([row])
        asked = given(exact=exact, ruling=ruling and ruling(release), **more)
        seen = known.videos if hidden else known.videos[:0]
        closed = release.availability.closed(NOW)
        made.append(release.slate_of(known, seen, closed, top_k=top_k, given=asked))
    return made


def users(release, n=12):
    return [[], *(release.histories.row(row) for row in range(n))]


def videos_of(slates):
    return [[place.video_id for place in slate] for slate in slates]


def test_measures_recall_by_share_and_keeps_it(release):
    plans = release.indexes.plans
    assert set(plans) == {"recommend", "similar", "search"}
    for plan in plans.values():
        if plan is not None:
            assert plan.levels[0].probes
            assert all(level.lowest >= CONFIG.recall for level in plan.levels)
    assert read_plans(release.directory / "retrieval" / "plans.json") == plans


@pytest.mark.parametrize("filters", [{}, {"language": "en"}, RARE, {"creator_id": ["c1", "c7"]}])
@pytest.mark.parametrize("hidden", [True, False])
def test_slates_are_those_of_scoring_every_video(release, filters, hidden):
    rows = users(release)
    found = slates(release, rows, hidden=hidden, exact=False, filters=filters)
    expected = slates(release, rows, hidden=hidden, exact=True, filters=filters)
    assert shared(videos_of(found), videos_of(expected)) >= 0.98
    for one, other in zip(found, expected, strict=True):
        scores = {place.video_id: place.score for place in other}
        for place in one:
            assert place.score == pytest.approx(scores.get(place.video_id, place.score), rel=1e-3)
        assert len(one) == len(other)
        assert one.more == other.more


def test_no_slate_holds_what_is_seen_or_hidden_or_shows_the_same(release):
    closed = set(release.catalogue.ids.externals(release.availability.closed(NOW)))
    rows = [[*row, Interaction(10)] for row in users(release)]
    for row, slate in zip(rows, slates(release, rows, top_k=300, exact=False), strict=True):
        videos = [place.video_id for place in slate]
        seen = set(release.catalogue.ids.externals([event.video for event in row]))
        assert not set(videos) & (closed | seen | {"v10", "v11", "v12"})
        assert len(videos) == len(set(videos)) == 300
    alone = slates(release, users(release), top_k=3_000, exact=False)
    assert all(len({"v10", "v11", "v12"} & set(videos)) <= 1 for videos in videos_of(alone))


def rules(release):
    limits = [Limit(column="creator_id", most=1)]
    config = RulesConfig(limits=limits, fresh=FreshConfig(places=2, within=10, days=5))
    return Ruling(release.policies.of(config))


def test_rules_make_the_same_slates(release):
    rows = users(release)
    found = videos_of(slates(release, rows, top_k=20, exact=False, ruling=rules))
    expected = videos_of(slates(release, rows, top_k=20, exact=True, ruling=rules))
    assert shared(found, expected) >= 0.98
    assert [len(one) for one in found] == [20] * len(rows)


def test_an_explanation_tells_what_it_tells_of_scoring_every_video(release):
    told = []
    for exact in (False, True):
        trace = Trace({"seen": np.array([1, 2])})

        def traced(release, trace=trace):
            return Ruling(release.policies.of(RulesConfig()), trace=trace)

        row = users(release)[2]
        (slate,) = slates(
            release, [row], top_k=10, exact=exact, ruling=traced, filters={"language": "en"}
        )
        told.append(trace.told([place.video_id for place in slate], release.catalogue.ids))
    assert told[0] == told[1]


@pytest.mark.parametrize("filters", [{}, RARE])
def test_similar_videos_are_those_of_comparing_every_video(release, filters):
    asked = [f"v{i}" for i in range(0, N, 333)]
    found, expected = (
        [release.similar(v, top_k=50, given=given(exact=e, filters=filters)) for v in asked]
        for e in (False, True)
    )
    assert shared(videos_of(found), videos_of(expected)) >= 0.98
    assert all(video not in videos for video, videos in zip(asked, videos_of(found), strict=True))
    assert found[0][0].score == pytest.approx(expected[0][0].score, rel=1e-4)
    assert found[0][0].reason == expected[0][0].reason


@pytest.mark.parametrize("filters", [{}, RARE])
def test_a_search_finds_by_meaning_and_by_words(release, filters):
    asked = ["tale3", "about7 number9", "number1234", "something else"]
    found, expected = (
        [release.search(q, top_k=30, given=given(exact=e, filters=filters)) for q in asked]
        for e in (False, True)
    )
    assert shared(videos_of(found), videos_of(expected)) >= 0.98
    assert filters or found[2][0].video_id == "v1234"
    for one, other in zip(found, expected, strict=True):
        reasons = {place.video_id: place.reason for place in other}
        assert all(place.reason == reasons.get(place.video_id, place.reason) for place in one)


def test_an_operator_closes_a_video_for_the_next_answer(release):
    release = Release.open(release.directory)
    row = users(release)[3]
    (before,) = slates(release, [row], exact=False)
    gone = before[0].video_id
    release.availability.overrule({release.catalogue.ids.index(gone): Window(hidden=True)})
    (after,) = slates(release, [row], exact=False)
    assert [place.video_id for place in after][:49] == [place.video_id for place in before][1:]


def test_a_release_of_few_videos_has_no_index(release, tmp_path):
    few = RetrievalConfig(exact_below=N + 1)
    write_bundle(
        tmp_path / "few",
        recommender=release.recommender,
        catalogue=release.catalogue,
        histories=Histories.from_rows([]),
        retrieval=few,
    )
    assert not (tmp_path / "few" / "retrieval").exists()
    assert Release.open(tmp_path / "few").indexes.plans == {}


def test_a_catalogue_version_appends_and_finds_what_is_new(release, tmp_path):
    videos = release.catalogue.videos
    new = videos[:40].with_columns(video_id=pl.Series([f"new{i}" for i in range(40)]))
    new = new.with_columns(group_id=pl.lit(None, pl.String))
    text = release.catalogue.modalities["text"]
    vectors = np.concatenate([text.vectors, text.vectors[:40]])
    grown = Catalogue(
        IdMap([*release.catalogue.ids.ids, *new["video_id"]]),
        np.concatenate([release.catalogue.published_at, np.full(40, NOW - DAY)]),
        pl.concat([videos, new]),
        {"text": replace(text, vectors=vectors, present=np.ones(N + 40, bool), centred=None)},
    )
    write_version(
        tmp_path / "next",
        model=release,
        before=release,
        growth=Growth(grown, 40, np.empty(0, np.intp), 0, 0, np.arange(N + 40, dtype=np.float32)),
        thumbnails=[],
        made_of={"dataset_version": "1", "table_versions": {}},
        retrieval=CONFIG,
    )
    after = Release.open(tmp_path / "next")
    after.ask_golden()
    assert after.indexes.plans["similar"].built == N
    assert after.indexes.plans["similar"].videos == N + 40
    assert after.similar("v7", top_k=1, given=given())[0].video_id == "new7"
    rows = users(after)
    found, expected = (videos_of(slates(after, rows, exact=exact)) for exact in (False, True))
    assert shared(found, expected) >= 0.98
    assert found[0][0] == "new39"  # what is popular today


def damaged(release, tmp_path, change):
    """Open a copy whose index was changed."""
    folder = tmp_path / "copy"
    shutil.copytree(release.directory, folder)
    change(folder)
    return folder


def test_refuses_another_index_by_its_digest(release, tmp_path):
    def change(folder):
        path = folder / "retrieval" / "similar" / "index.faiss"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    folder = damaged(release, tmp_path, change)
    with pytest.raises(BundleError, match=r"index\.faiss changed: expected SHA-256"):
        Release.read(folder, read_info(folder))


def test_refuses_an_index_that_the_bundle_does_not_name(release, tmp_path):
    folder = damaged(release, tmp_path, lambda _: None)
    info = read_info(folder)
    files = {name: digest for name, digest in info.files.items() if ".faiss" not in name}
    with pytest.raises(BundleError, match="the bundle names no digest of it"):
        Release.read(folder, info.model_copy(update={"files": files}))


@pytest.mark.parametrize(
    ("part", "content", "message"),
    [
        ("plans.json", b"{", "plans.json cannot be read"),
        ("plans.json", json.dumps({"other": None}).encode(), "names indexes that do not exist"),
        ("similar/lists.npy", np.zeros(3, np.int32), "expected 4000"),
        ("similar/lists.npy", np.full(N, -1, np.int32), "names lists that are none"),
        ("recommend/standing.npy", np.zeros(3, np.float32), "expected those of 4000 videos"),
    ],
)
def test_refuses_parts_that_do_not_fit(release, tmp_path, part, content, message):
    def change(folder):
        path = folder / "retrieval" / part
        path.write_bytes(content) if isinstance(content, bytes) else np.save(path, content)

    folder = damaged(release, tmp_path, change)
    with pytest.raises(BundleError, match=message):
        Release.read(folder, read_info(folder))
