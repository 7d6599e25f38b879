"""What is shown, read and said when, from tables to the answer of a release."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from kinoloop.data.catalogue import load_catalogue, load_moments
from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.ids import IdMap
from kinoloop.data.tables import Tables
from kinoloop.encoders import base
from kinoloop.encoders.efficientnet_lite import TENSORS, WEIGHTS
from kinoloop.encoders.embedded import load_tensors
from kinoloop.encoders.fingerprint import text_space
from kinoloop.errors import BundleError, DataError
from kinoloop.models.base import build
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Provenance
from kinoloop.release.moments import Moments, write_moments
from kinoloop.release.release import Release
from kinoloop.schema import FEATURES, MEDIA, MOMENTS, VIDEOS
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.label import label
from kinoloop.semantics.moments import MOST, describe_moments
from kinoloop.semantics.spaces import VectorSpace

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINILM = {"kind": "minilm"}
SPACE = text_space(base.identify(MINILM))
DRUMS, POMERANIAN = 541, 259  # of ImageNet


def shown(number):
    return load_tensors(WEIGHTS, TENSORS)["_fc.weight"][number].numpy()


def feature(video_id, modality, vector, *, space, moments=()):
    vector = vector / np.linalg.norm(vector)
    packed = [
        {"start_s": a, "end_s": b, "vector": (v / np.linalg.norm(v)).astype(np.float16).tobytes()}
        for a, b, v in moments
    ]
    return {
        "video_id": video_id,
        "modality": modality,
        "fingerprint": space,
        "present": True,
        "vector": vector.tolist(),
        "moments": packed,
        "extracted_at": NOW,
    }


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """Three videos without titles: one shows, one says, one reads; and nothing of a fourth."""
    root = tmp_path_factory.mktemp("moments")
    patch = pytest.MonkeyPatch()
    patch.setenv("KINOLOOP_STATE_DIR", str(root / "state"))
    tables = Tables(root / "data")
    minilm = base.build(MINILM)
    both = shown(DRUMS) + shown(POMERANIAN)
    sees = [(0.0, 12.0, shown(DRUMS)), (12.0, 15.0, shown(POMERANIAN))]
    said = [{"start_s": 40.0, "end_s": 44.0, "text": "knead the dough and bake the bread"}]
    read = [{"start_s": 3.0, "end_s": 5.0, "text": "STOP THE WAR", "score": 0.9}]
    names = ["shows", "says", "reads", "nothing"]
    media = [
        {"video_id": "shows", "content_hash": "1"},
        {"video_id": "says", "content_hash": "2", "cues": said},
        {"video_id": "reads", "content_hash": "3", "screen": read},
    ]
    features = [feature("shows", "visual", both, space="look", moments=sees)]
    features += [feature(n, "text", minilm.encode_text(["clip"])[0], space=SPACE) for n in names]
    for name, rows, schema in (
        ("videos", [{"video_id": n, "title": "clip"} for n in names], VIDEOS),
        ("media", media, MEDIA),
        ("features", features, FEATURES),
    ):
        full = [{column: row.get(column) for column in schema} for row in rows]
        pl.DataFrame(full, schema=schema).write_delta(str(tables.path(name)))
    spaces = {
        "text": VectorSpace(MINILM, SPACE),
        "visual": VectorSpace({"kind": "efficientnet_lite"}, "look"),
    }
    label(tables, SemanticsConfig(), spaces)
    assert describe_moments(tables, SemanticsConfig(), spaces) == 3
    yield root, tables, spaces
    patch.undo()


def release_of(described, directory, *, moments=True):
    _, tables, _ = described
    catalogue = load_catalogue(tables)
    histories = Histories.from_rows([[Interaction(0, timestamp=1)]], ["0" * 32])
    write_bundle(
        directory,
        recommender=build({"kind": "popularity"}).fit(histories, catalogue),
        catalogue=catalogue,
        histories=histories,
        provenance=Provenance(encoders={"text": MINILM}),
        moments=load_moments(tables, SPACE) if moments else None,
    )
    return Release.open(directory)


def test_each_moment_says_what_is_there(described):
    _, tables, spaces = described
    rows = dict(tables.scan("moments").select("video_id", "moments").collect().iter_rows())
    drums, dog = rows["shows"]
    assert (drums["start_s"], drums["end_s"], dog["start_s"], dog["end_s"]) == (0, 12, 12, 15)
    assert "Pomeranian" in [one["word"] for one in dog["shows"]]
    assert "Pomeranian" not in [one["word"] for one in drums["shows"]]
    assert rows["says"][0]["says"] == "knead the dough and bake the bread"
    assert rows["reads"][0]["reads"] == "STOP THE WAR"
    assert describe_moments(tables, SemanticsConfig(), spaces) == 0


@pytest.mark.parametrize(
    ("query", "video", "start_s", "reason"),
    [
        ("a dog", "shows", 12.0, "Shows dog at 0:12"),
        ("how to make bread", "says", 40.0, "Says “knead the dough and bake the bread” at 0:40"),
        ("stop the war", "reads", 3.0, "Reads “STOP THE WAR” at 0:03"),
    ],
)
def test_search_answers_with_the_moment(described, tmp_path, query, video, start_s, reason):
    release = release_of(described, tmp_path / "bundle")
    places = {place.video_id: place for place in release.search(query, top_k=4)}
    assert (places[video].start_s, places[video].reason) == (start_s, reason)
    assert places["nothing"].start_s is None


def test_one_moment_that_answers_puts_a_video_first(described, tmp_path):
    """The four share title and text vector: only what they show, read and say tells them apart."""
    release = release_of(described, tmp_path / "bundle")
    for query, video in (
        ("a small dog", "shows"),
        ("how to make bread", "says"),
        ("stop the war", "reads"),
    ):
        assert release.search(query, top_k=4)[0].video_id == video
    bare = release_of(described, tmp_path / "bare", moments=False)
    scores = {place.video_id: place.score for place in bare.search("how to make bread", top_k=4)}
    assert scores["says"] == pytest.approx(scores["reads"])


def test_scores_of_moments_are_those_of_the_nearest(described, tmp_path, monkeypatch):
    monkeypatch.setattr("kinoloop.release.moments.AT_ONCE", 3)  # blocks that cut through a video
    release = release_of(described, tmp_path / "bundle")
    asked = base.build(MINILM).encode_text(["a dog"])[0]
    scores = release.moments.scores(asked)
    ids = release.catalogue.ids
    assert scores[ids.index("nothing")] == 0
    names = ["Pomeranian", "dog", "animal"]
    dog = [one for one in release.moments.of(ids.index("shows")) if "dog" in one.shows]
    assert set(dog[0].shows) >= set(names)
    words = ", ".join(dog[0].shows)
    cosine = float(base.build(MINILM).encode_text([words])[0] @ asked)
    assert scores[ids.index("shows")] == pytest.approx(cosine, abs=0.01)
    assert release.moments.scores(asked[:100]).tolist() == [0] * 4  # of another encoder


def test_a_bundle_without_moments_answers_without_them(described, tmp_path):
    release = release_of(described, tmp_path / "bundle", moments=False)
    assert release.moments.of(0) == []
    assert all(place.start_s is None for place in release.search("a dog", top_k=4))
    assert "start_s" not in release.search("a dog", top_k=1)[0].as_json()


def test_moments_that_do_not_fit_are_refused(described, tmp_path):
    release = release_of(described, tmp_path / "bundle")
    with pytest.raises(BundleError, match="disagree on the number of moments"):
        Moments(tmp_path / "bundle" / "moments", len(release.catalogue) + 1)


def test_a_grown_catalogue_keeps_its_moments_and_gets_those_of_new_videos(described, tmp_path):
    _, tables, _ = described
    rows = load_moments(tables, SPACE)
    before, ids = tmp_path / "before", ["shows", "nothing"]
    write_moments(before, IdMap(ids), rows)
    said = rows.filter(pl.col("video_id") == "says")
    write_moments(tmp_path / "after", IdMap([*ids, "says"]), said, before=before)
    grown = Moments(tmp_path / "after", 3)
    assert grown.of(0) == Moments(before, 2).of(0)
    assert len(grown.of(0)) == 2
    assert grown.of(1) == []
    assert [one.says for one in grown.of(2)] == ["knead the dough and bake the bread"]
    asked = base.build(MINILM).encode_text(["how to bake bread"])[0]
    nearest = grown.nearest(2, asked)
    assert nearest is not None
    assert nearest.start_s == 40.0


def test_a_long_transcript_has_no_more_moments_than_others():
    from kinoloop.semantics.moments import _windows

    cues = [{"start_s": 4.0 * i, "end_s": 4.0 * i + 3, "text": f"line {i}"} for i in range(900)]
    windows = _windows(cues)
    assert len(windows) <= MOST
    assert windows[0][0] == 0.0
    assert " ".join(text for _, _, text in windows) == " ".join(cue["text"] for cue in cues)


def test_vectors_of_two_lengths_are_refused(tmp_path):
    def rows(*lengths):
        said = {"start_s": 0.0, "end_s": 1.0, "shows": [], "reads": "", "says": "x"}
        moments = [[{**said, "vector": np.ones(n, np.float16).tobytes()}] for n in lengths]
        schema = {name: MOMENTS[name] for name in ("video_id", "moments")}
        ids = ["a", "b"][: len(lengths)]
        return pl.DataFrame({"video_id": ids, "moments": moments}, schema=schema)

    with pytest.raises(DataError, match=r"lengths \[4, 8\], expected one"):
        write_moments(tmp_path / "one", IdMap(["a", "b"]), rows(4, 8))
    write_moments(tmp_path / "old", IdMap(["a", "b"]), rows(4))
    with pytest.raises(DataError, match=r"lengths \[4, 6\], expected one"):
        write_moments(tmp_path / "two", IdMap(["a", "b"]), rows(6), before=tmp_path / "old")
