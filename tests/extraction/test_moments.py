import numpy as np
import polars as pl

from kinoloop.data.moments import read_moments
from kinoloop.data.tables import Tables
from kinoloop.extraction.moments import moments_of
from kinoloop.media.shots import shots_between
from kinoloop.schema import FEATURES

ONE, OTHER = np.array([1, 0], np.float32), np.array([0, 1], np.float32)


def unpacked(moment):
    return np.frombuffer(moment["vector"], np.float16)


def test_neighbours_of_one_shot_that_show_the_same_are_one_moment():
    times, shots = np.array([1.0, 3.0, 5.0, 7.0]), shots_between([6.0], 8.0)
    found = moments_of(times, shots, np.stack([ONE, ONE, OTHER, OTHER]))
    assert [(m["start_s"], m["end_s"]) for m in found] == [(0.0, 4.0), (4.0, 6.0), (6.0, 8.0)]
    np.testing.assert_array_equal([unpacked(m) for m in found], [ONE, OTHER, OTHER])


def test_without_known_shots_a_video_is_one():
    found = moments_of(np.array([0.0, 2.0]), np.zeros((0, 2)), np.stack([ONE, OTHER]))
    assert [(m["start_s"], m["end_s"]) for m in found] == [(0.0, 1.0), (1.0, 2.0)]
    assert moments_of(np.zeros(0), np.zeros((0, 2)), np.zeros((0, 0), np.float32)) == []


def row(video_id, moments, *, fingerprint="f"):
    return {
        "video_id": video_id,
        "modality": "visual",
        "fingerprint": fingerprint,
        "present": True,
        "moments": moments,
    }


def test_moments_are_read_in_the_order_that_is_asked_for(tmp_path):
    tables = Tables(tmp_path)
    times, shots = np.array([0.5, 1.5]), shots_between([1.0], 2.0)
    both = moments_of(times, shots, np.stack([ONE, OTHER]))
    rows = [row("a", both), row("b", both[:1]), row("c", None), row("a", [], fingerprint="g")]
    pl.DataFrame(rows, schema=FEATURES).write_delta(str(tables.path("features")))
    found = read_moments(tables, ["c", "b", "a"], "f")
    assert found.video.tolist() == [1, 2, 2]
    assert found.start_s.tolist() == [0.0, 0.0, 1.0]
    np.testing.assert_array_equal(found.vectors, np.stack([ONE, ONE, OTHER]))
    assert len(read_moments(tables, ["c"], "f")) == 0


def test_a_table_of_an_older_version_has_no_moments(tmp_path):
    tables = Tables(tmp_path)
    old = {name: kind for name, kind in FEATURES.items() if name != "moments"}
    pl.DataFrame([{"video_id": "a"}], schema=old).write_delta(str(tables.path("features")))
    assert dict(tables.scan("features").collect_schema()) == FEATURES
    assert len(read_moments(tables, ["a"], "f")) == 0
