"""The page in a browser: it plays, counts what was watched, filters, explains, and takes back."""

import json

import av
import numpy as np
import polars as pl
import pytest

from kinoloop.schema import VIDEOS
from kinoloop.testing.service import running
from kinoloop.testing.toy import toy_catalogue
from tests.serving.browser import CHROMIUM, browser
from tests.serving.conftest import Service, make_bundle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which no package index has"),
]

HOSTILE = '<img src=x onerror="window.hurt=1"> \u202eevil ' + "w" * 300
PINNED = "v001"
SETTINGS = f"""[serving]
spare_workers = 0
export_s = 0.2
[policy]
pins = [{{ video_id = "{PINNED}", place = 2 }}]
"""
DRAWN = "document.querySelectorAll('#slate .card:not(.ghost)').length > 2"
CARDS = "[...document.querySelectorAll('#slate .card')].map((one) => one.dataset.id)"
DIALOG = "document.querySelector('dialog[open]')"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service beside the tables and the film that they name; one title is hostile."""
    folder = tmp_path_factory.mktemp("page")
    catalogue = toy_catalogue()
    titles = [HOSTILE if name == PINNED else name for name in catalogue.ids.ids]
    videos = catalogue.videos.with_columns(pl.Series("title", titles), creator_id=pl.lit("ann"))
    catalogue = type(catalogue)(catalogue.ids, catalogue.published_at, videos, catalogue.modalities)
    rows = [{"video_id": name, "title": name, "media": "film.webm"} for name in catalogue.ids.ids]
    pl.DataFrame(rows, schema=VIDEOS).write_delta(str(folder / "data/videos"))
    write_film(folder / "state/landing/film.webm")
    (folder / "kinoloop.toml").write_text(SETTINGS)
    settings = {
        "KINOLOOP_SETTINGS_FILE": str(folder / "kinoloop.toml"),
        "KINOLOOP_DATA_DIR": str(folder / "data"),
    }
    bundle = make_bundle(folder / "bundle", catalogue=catalogue)
    with running(folder / "state", bundle=bundle, **settings) as url:
        yield Service(url, folder)


def write_film(path):
    """Eight seconds that any Chromium plays."""
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        for at in range(80):
            picture = np.full((36, 64, 3), at * 3, dtype=np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode())


@pytest.fixture(scope="module")
def page(tmp_path_factory, service):
    with browser(tmp_path_factory.mktemp("profile")) as page:
        page.resize(1280, 900)
        page.open(f"{service.url}/?user=u001")
        page.wait_for(DRAWN)
        yield page


def told(service, event):
    """Events of a kind that have reached the landing zone."""
    files = (service.folder / "state/landing/events/feedback").glob("*.jsonl")
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [row for row in rows if row["event"] == event]


def wait_for_told(page, service, event):
    for _ in range(600):
        if rows := told(service, event):
            return rows
        page.evaluate("new Promise((done) => setTimeout(done, 100))")
    raise AssertionError(f"no {event} has reached the landing zone")


def test_a_clip_plays_and_what_was_watched_of_it_is_counted(page, service):
    page.evaluate("document.querySelector('#slate .card:nth-child(3) .watch').focus()")
    page.press("Enter")  # of a person, so that it plays at once
    page.wait_for("document.querySelector('#player video')?.currentTime > 1.5")
    assert page.evaluate("document.querySelector('#progress-row').hidden")
    shown = page.evaluate(CARDS)[2]
    page.press("Escape")
    page.wait_for("document.querySelector('#memory li.view')")
    (view,) = wait_for_told(page, service, "view")
    assert (view["video_id"], view["position"], view["device"]) == (shown, 2, "desktop")
    assert 1 <= view["watch_s"] <= 9
    lineage = service.ask(f"/lineage/{view['request_id']}").body
    assert lineage["videos"][2] == shown


def test_a_part_of_a_clip_is_a_part_of_the_file(service):
    film = (service.folder / "state/landing/film.webm").read_bytes()
    answer = service.ask("/clips/v003", headers={"Range": "bytes=4-99"})
    assert (answer.status, answer.headers["content-type"]) == (206, "video/webm")
    assert answer.headers["content-range"] == f"bytes 4-99/{len(film)}"
    assert answer.headers["x-content-type-options"] == "nosniff"
    beyond = service.ask("/clips/v003", headers={"Range": f"bytes={len(film)}-"})
    assert (beyond.status, beyond.headers["content-type"]) == (416, "application/problem+json")
    unknown = service.ask("/clips/v999")
    assert (unknown.status, unknown.body["error"]) == (404, "unknown_video")


def test_the_keyboard_alone_reaches_everything(page):
    page.evaluate("document.querySelector('#filter-open').click()")  # opens, and has the focus
    page.evaluate("document.activeElement.blur()")
    page.evaluate("document.querySelector('.brand').focus()")
    reached = set()
    for _ in range(30):
        page.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
        styles = "getComputedStyle(document.activeElement)"
        seen = f"{styles}.outlineStyle !== 'none' || {styles}.borderColor !== 'rgb(42, 46, 58)'"
        assert page.evaluate(seen), reached
    page.evaluate("document.querySelector('#filter-open').click()")
    of_page = {"query", "user", "stranger", "theme"}
    of_filters = {"filter-open", "filter-column", "filter-how", "filter-value"}
    of_cards = {"undo", "frame", "watch", "like", "skip", "similar", "more"}
    assert of_page | of_filters | of_cards <= reached


def test_a_filter_holds_until_it_is_removed(page):
    page.evaluate("document.querySelector('#filter-open').click()")
    page.evaluate("document.querySelector('#filter-column').value = 'category'")
    page.evaluate("document.querySelector('#filter-value').focus()")
    page.type("cooking")
    page.press("Enter")
    page.wait_for("document.querySelector('#filters li')")
    only = "[...document.querySelectorAll('#slate .card')].every((one) => one.dataset.id % 2 === 0)"
    even = only.replace("one.dataset.id", "one.dataset.id.slice(1)")
    page.wait_for(f"{DRAWN} && {even}")
    assert "cooking" in page.evaluate("document.querySelector('#filters').innerText")
    page.evaluate("document.querySelector('#filters .undo').click()")
    page.wait_for(f"{DRAWN} && !({even})")


def test_it_says_why_and_takes_less_of_a_video_and_takes_that_back(page, service):
    page.wait_for(f"{CARDS}[1] === '{PINNED}'")
    page.evaluate(f"document.querySelector('[data-id={PINNED}] .more').focus()")
    page.press("Enter")
    page.wait_for("document.querySelectorAll('#more-less li').length === 2")
    why = page.evaluate("document.querySelector('#more-why').innerText")
    assert "to 2 by a pin." in why or "Put at place 2 by a pin." in why
    page.press("Enter")  # what has the focus in the dialog: not this video
    page.wait_for("document.querySelector('#memory li.not_interested')")
    page.wait_for(f"{DRAWN} && !{CARDS}.includes('{PINNED}')")
    page.evaluate("document.querySelector('#memory .not_interested .undo').focus()")
    page.press("Enter")
    page.wait_for(
        f"!document.querySelector('#memory .not_interested') && {CARDS}[1] === '{PINNED}'"
    )
    (undone,) = wait_for_told(page, service, "undo")
    assert (undone["undoes"], undone["video_id"]) == ("not_interested", PINNED)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)])
def test_hostile_titles_are_harmless_and_fit_every_screen(page, theme, size):
    page.resize(*size)
    if page.evaluate("document.documentElement.dataset.theme") != theme:
        page.evaluate("document.querySelector('#theme').click()")
    page.wait_for(f"{DRAWN} && {CARDS}.includes('{PINNED}')")
    wide = "[...document.querySelectorAll('body, .card, dialog[open], dialog[open] *')]"
    fits = f"{wide}.every((one) => one.getBoundingClientRect().right <= innerWidth + 1)"
    assert page.evaluate(fits)
    assert page.evaluate(
        "[...document.querySelectorAll('.card')].every((card) => [...card.querySelectorAll('*')]"
        ".every((one) => one.getBoundingClientRect().right"
        " <= card.getBoundingClientRect().right + 1))"
    )
    assert page.faint() == []
    for opens in (".watch", ".more"):
        page.evaluate(f"document.querySelector('[data-id={PINNED}] {opens}').click()")
        page.wait_for(DIALOG)
        assert page.evaluate(fits)
        assert page.faint() == []
        page.press("Escape")
        page.wait_for(f"!{DIALOG}")
    page.evaluate(f"document.querySelector('[data-id={PINNED}] .like').click()")
    page.wait_for("document.querySelector('#memory li.like')")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate("document.querySelector('#memory .like .undo').click()")
    page.wait_for("!document.querySelector('#memory li.like')")
    assert page.evaluate("window.hurt === undefined")
