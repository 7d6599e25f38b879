"""`kinoloop recommend --all-users` and `--users FILE`: the slates of single requests, in a file."""

import stat

import polars as pl
import pyarrow.parquet as pq
import pytest

from kinoloop.cli import many_slates
from kinoloop.errors import ConfigError, DataError
from kinoloop.privacy.pseudonyms import Pseudonyms
from kinoloop.release.release import Release
from kinoloop.release.user_histories import UserHistories
from kinoloop.testing.service import KEY


@pytest.fixture
def out(tmp_path):
    return tmp_path / "far" / "slates.parquet"


def test_every_user_of_the_release_gets_the_slate_that_the_service_gives(
    run,
    service,
    bundle,
    out,
    monkeypatch,
):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(service.folder / "state"))
    monkeypatch.setattr(many_slates, "PIECE", 50)
    result = run("--all-users", "--out", str(out), "--top-k", "5", "--surface", "mail")
    assert result.exit_code == 0, result.exception
    rows = pl.read_parquet(out)
    known = [*UserHistories(bundle / "histories").pseudonyms()]
    assert set(rows["user_id"]) == set(known)
    assert f"{len(known):,} slates, {len(rows):,} places, by model version" in result.output
    assert pq.ParquetFile(out).num_row_groups > 3
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    pseudonyms = Pseudonyms(bytes.fromhex(KEY))
    for user in [f"u{n:03d}" for n in range(20, 30)]:
        answer = service.ask("/recommend", {"user_id": user, "top_k": 5, "surface": "mail"}).body
        mine = rows.filter(pl.col("user_id") == pseudonyms.of(user))
        expected = [(n, p["video_id"], p["score"]) for n, p in enumerate(answer["slate"])]
        assert mine.select("position", "video_id", "score").rows() == expected
        for version in ("model_version", "catalogue_version"):
            assert mine[version].unique().to_list() == [answer[version]]


def test_users_of_a_file_are_named_as_they_are_there(run, out, tmp_path, bundle):
    names = tmp_path / "users.txt"
    names.write_text("\ufeffu001\n\n  stranger \nu002", encoding="utf-8")
    words = ("--users", str(names), "--out", str(out))
    result = run(*words, "-k", "3", "--filter", "category=cooking")
    assert result.exit_code == 0, result.exception
    rows = pl.read_parquet(out)
    assert rows["user_id"].unique(maintain_order=True).to_list() == ["u001", "stranger", "u002"]
    assert rows.schema == pl.Schema(
        {
            "user_id": pl.String,
            "position": pl.Int32,
            "video_id": pl.String,
            "score": pl.Float64,
            "model_version": pl.String,
            "catalogue_version": pl.String,
        }
    )
    videos = Release.open(bundle).catalogue.videos
    cooking = set(videos.filter(pl.col("category") == "cooking")["video_id"])
    assert cooking
    assert set(rows["video_id"]) <= cooking
    result = run(*words, "--filter", "category=of nobody")
    assert "0 slates, 0 places" in result.output
    assert "for 3 users nothing is left" in result.output
    assert pl.read_parquet(out).is_empty()


def test_a_file_that_cannot_be_finished_leaves_the_one_before(run, out, tmp_path):
    out.parent.mkdir()
    out.write_text("before")
    names = tmp_path / "users.txt"
    names.write_text("u001\n" + "u" * 2049)
    result = run("--users", str(names), "--out", str(out))
    assert isinstance(result.exception, DataError)
    assert "line 2: 2049 characters, expected a user id of at most 2048" in str(result.exception)
    assert (out.read_text(), [*out.parent.iterdir()]) == ("before", [out])
    for path, says in ((tmp_path / "none", "cannot be read"), (tmp_path, "cannot be read")):
        result = run("--users", str(path), "--out", str(out))
        assert isinstance(result.exception, DataError)
        assert says in str(result.exception)
    full = tmp_path / "full"
    (full / "below").mkdir(parents=True)
    result = run("--all-users", "--out", str(full))
    assert isinstance(result.exception, DataError)
    assert "cannot be written" in str(result.exception)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--user", "u", "--all-users"),
        ("--all-users",),
        ("--user", "u", "--out", "x"),
        ("--users", "x", "--all-users", "--out", "y"),
    ],
)
def test_says_for_whom_where_it_is_not_clear(run, words):
    result = run(*words)
    assert isinstance(result.exception, ConfigError)
    assert "--all-users" in str(result.exception)
