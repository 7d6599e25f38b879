import io
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from PIL import Image

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.tables import Tables
from kinoloop.encoders import base
from kinoloop.encoders.classical_visual import describe
from kinoloop.encoders.efficientnet_lite import TENSORS, WEIGHTS
from kinoloop.encoders.embedded import load_tensors
from kinoloop.errors import ConfigError, DataError
from kinoloop.release.label_search import LabelSearch
from kinoloop.schema import FEATURES, MEDIA, VIDEOS
from kinoloop.semantics.answers import give_answer, read_answers, take_back
from kinoloop.semantics.config import GenerativeConfig, SemanticsConfig
from kinoloop.semantics.label import label
from kinoloop.semantics.next_videos import uncertain_videos
from kinoloop.semantics.spaces import VectorSpace
from tests.encoders import tiny_models
from tests.encoders.test_joint_text import content, with_words
from tests.semantics import tiny_describers

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LABELS = """
[topic.labels]
"animals" = ["a red fox", "dog"]
"music" = ["jazz", "an evening of jazz"]

[mood]
many = true
[mood.labels]
"cosy" = ["snow", "bake bread"]
"""


class World:
    """A data directory as extraction leaves it, with a tiny text model."""

    def __init__(self, root, model):
        self.root, self.tables = root, Tables(root / "data")
        (root / "labels.toml").write_text(LABELS)
        self.spaces = {"text": VectorSpace({"kind": "hf_text", "model": str(model)}, "words")}
        self.encoder = base.build(self.spaces["text"].settings)
        self.videos, self.media, self.features = {}, {}, {}

    def put(self, video_id, title, **more):
        self.videos[video_id] = {"video_id": video_id, "title": title, **more}
        text = ". ".join(filter(None, [title, more.get("description")]))
        if text:
            self.vector(video_id, "text", self.encoder.encode_text([text])[0])

    def vector(self, video_id, modality, vector, fingerprint="words"):
        self.features[video_id, modality] = {
            "video_id": video_id,
            "modality": modality,
            "fingerprint": fingerprint,
            "present": True,
            "vector": vector.tolist(),
            "extracted_at": NOW,
        }

    def picture(self, video_id, colour):
        buffer = io.BytesIO()
        Image.new("RGB", (32, 32), colour).save(buffer, "JPEG")
        self.media[video_id] = {"video_id": video_id, "thumbnail": buffer.getvalue()}

    def label(self, **options):
        for name, rows, schema in (
            ("videos", self.videos, VIDEOS),
            ("media", self.media, MEDIA),
            ("features", self.features, FEATURES),
        ):
            full = [{column: row.get(column) for column in schema} for row in rows.values()]
            frame = pl.DataFrame(full, schema=schema)
            frame.write_delta(str(self.tables.path(name)), mode="overwrite")
        settings = {"labels": str(self.root / "labels.toml"), "min_score": 0.0, **options}
        return label(self.tables, SemanticsConfig(**settings), self.spaces)

    def rows(self):
        rows = self.tables.scan("labels").collect().to_dicts()
        assert len({row["video_id"] for row in rows}) == len(rows)
        return {row["video_id"]: row for row in rows}


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return tiny_models.text(tmp_path_factory.mktemp("text"))


@pytest.fixture
def world(tmp_path, model):
    return World(tmp_path, model)


def given(row):
    return {(one["facet"], one["label"]): one for one in row["labels"]}


def test_video_gets_the_labels_of_the_file_tags_and_a_line(world):
    world.put("fox", "a red fox", description="Here is how to bake an evening of snow.")
    assert world.label().done == 1
    row = world.rows()["fox"]
    labels = given(row)
    assert {("topic", "animals"), ("topic", "music"), ("mood", "cosy")} == set(labels)
    topics = [labels["topic", name]["score"] for name in ("animals", "music")]
    assert 0 < sum(topics) <= 1
    assert row["summary"] == "Here is how to bake an evening of snow."
    assert row["summary_by"] == "words"
    assert "fox" in row["free_tags"]


def test_only_what_is_new_or_changed_is_labelled(world):
    world.put("a", "a red fox")
    world.put("b", "jazz")
    assert world.label().done == 2
    assert world.label().done == 0
    world.put("c", "dog")
    world.put("b", "an evening of jazz")
    assert world.label().done == 2
    assert world.rows()["b"]["summary"] == "an evening of jazz"


def test_another_label_file_labels_anew(world):
    world.put("a", "a red fox")
    world.label()
    (world.root / "labels.toml").write_text('[kind.labels]\n"x" = ["a"]\n"y" = ["snow"]')
    assert world.label().done == 1
    assert {facet for facet, _ in given(world.rows()["a"])} == {"kind"}


def test_a_video_without_words_gets_what_is_measured(world):
    world.put("night", "")
    dark = np.full((2, 32, 32, 3), 12, dtype=np.uint8)
    world.spaces["visual"] = VectorSpace({"kind": "classical_visual"}, "look")
    world.vector("night", "visual", describe(dark, side=96), "look")
    world.label(min_score=0.35)
    row = world.rows()["night"]
    dark_label = given(row)["style", "dark"]
    assert dark_label["score"] > 0.5
    assert dark_label["evidence"] == "measured: light"
    assert row["summary_by"] == "labels"
    assert "dark" in row["summary"].lower()


