import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redis import Redis
from typer.testing import CliRunner

from kinoloop.cli.main import app
from kinoloop.data.catalogue import Catalogue
from kinoloop.environment import Environment
from kinoloop.models.base import build
from kinoloop.privacy.key_file import secret_key
from kinoloop.privacy.pseudonyms import Pseudonyms
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Provenance
from kinoloop.testing.redis_server import redis_server
from kinoloop.testing.service import KEY, SIGNER, free_port, running
from kinoloop.testing.toy import toy_catalogue, toy_histories
from serving.state import LiveState, open_state

JPEG = b"\xff\xd8 not quite a picture \xff\xd9"
SETTINGS = (
    "[serving]\nworkers = 2\nexport_s = 0.5\npoll_s = 0.5\nmax_body_kb = 64\nmax_events = 50\n"
    "spare_workers = 0\n"
)


class Answer(NamedTuple):
    status: int
    body: Any
    headers: dict[str, str]


class Service(NamedTuple):
    url: str
    folder: Path

    def ask(self, path: str, body: Any = None, *, raw: bytes | None = None, **kw) -> Answer:
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **kw.pop("headers", {})}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, **kw)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return _answer(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as err:
            return _answer(err.code, err.read(), err.headers)


def _answer(status, content, headers) -> Answer:
    kind = headers.get("content-type", "")
    body = json.loads(content) if "json" in kind else content.decode(errors="replace")
    return Answer(status, body, {key.lower(): value for key, value in headers.items()})


def operator_key(folder: Path) -> str:
    """Key of a service's operators; the service makes it when it first needs it, as this does."""
    return secret_key(Environment(state_dir=folder / "state"), "operator").hex()


def make_bundle(
    directory: Path,
    *,
    kind: str = "item_knn",
    seed: int = 0,
    catalogue: Catalogue | None = None,
    thumbnails: Sequence[tuple[str, bytes]] = (("v000", JPEG),),
) -> Path:
    catalogue = catalogue or toy_catalogue(seed=seed)
    histories = toy_histories(catalogue, seed=seed)
    pseudonyms = Pseudonyms(bytes.fromhex(KEY))
    users = tuple(pseudonyms.of_all(histories.user_ids))
    histories = type(histories)(**{**vars(histories), "user_ids": users})
    write_bundle(
        directory,
        recommender=build({"kind": kind}).fit(histories, catalogue),
        catalogue=catalogue,
        histories=histories,
        provenance=Provenance(name=kind, dataset_version=f"data-{seed}", key_id=pseudonyms.key_id),
        thumbnails=thumbnails,
    )
    SIGNER.sign(directory)
    return directory


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("release") / "bundle")


@pytest.fixture(scope="session")
def service(tmp_path_factory, bundle):
    """The real service, two workers, over real HTTP."""
    folder = tmp_path_factory.mktemp("service")
    settings = folder / "kinoloop.toml"
    settings.write_text(SETTINGS)
    with running(folder / "state", bundle=bundle, KINOLOOP_SETTINGS_FILE=str(settings)) as url:
        yield Service(url, folder)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """A real Redis server, one for the session."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(params=["sqlite", "redis"])
def state_url(request, tmp_path) -> str:
    """Address of a live state that is empty: each test that opens it runs on both stores."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/live.db"
    url = request.getfixturevalue("redis_url")
    with Redis.from_url(url) as redis:
        redis.flushall()
    return url


@pytest.fixture
def new_state(state_url, tmp_path) -> Iterator[Callable[[], LiveState]]:
    """Open the live state once more, as another worker or another machine would."""
    opened = []

    def new() -> LiveState:
        given = Environment(state_url=state_url, state_dir=tmp_path, pseudonym_key=KEY)
        opened.append(open_state(given))
        return opened[-1]

    yield new
    for state in opened:
        state.shut()


@pytest.fixture
def state(new_state) -> LiveState:
    """A live state; every test of it runs on both stores."""
    return new_state()


@pytest.fixture
def run(tmp_path, monkeypatch, bundle):
    for name, value in {
        "STATE_DIR": str(tmp_path / "state"),
        "SERVICE_PORT": str(free_port()),
        "PSEUDONYM_KEY": KEY,
        "TRUSTED_KEYS": SIGNER.public,
        "BUNDLE": str(bundle),
        "SETTINGS_FILE": str(tmp_path / "none.toml"),
    }.items():
        monkeypatch.setenv(f"KINOLOOP_{name}", value)
    for name in ("BENTOML_HOME", "PREFECT_HOME", "PREFECT_CLI_PROMPT", "MLFLOW_TRACKING_URI",
                 "PREFECT_RESULTS_DEFAULT_SERIALIZER", "PREFECT_SERVER_LOGGING_LEVEL"):  # fmt: skip
        monkeypatch.setenv(name, str(tmp_path))  # the command sets them: back after the test
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *words: CliRunner().invoke(app, ["recommend", *words], catch_exceptions=True)
