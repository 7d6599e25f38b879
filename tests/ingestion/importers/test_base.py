import fsspec
import polars as pl
import pytest

from kinoloop.errors import ConfigError
from kinoloop.ingestion.importers.base import IMPORTERS, Landing, delimited


def test_every_format_is_registered():
    assert IMPORTERS.names() == [
        "kuairand",
        "kuairec",
        "microlens",
        "movielens",
        "recbole",
        "tables",
    ]


def test_an_unknown_format_is_an_error_that_lists_the_known():
    with pytest.raises(ConfigError, match="no importer is called 'netflix'; there are kuairand"):
        IMPORTERS.get("netflix")


def test_importing_again_replaces_shards_by_equal_ones(tmp_path):
    frame = pl.DataFrame({"video_id": ["v1"], "title": ["One"]})
    found = []
    for _ in range(2):
        Landing(str(tmp_path / "landing"), "tables", tmp_path).write("videos", frame)
        (path,) = (tmp_path / "landing" / "videos").iterdir()
        found.append((path.name, path.read_bytes()))
    assert found[0] == found[1]


def test_the_landing_zone_may_be_an_fsspec_url(tmp_path):
    landing = Landing("memory://shop", "tables", tmp_path)
    landing.write("events", pl.DataFrame({"a": [1]}))
    (path,) = fsspec.filesystem("memory").find("/shop")
    assert path.endswith("-00000.parquet")
    assert landing.rows == {"videos": 0, "events": 1}


def test_delimited_files_are_read_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("kinoloop.ingestion.importers.base.BLOCK_BYTES", 7)
    (tmp_path / "t").write_text("1::a\r\n2::bb\n3::c")
    rows = [row for f in delimited(tmp_path / "t", "::", ("n", "x")) for row in f.rows()]
    assert rows == [("1", "a"), ("2", "bb"), ("3", "c")]
