from datetime import UTC, datetime

import numpy as np
import polars as pl

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.tables import Tables
from kinoloop.data.video_text import texts_of
from kinoloop.encoders import base
from kinoloop.encoders.efficientnet_lite import TENSORS, WEIGHTS
from kinoloop.encoders.embedded import load_tensors
from kinoloop.release.bundle import SEARCHED
from kinoloop.schema import FEATURES, MEDIA, VIDEOS
from kinoloop.semantics.channels import words_channel
from kinoloop.semantics.config import SemanticsConfig
from kinoloop.semantics.label_file import Facet
from kinoloop.semantics.moments import describe_moments
from kinoloop.semantics.occurrences import Part, occurrences, update_occurrences
from kinoloop.semantics.spaces import VectorSpace

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS = Facet(
    "event",
    {
        "door opens": ("a door opens", "somebody opens the door"),
        "car arrives": ("a car arrives", "a vehicle drives up"),
        "someone sings": ("a person sings a song", "singing"),
    },
    ("people talk", "something is said"),
    many=False,
)


def said(encoder, start_s, end_s, text, source="words"):
    vector = encoder.encode_documents([text])[0]
    return Part(start_s, end_s, text=text, source=source, vector=vector)


def test_labels_have_a_start_and_an_end():
    encoder = base.build({"kind": "minilm"})
    parts = [
        Part(0.0, 4.0, shows=(("dog", 0.7),)),
        Part(4.0, 9.0, shows=(("dog", 0.9), ("sofa", 0.5))),
        said(encoder, 12.0, 14.0, "Listen, somebody opens the door!"),
        said(encoder, 30.0, 33.0, "A vehicle drives up", source="screen"),
        Part(20.0, 22.0, text="[Glass breaks] [ 12 ]", source="subtitles"),
        Part(40.0, 44.0, shows=(("dog", 0.6),)),
    ]
    found = occurrences(parts, words_channel([EVENTS], encoder), least=0.4)
    rows = [(one["facet"], one["label"], one["start_s"], one["end_s"]) for one in found]
    assert rows == sorted(rows, key=lambda row: row[2])
    assert ("shows", "dog", 0.0, 9.0) in rows  # joined
    assert ("shows", "dog", 40.0, 44.0) in rows  # again, later
    assert ("event", "door opens", 12.0, 14.0) in rows
    assert ("event", "car arrives", 30.0, 33.0) in rows  # to be read
    assert ("sound", "glass breaks", 20.0, 22.0) in rows
    assert not [row for row in rows if row[1] in {"12", "someone sings"}]
    told = {one["label"]: one["evidence"].split()[0] for one in found}
    assert (told["door opens"], told["car arrives"]) == ("words", "screen")
    assert told["glass breaks"] == "subtitles"
    first = next(one for one in found if one["label"] == "dog")
    assert (round(first["score"], 2), first["evidence"]) == (0.9, "picture 0.90")


def test_table_follows_what_extraction_found_and_is_served_and_searched(tmp_path):
    tables, config = Tables(tmp_path / "data"), SemanticsConfig()
    spaces = {
        "text": VectorSpace({"kind": "minilm"}, "words"),
        "visual": VectorSpace({"kind": "efficientnet_lite"}, "look"),
    }
    pomeranian = load_tensors(WEIGHTS, TENSORS)["_fc.weight"][259].numpy()
    videos = [{"video_id": name, "title": "IMG_1"} for name in ("a", "b")]
    pl.DataFrame(videos, schema=VIDEOS).write_delta(str(tables.path("videos")))
    part = {"start_s": 3.0, "end_s": 6.0, "vector": unit(pomeranian).astype(np.float16).tobytes()}
    row = {"video_id": "a", "modality": "visual", "fingerprint": "look", "present": True}
    row |= {"vector": unit(pomeranian).tolist(), "moments": [part], "extracted_at": NOW}
    pl.DataFrame([row], schema=FEATURES).write_delta(str(tables.path("features")))

    def extracted(content):
        cue = {"start_s": 12.0, "end_s": 14.0, "text": "[door creaks]"}
        seen = {"start_s": 20.0, "end_s": 21.0, "text": "(thunder)", "score": 0.9}
        row = {"video_id": "a", "content_hash": content, "cues": [cue], "screen": [seen]}
        row |= {"extracted_at": NOW}
        frame = pl.DataFrame([row], schema=MEDIA)
        frame.write_delta(str(tables.path("media")), mode="overwrite")

    extracted("one")
    assert update_occurrences(tables, config, spaces) == 0  # its moments are not described
    assert describe_moments(tables, config, spaces) == 1
    assert update_occurrences(tables, config, spaces) == 1
    assert update_occurrences(tables, config, spaces) == 0
    extracted("two")
    assert describe_moments(tables, config, spaces) == 1
    assert update_occurrences(tables, config, spaces) == 1
    shown = load_catalogue(tables, {}).videos
    listed = dict(zip(shown["video_id"], shown["occurrences"].to_list(), strict=True))
    assert listed["b"] is None
    when = {one["label"]: (one["start_s"], one["end_s"]) for one in listed["a"]}
    assert when["door creaks"] == (12.0, 14.0)
    assert when["thunder"] == (20.0, 21.0)
    assert when["dog"] == (3.0, 6.0)
    assert "door creaks" in texts_of(shown, SEARCHED)[shown["video_id"].to_list().index("a")]


def unit(vector):
    return vector / np.linalg.norm(vector)
