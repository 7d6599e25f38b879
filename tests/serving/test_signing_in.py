"""The page in a browser, where the service asks for tokens."""

import io
from datetime import UTC, datetime

import polars as pl
import pytest
from PIL import Image

from kinoloop.environment import Environment
from kinoloop.privacy.tokens import add_token, new_token, tokens_file
from kinoloop.schema import VIDEOS
from kinoloop.testing.service import running
from kinoloop.testing.toy import toy_catalogue
from tests.serving.browser import CHROMIUM, browser
from tests.serving.conftest import make_bundle
from tests.serving.test_page import write_film

pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which no package index has"),
]


def jpeg() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (16, 9), "red").save(content, "JPEG")
    return content.getvalue()


def test_a_person_signs_in_by_keyboard_and_the_token_stays_in_the_tab(tmp_path):
    state, picture = tmp_path / "state", jpeg()
    pictures = [(video, picture) for video in sorted(toy_catalogue().ids.ids)]
    bundle = make_bundle(tmp_path / "bundle", thumbnails=pictures)
    secret, token = new_token("person", ["recommend", "feedback"], now=datetime.now(UTC))
    add_token(tokens_file(Environment(state_dir=state)), token)
    (tmp_path / "kinoloop.toml").write_text("[serving]\nspare_workers = 0\n")
    write_film(state / "landing/film.webm")
    rows = [{"video_id": video, "title": video, "media": "film.webm"} for video, _ in pictures]
    pl.DataFrame(rows, schema=VIDEOS).write_delta(str(tmp_path / "data/videos"))
    settings = {
        "KINOLOOP_SETTINGS_FILE": str(tmp_path / "kinoloop.toml"),
        "KINOLOOP_DATA_DIR": str(tmp_path / "data"),
    }
    with (
        running(state, bundle=bundle, **settings) as url,
        browser(tmp_path / "profile") as page,
    ):
        page.open(f"{url}/?user=u000")
        page.wait_for("document.querySelector('#sign-in[open]')")
        assert page.evaluate("document.activeElement.id") == "token"
        page.type("kl_not-a-token")
        page.press("Enter")
        page.wait_for("document.querySelector('#sign-in-why').textContent")
        assert page.evaluate("document.querySelector('#sign-in-why').textContent") == (
            "The token is unknown."
        )
        page.type(secret)
        page.press("Enter")
        page.wait_for("document.querySelectorAll('#slate .card:not(.ghost)').length === 12")
        assert not page.evaluate("document.querySelector('dialog[open]') !== null")
        page.wait_for(  # pictures out of sight wait
            "[...document.querySelectorAll('#slate img')].some("
            "(one) => one.src.startsWith('blob:') && one.naturalWidth === 16)"
        )
        page.wait_for("document.querySelector('#facts a')")
        page.evaluate("document.querySelector('#facts a').click()")
        page.wait_for("document.querySelector('#paper[open]')")
        assert '"endpoint"' in page.evaluate("document.querySelector('#paper-text').textContent")
        page.press("Escape")
        page.wait_for("!document.querySelector('#paper[open]')")
        page.evaluate("document.querySelector('.card .watch').click()")  # an address has no token
        page.wait_for("document.querySelector('#player video')?.readyState > 1")
        assert page.evaluate("document.querySelector('#player video').src").startswith("blob:")
        page.press("Escape")
        page.wait_for("!document.querySelector('#player[open]')")
        page.evaluate("document.querySelector('.card button.like').click()")
        page.wait_for("document.querySelector('#memory li.like')")

        kept = page.evaluate(
            "[location.href, document.cookie, JSON.stringify(localStorage),"
            " performance.getEntries().map((entry) => entry.name).join()].join()"
        )
        assert secret not in kept
        assert page.evaluate("JSON.stringify(sessionStorage)").count(secret) == 1
        page.evaluate("document.querySelector('#sign-out').click()")
        page.wait_for("document.querySelector('#sign-in[open]')")
        assert page.evaluate("sessionStorage.length") == 0
        page.press("Escape")  # once, though the page asks for several things by itself
        page.wait_for("document.querySelector('#notice:not([hidden])')")
        assert "carries no token" in page.evaluate("document.querySelector('#notice').textContent")
        page.wait_for("document.querySelector('#slate').ariaBusy === 'false'")
        assert not page.evaluate("document.querySelector('dialog[open]') !== null")
        page.evaluate("document.querySelector('#notice button').click()")
        page.wait_for("document.querySelector('#sign-in[open]')")
        page.evaluate("document.querySelector('#sign-in-not').click()")  # where there is no Escape
        page.wait_for("document.querySelector('#notice:not([hidden])')")
        assert not page.evaluate("document.querySelector('dialog[open]') !== null")
