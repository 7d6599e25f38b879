from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from kinoloop.data.catalogue import load_catalogue, load_thumbnails
from kinoloop.data.tables import Tables
from kinoloop.errors import DataError
from kinoloop.schema import FEATURES, MEDIA, VIDEOS

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def tables(tmp_path):
    return Tables(tmp_path)


def put_videos(tables, dates):
    rows = [{"video_id": v, "title": v.upper(), "published_at": d} for v, d in dates.items()]
    pl.DataFrame(rows, schema=VIDEOS).write_delta(str(tables.path("videos")))


def put_features(tables, fingerprint, vectors, *, modality="text", day=0):
    rows = [
        {
            "video_id": video_id,
            "content_hash": "c",
            "modality": modality,
            "fingerprint": fingerprint,
            "present": vector is not None,
            "vector": vector,
            "extracted_at": START + timedelta(days=day),
        }
        for video_id, vector in vectors.items()
    ]
    frame = pl.DataFrame(rows, schema=FEATURES)
    frame.write_delta(str(tables.path("features")), mode="append")


def test_sorts_videos_by_date_then_id_with_undated_first(tables):
    put_videos(tables, {"b": START, "a": START, "new": START + timedelta(days=1), "undated": None})
    catalogue = load_catalogue(tables)
    assert catalogue.ids.ids == ("undated", "a", "b", "new")
    assert catalogue.videos["video_id"].to_list() == ["undated", "a", "b", "new"]
    assert catalogue.published_at[0] == 0
    assert catalogue.published_at[1] == int(START.timestamp() * 1e6)


def test_is_empty_when_nothing_was_written_yet(tables):
    assert len(load_catalogue(tables)) == 0
    assert load_thumbnails(tables).is_empty()


def test_has_no_modality_when_features_table_is_missing(tables):
    put_videos(tables, {"a": START})
    assert load_catalogue(tables).modalities == {}


def test_has_no_modality_when_features_table_is_empty(tables):
    put_videos(tables, {"a": START})
    pl.DataFrame(schema=FEATURES).write_delta(str(tables.path("features")))
    assert load_catalogue(tables).modalities == {}


def test_places_vectors_and_masks_what_is_missing(tables):
    put_videos(tables, {"a": START, "b": START, "c": START})
    put_features(tables, "f", {"c": [0.0, 1.0], "a": [1.0, 0.0], "b": None, "gone": [1.0, 0.0]})
    text = load_catalogue(tables).modalities["text"]
    assert text.vectors.dtype == np.float32
    np.testing.assert_array_equal(text.vectors, [[1, 0], [0, 0], [0, 1]])
    np.testing.assert_array_equal(text.present, [True, False, True])
    assert load_catalogue(tables).fingerprints == {"text": "f"}


def test_takes_widest_fingerprint_and_newest_of_equals(tables):
    put_videos(tables, {"a": START, "b": START})
    put_features(tables, "old", {"a": [1.0], "b": [1.0]}, day=0)
    put_features(tables, "half way", {"a": [1.0]}, day=2)
    assert load_catalogue(tables).fingerprints == {"text": "old"}
    put_features(tables, "new", {"a": [1.0], "b": [1.0]}, day=1)
    assert load_catalogue(tables).fingerprints == {"text": "new"}


def test_takes_named_fingerprints_only(tables):
    put_videos(tables, {"a": START})
    put_features(tables, "t", {"a": [1.0]})
    put_features(tables, "v", {"a": [1.0]}, modality="visual")
    assert load_catalogue(tables, {"visual": "v"}).fingerprints == {"visual": "v"}


def test_keeps_newest_content_of_a_video(tables):
    put_videos(tables, {"a": START})
    put_features(tables, "f", {"a": [1.0]}, day=1)
    put_features(tables, "f", {"a": [-1.0]}, day=0)
    assert load_catalogue(tables).modalities["text"].vectors.tolist() == [[1.0]]


def test_leaves_out_a_modality_that_no_video_has(tables):
    put_videos(tables, {"a": START, "b": START})
    put_features(tables, "silent", {"a": None, "b": None}, modality="audio")
    put_features(tables, "words", {"a": [1.0, 0.0]})
    assert set(load_catalogue(tables).modalities) == {"text"}


def test_refuses_unknown_fingerprint(tables):
    put_videos(tables, {"a": START})
    with pytest.raises(DataError, match=r"no text features have the fingerprint 'x'; run"):
        load_catalogue(tables, {"text": "x"})


def test_refuses_vectors_of_two_lengths(tables):
    put_videos(tables, {"a": START, "b": START})
    put_features(tables, "f", {"a": [1.0], "b": [1.0, 0.0]})
    with pytest.raises(DataError, match=r"have lengths \[1, 2\], expected one length"):
        load_catalogue(tables)


def test_loads_newest_thumbnail_of_each_video(tables):
    rows = [
        {"video_id": "a", "thumbnail": b"old", "extracted_at": START},
        {"video_id": "a", "thumbnail": b"new", "extracted_at": START + timedelta(days=1)},
        {"video_id": "b", "thumbnail": None, "extracted_at": START},
    ]
    pl.DataFrame(rows, schema=MEDIA).write_delta(str(tables.path("media")))
    assert load_thumbnails(tables).rows() == [("a", b"new")]
