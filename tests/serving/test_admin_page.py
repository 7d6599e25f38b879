"""The operator's view in a browser: on a desktop and a phone, dark and light, by keyboard alone."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from kinoloop.environment import Environment
from kinoloop.privacy.tokens import add_token, new_token, tokens_file
from kinoloop.registry.client import ModelRegistry
from kinoloop.registry.runs import Runs
from kinoloop.testing.service import running
from kinoloop.testing.toy import toy_catalogue
from tests.serving.browser import CHROMIUM, browser
from tests.serving.conftest import Service, make_bundle
from tests.serving.test_on_record import DRIFT, FIRST, WORSE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which no package index has"),
]

DONE = {"promoted": "evidence"}
HOSTILE = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>\u202eevil' + "w" * 400
SETTINGS = "[serving]\nspare_workers = 0\nimpressions_s = 0.2\n"
FILM = bytes(4) + b"ftypisom" + bytes(5 * 2**20)
DRAWN = "document.querySelectorAll('#panels .panel').length === 8"


@pytest.fixture(scope="module")
def secrets():
    return {}


@pytest.fixture(scope="module")
def service(tmp_path_factory, secrets):
    """A service that follows a registry with decisions, drift and a hostile creator."""
    folder = tmp_path_factory.mktemp("operation")
    state, now = folder / "state", datetime.now(UTC)
    catalogue = toy_catalogue()
    videos = catalogue.videos.with_columns(
        pl.Series("creator_id", [HOSTILE if i % 2 else "ann" for i in range(len(catalogue))])
    )
    bundle = make_bundle(
        folder / "bundle",
        catalogue=type(catalogue)(
            catalogue.ids, catalogue.published_at, videos, catalogue.modalities
        ),
    )
    state.mkdir()
    uri = f"sqlite:///{state / 'mlflow.db'}"
    runs, registry = Runs(uri), ModelRegistry(uri)
    run_id = runs.start("knn", key="k", params={}, tags={})
    registry.set_alias("champion", registry.register(bundle, run_id=run_id, tags=DONE).version)
    hostile = {**WORSE, "notes": [HOSTILE]}
    for name, record in (("20260501", FIRST), ("20260502", hostile)):
        runs.log_text(run_id, json.dumps(record), f"decisions/{name}T100000.json")
    runs.log_text(run_id, json.dumps(DRIFT), "drift/20260502T030000.json")
    for name in ("admin", "recommend"):
        secrets[name], token = new_token(name, [name], now=now)
        add_token(tokens_file(Environment(state_dir=state)), token)
    (folder / "kinoloop.toml").write_text(SETTINGS)
    settings = {"KINOLOOP_SETTINGS_FILE": str(folder / "kinoloop.toml"), "KINOLOOP_MLFLOW_URI": uri}
    with running(state, **settings) as url:
        yield Service(url, folder)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


def test_an_operator_signs_in_and_sees_what_goes_on(service, page, secrets):
    service.ask("/recommend", {"user_id": "u1"}, headers=_bearer(secrets["recommend"]))
    page.open(f"{service.url}/admin")
    page.wait_for("document.querySelector('#sign-in[open]')")
    page.type(secrets["recommend"])
    page.press("Enter")
    page.wait_for("document.querySelector('#notice:not([hidden]) button')")  # of another scope
    assert "does not open this" in page.evaluate("document.querySelector('#notice').innerText")
    page.evaluate("document.querySelector('#notice button').click()")
    page.wait_for("document.querySelector('#sign-in[open]')")
    page.type(secrets["admin"])
    page.press("Enter")
    page.wait_for(DRAWN)
    shown = page.evaluate("document.body.innerText")
    for text in ("Version 1", "item_knn", "Refused", "coverage: 1 %, required 5 %", "0.1900",
                 "Drift: 1 of 2 tests fired.", "/recommend", "every video is scored"):  # fmt: skip
        assert text.lower() in shown.lower(), text
    assert secrets["admin"] not in page.evaluate("[location.href, document.cookie].join()")


def test_who_is_shown_is_drawn_and_hostile_names_are_harmless(service, page):
    page.wait_for(
        "document.querySelector('#again').click() ||"
        " document.querySelector('[aria-label=\"Exposure by creator\"] .shares')"
    )
    names = page.evaluate(
        "[...document.querySelectorAll('[aria-label=\"Exposure by creator\"] .name')]"
        ".map((one) => one.textContent)"
    )
    assert set(names) == {"ann", HOSTILE}
    assert page.evaluate(
        "window.hurt === undefined && !document.querySelector('main img, main script')"
    )


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_nothing_is_wider_than_the_screen_and_text_can_be_read(page, theme, size):
    page.resize(*size)
    if page.evaluate("document.documentElement.dataset.theme") != theme:
        page.evaluate("document.querySelector('#theme').click()")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.faint() == []


def test_the_keyboard_alone_reaches_everything(page):
    page.resize(1280, 800)
    page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(40):
        page.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.id || document.activeElement.ariaLabel")
        )
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        if reached[-1] == "sign-out":
            break
    for name in ("again", "theme", "Decisions", "Errors and latency by route", "upload-file",
                 "upload-name", "upload-send", "raw", "sign-out"):  # fmt: skip
        assert name in reached, name


def test_a_clip_is_uploaded_and_lands_whole(service, page):
    page.evaluate(
        "(() => { const film = new Uint8Array(12 + 5 * 2 ** 20);"
        " film.set(new TextEncoder().encode('ftypisom'), 4);"
        " const given = new DataTransfer(); given.items.add(new File([film], 'film.mp4'));"
        " document.querySelector('#upload-file').files = given.files;"
        " document.querySelector('#upload-name').value = 'A film';"
        " document.querySelector('#upload-tags').value = 'a, b';"
        " document.querySelector('#upload-form').requestSubmit(); })()"
    )
    page.wait_for("document.querySelector('#upload-said').textContent")
    assert "has landed as upload-" in page.evaluate(
        "document.querySelector('#upload-said').textContent"
    )
    landing = service.folder / "state" / "landing"
    (row,) = (landing / "videos/uploads").iterdir()
    told = json.loads(row.read_text())
    assert (told["title"], told["tags"]) == ("A film", ["a", "b"])
    assert (landing / told["media"]).read_bytes() == FILM


def _bearer(secret):
    return {"Authorization": f"Bearer {secret}"}