def test_a_video_without_words_is_found_by_what_it_shows(world, monkeypatch):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(world.root / "state"))
    looks = describe(np.full((1, 32, 32, 3), 12, dtype=np.uint8), side=96)
    pomeranian = load_tensors(WEIGHTS, TENSORS)["_fc.weight"][259].numpy()
    world.put("dsc_0042", "")
    world.put("else", "")
    world.spaces["visual"] = VectorSpace({"kind": "efficientnet_lite"}, "look")
    shows = np.concatenate([pomeranian / np.linalg.norm(pomeranian), looks]) / np.sqrt(2)
    world.vector("dsc_0042", "visual", shows, "look")
    world.label(min_score=0.35)
    labels = given(world.rows()["dsc_0042"])
    assert labels["shows", "Pomeranian"]["evidence"].startswith("picture ")
    assert labels["shows", "dog"]["score"] > 0.9
    assert ("style", "dark") in labels  # measured on the descriptor behind
    catalogue = load_catalogue(world.tables, {})
    search = LabelSearch(catalogue.videos["labels"], len(catalogue))
    minilm = base.build({"kind": "minilm"})
    scores = search.score(minilm.encode_text(["a dog"])[0], minilm.encode_text)
    found, other = (catalogue.ids.index(name) for name in ("dsc_0042", "else"))
    assert scores[found] > 0.5
    assert scores[other] == 0


@pytest.mark.parametrize(
    ("family", "modality", "kind", "word"),
    [("clip", "visual", "hf_image", "picture"), ("clap", "audio", "hf_audio", "sound")],
)
def test_pictures_and_sound_speak_through_their_own_text_tower(
    tmp_path, world, family, modality, kind, word
):
    folder = with_words(getattr(tiny_models, family)(tmp_path / family))
    settings = {"kind": kind, "model": str(folder)}
    world.spaces = {modality: VectorSpace(settings, "joint")}
    world.put("v", "")
    world.vector("v", modality, base.build(settings).encode([content()])[0][0], "joint")
    world.label()
    evidence = [one["evidence"] for one in world.rows()["v"]["labels"]]
    assert evidence
    assert any(told.startswith(word) for told in evidence)


def test_tags_of_the_catalogue_near_the_words_become_free_tags(world):
    world.put("a", "a red fox", tags=["fox", "snow"])
    world.put("b", "a red fox", tags=["fox"])
    world.put("c", "a red fox")
    world.label(free_tags=3)
    tags = world.rows()["c"]["free_tags"]
    assert "fox" in tags
    assert "fox" not in world.rows()["b"]["free_tags"]


def test_heads_learn_the_catalogues_categories_and_name_those_of_others(world):
    for i in range(60):
        title, category = ("jazz", "Music") if i % 2 else ("a red fox", "Fox")
        world.put(f"v{i:02d}", title, category=category)
    world.put("new", "jazz")
    report = world.label(head_min_videos=40, head_min_class=10, min_score=0.4)
    (head,) = report.heads
    assert head.used
    assert head.macro_f1 > head.base_macro_f1
    learned = given(world.rows()["new"])["category", "Music"]
    assert learned["evidence"] == "learned from the catalogue"
    assert ("category", "Fox") not in given(world.rows()["v00"])
    assert world.label(head_min_videos=40, head_min_class=10, min_score=0.4).done == 0
    assert (world.tables.root / "heads" / "heads.json").exists()


@pytest.mark.parametrize("make", [tiny_describers.captioner, tiny_describers.chat_model])
def test_a_model_that_writes_is_named_as_the_writer(tmp_path, world, make):
    folder = make(tmp_path / "describer")
    world.put("v", "a red fox")
    world.picture("v", (200, 30, 30))
    world.put("w", "without a picture")
    asked = GenerativeConfig(model=str(folder), max_tokens=5, prompt="a red fox")
    world.label(generative=asked)
    row = world.rows()["v"]
    assert row["summary_by"] == str(folder)
    assert row["summary"]
    assert world.rows()["w"]["summary_by"] == "words"
    assert world.label(generative=asked).done == 0
    assert world.label(generative=asked.model_copy(update={"prompt": "jazz"})).done == 2


def test_catalogue_carries_labels(world):
    world.put("a", "a red fox")
    world.label()
    videos = load_catalogue(world.tables).videos
    assert videos["summary"].to_list() == ["a red fox"]
    assert videos["labels"][0].to_list()[0]["facet"] == "topic"
    assert videos["group_id"].to_list() == [None]


def test_a_missing_label_file_is_named(world):
    world.put("a", "a red fox")
    with pytest.raises(ConfigError, match="cannot be read"):
        world.label(labels=str(world.root / "gone.toml"))


