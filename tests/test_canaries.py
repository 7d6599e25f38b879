"""No secret, no raw user id and no comment where it does not belong: the whole loop, then a search.

Canaries are put wherever a secret or a person can come in: addresses, landing rows good and bad,
feedback, questions, headers. The verbs run as processes, against a real MLflow server, and every
byte of every file that they left is searched; Parquet, which is compressed, is read and searched
too.
"""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest

from kinoloop.testing.redis_server import redis_server
from kinoloop.testing.service import running
from kinoloop.testing.toy import toy_catalogue, toy_histories

SETTINGS = """
[extract]
encoders = []
[semantics]
enabled = false
[duplicates]
enabled = false
[retrain]
min_interactions = 50
min_users = 5
validation_days = 4
test_days = 6
candidates = [{ kind = "popularity" }, { kind = "item_knn" }]
[ranker]
enabled = false
[promote]
min_users = 5
"""
NOT_EVEN_IN_TABLES = (
    *("good user", "quarantined user", "malformed user", "spaced user", "quoted user"),
    *("media password", "media signature", "subtitle password", "mlflow password"),
    "redis password",
    *("pseudonym key", "cloud secret", "told user", "refused user", "asking user", "liking user"),
    *("unknown key", "cookie", "bearer", "query of a request"),
)
IN_TABLES_ONLY = ("comment", "told comment", "searched words")


@pytest.fixture
def canary():
    """A name's canary: bytes that stand nowhere by chance."""
    known: dict[str, str] = {}
    return lambda name: known.setdefault(name, f"{secrets.token_hex(32)}")


@pytest.mark.slow
@pytest.mark.e2e
def test_canaries_are_found_nowhere_after_the_whole_loop(tmp_path, canary):
    home = tmp_path / "home"
    _land(home / "landing", canary)
    (home / "kinoloop.toml").write_text(SETTINGS)
    with _mlflow(home) as address:
        variables = _variables(home, address, canary)
        _run(home, variables, "loop")
        _serve(home, variables, canary)
        with redis_server(home / "redis", password=canary("redis password")) as redis:
            _serve(home, {**variables, "KINOLOOP_STATE_URL": redis.url}, canary)
        assert b"outbox" in (home / "redis" / "appendonly.aof").read_bytes()
        _run(home, variables, "ingest")
    files = [
        path
        for path in home.rglob("*")
        if path.is_file() and not path.is_relative_to(home / "landing")
    ]
    assert len(files) > 100
    found = {
        (name, str(path.relative_to(home)))
        for path in files
        for name in (*NOT_EVEN_IN_TABLES, *IN_TABLES_ONLY)
        if canary(name).encode() in _content(path)
        and not (name in IN_TABLES_ONLY and path.is_relative_to(home / "data" / "events"))
    }
    assert found == set()
    assert (home / "state").stat().st_mode & 0o077 == 0


def test_a_canary_would_be_found_in_compressed_tables(tmp_path, canary):
    path = tmp_path / "table.parquet"
    pl.DataFrame({"text": [[canary("x")]] * 1000}).write_parquet(path, compression="zstd")
    assert canary("x").encode() in _content(path)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".parquet":
        content += pl.read_parquet(path).write_json().encode()
    return content


def _land(landing: Path, canary) -> None:
    catalogue = toy_catalogue(40)
    histories = toy_histories(catalogue, 60, seed=0)
    rows = []
    for row, user in enumerate(histories.user_ids):
        name = canary("good user") if row == 0 else user
        for at in range(int(histories.offsets[row]), int(histories.offsets[row + 1])):
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
                microseconds=int(histories.timestamps[at])
            )
            video = catalogue.ids.ids[int(histories.videos[at])]
            rows.append(f"{name},{video},{moment.isoformat()},view,")
    at, video = rows[0].split(",")[2], rows[0].split(",")[1]
    rows += [
        f"{canary('quarantined user')},no-such-video,{at},view,",
        f"{canary('malformed user')},{video},{at},view,,too,many",
        f"  {canary('spaced user')} ,{video},{at},view,",
        f'{canary("quoted user")},{video},{at},comment,a "stray quote',
        f"u1,{video},{at},comment,{canary('comment')}",
        f"u1,,{at},search,{canary('searched words')}",
    ]
    lines = ["user_id,video_id,timestamp,event,text", *rows]
    (landing / "events").mkdir(parents=True)
    (landing / "events" / "e.csv").write_text("\n".join(lines) + "\n")
    videos = catalogue.videos.select("video_id", "title").with_columns(
        media=pl.lit(None, pl.String), subtitles=pl.lit(None, pl.String)
    )
    extra = pl.DataFrame(
        {
            "video_id": ["with-password", "with-signature"],
            "title": ["A", "B"],
            "media": [
                f"https://me:{canary('media password')}@media.invalid/a.mp4",
                f"https://media.invalid/b.mp4?X-Amz-Signature={canary('media signature')}",
            ],
            "subtitles": [f"https://me:{canary('subtitle password')}@media.invalid/a.srt", None],
        }
    )
    (landing / "videos").mkdir()
    pl.concat([videos, extra]).write_csv(landing / "videos" / "v.csv")


def _variables(home: Path, address: str, canary) -> dict[str, str]:
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("KINOLOOP_", "PREFECT_"))},
        "KINOLOOP_DATA_DIR": str(home / "data"),
        "KINOLOOP_LANDING": str(home / "landing"),
        "KINOLOOP_STATE_DIR": str(home / "state"),
        "KINOLOOP_SETTINGS_FILE": str(home / "kinoloop.toml"),
        "KINOLOOP_PSEUDONYM_KEY": canary("pseudonym key"),
        "KINOLOOP_MLFLOW_URI": f"http://me:{canary('mlflow password')}@{address}",
        "AWS_SECRET_ACCESS_KEY": canary("cloud secret"),
    }


def _run(home: Path, variables: dict[str, str], verb: str) -> None:
    with (home / f"{verb}.log").open("ab") as log:
        done = subprocess.run(
            [sys.executable, "-m", "kinoloop.cli", "--verbose", verb],
            cwd=home, env=variables, stdout=log, stderr=log, check=False,
        )  # fmt: skip
    assert done.returncode == 0, (home / f"{verb}.log").read_text()[-3000:]


def _serve(home: Path, variables: dict[str, str], canary) -> None:
    settings = {k: v for k, v in variables.items() if k.startswith(("KINOLOOP_", "AWS_"))}
    with running(home / "state", **settings) as url, httpx.Client(base_url=url, timeout=600) as ask:
        videos = [row["video_id"] for row in ask.post(
            "/recommend", json={"user_id": canary("asking user"), "top_k": 3}
        ).json()["slate"]]  # fmt: skip
        told = {"user_id": canary("told user"), "video_id": videos[0]}
        events = [
            {**told, "event": "view", "watch_s": 3},
            {**told, "event": "comment", "text": canary("told comment")},
            {"user_id": canary("refused user"), "video_id": videos[0], "event": "no such event"},
            {"user_id": canary("liking user"), "video_id": videos[1], "event": "like"},
        ]
        answer = ask.post("/feedback", json={"events": events}).json()
        assert (answer["accepted"], answer["rejected"]) == (3, 1)
        ask.post("/recommend", json={"user_id": "u", canary("unknown key"): 1})
        ask.post("/search", json={"query": canary("query of a request")})
        secret = {"Cookie": f"s={canary('cookie')}", "Authorization": f"Bearer {canary('bearer')}"}
        ask.post("/recommend", json={"user_id": "u"}, headers=secret)
        ask.get(f"/videos/{canary('asking user')}")


@contextlib.contextmanager
def _mlflow(home: Path):
    """A real MLflow server; its address without a scheme."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"),
        *("--port", address.rpartition(":")[2], "--backend-store-uri", f"sqlite:///{home}/m.db"),
        *("--artifacts-destination", str(home / "artifacts")),
    ]
    home.mkdir(exist_ok=True)
    with (home / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(
            command,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + 1200
        while time.monotonic() < end and server.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://{address}/health", timeout=5).is_success:
                    break
            time.sleep(0.5)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)