def test_an_empty_catalogue_is_fine(world):
    assert world.label().done == 0


@pytest.mark.parametrize(
    "title", ["Track 12", "IMG_2041", "untitled", "Sin título", "無題 3", "42"]
)
def test_a_title_of_nothing_gets_no_label_however_low_the_threshold(world, title):
    world.put("v", title)
    world.put("fox", "a red fox")
    world.label(min_score=0.0)
    rows = world.rows()
    assert rows["v"]["labels"] == []
    assert rows["fox"]["labels"] != []
    assert all(one["evidence"] for one in rows["fox"]["labels"])


def test_words_beside_a_title_of_nothing_still_give_labels(world):
    world.put("v", "Track 12", description="an evening of jazz")
    world.label(min_score=0.0)
    assert given(world.rows()["v"])


def answer(world, video_id, name, *, facet="topic", holds=True):
    give_answer(world.tables, video_id, name, facet=facet, holds=holds)


def test_what_a_person_said_stands_above_every_guess_and_can_be_taken_back(world):
    world.put("a", "a red fox")
    world.put("b", "jazz")
    world.label()
    before = given(world.rows()["a"])
    answer(world, "a", "music")
    answer(world, "a", "cosy", facet="mood", holds=False)
    answer(world, "a", "my own word", facet="tag")
    assert world.label().done == 1  # the other video stays as it is
    labels = given(world.rows()["a"])
    assert labels["topic", "music"]["score"] == 1.0
    assert labels["topic", "music"]["evidence"] == "said by a person"
    assert ("topic", "animals") not in labels  # one topic holds
    assert ("mood", "cosy") not in labels
    assert ("tag", "my own word") in labels
    for name, facet in (("music", "topic"), ("cosy", "mood"), ("my own word", "tag")):
        assert take_back(world.tables, "a", name, facet=facet)
    assert not take_back(world.tables, "a", "music", facet="topic")
    world.label()
    after = given(world.rows()["a"])
    assert after.keys() == before.keys()
    assert all(one["evidence"] == before[key]["evidence"] for key, one in after.items())


def test_answers_outlive_a_changed_title_and_other_ways_of_labelling(world):
    world.put("a", "a red fox")
    answered = Tables(world.root / "data")
    world.label()
    answer(world, "a", "music")
    world.put("a", "snow")
    (world.root / "labels.toml").write_text('[topic.labels]\n"music" = ["a"]\n"y" = ["snow"]')
    world.label()
    assert given(world.rows()["a"])["topic", "music"]["score"] == 1.0
    assert len(read_answers(answered)) == 1


def test_answers_teach_a_head_that_labels_the_other_videos(world):
    words = ["red", "fox", "dog", "snow", "bread"]
    for i in range(30):
        kind = "jazz evening" if i % 2 else "bake bread"
        world.put(f"v{i:02}", f"{kind} {words[i % 5]} {words[i % 3]}")
    world.label()
    for i in range(20):
        answer(world, f"v{i:02}", "liked", facet="tag", holds=bool(i % 2))
    report = world.label(min_score=0.4)
    (head,) = report.heads
    assert (head.name, head.videos) == ("tag liked", 20)
    assert head.used
    rows = world.rows()
    learned = [i for i in range(20, 30) if ("tag", "liked") in given(rows[f"v{i:02}"])]
    assert learned == [21, 23, 25, 27, 29]
    assert given(rows["v21"])["tag", "liked"]["evidence"] == "learned from answers"


@pytest.mark.parametrize(
    ("video_id", "name", "said"),
    [
        ("nobody", "music", "no video has the id 'nobody'"),
        ("a", " ", "must be 1 to 80 printable characters"),
        ("a", "x" * 81, "must be 1 to 80 printable characters"),
        ("a", "two\nlines", "must be 1 to 80 printable characters"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(world, video_id, name, said):
    world.put("a", "a red fox")
    world.label()
    with pytest.raises(DataError, match=said):
        answer(world, video_id, name)
    assert read_answers(world.tables).is_empty()


def test_the_most_uncertain_videos_come_first_and_answered_ones_never(world):
    for i, title in enumerate(["a red fox", "dog", "jazz", "an evening of jazz", "fox jazz dog"]):
        world.put(f"v{i}", title)
    world.label()
    config = SemanticsConfig(labels=str(world.root / "labels.toml"))

    def ask(**options):
        asked = {"facet": "topic", "label": "", "count": 2} | options
        return uncertain_videos(world.tables, config, world.spaces, **asked)

    found = ask(count=5)
    assert len({one.video_id for one in found}) == 5
    assert all(0 <= one.uncertainty <= 1 for one in found)
    answer(world, found[0].video_id, found[0].label)
    assert found[0].video_id not in {one.video_id for one in ask(count=5)}
    assert {one.label for one in ask(label="music")} == {"music"}
    with pytest.raises(DataError, match="no facet of the label file is called 'colour'"):
        ask(facet="colour")
    with pytest.raises(DataError, match="facet 'topic' has no label 'red'"):
        ask(label="red")
