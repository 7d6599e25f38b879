import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from kinoloop.drift.base import Scene
from kinoloop.drift.detect import Drift, DriftConfig, detect
from kinoloop.drift.report import ReportFacts, facts_of, render, verdict, write
from kinoloop.testing.drifting import make_world, windows_of

NOW = datetime(2026, 2, 9, 12, 30, 1, tzinfo=UTC)
CONFIG = DriftConfig(
    tests=(
        {"kind": "mix", "column": "event"},
        {"kind": "mix", "column": "category", "of": "new_videos"},
        {"kind": "numeric", "column": "watch_share"},
        {"kind": "quality"},
    )
)


@pytest.fixture(scope="module")
def world():
    return make_world(1, users=40, drift_from=28)


@pytest.fixture(scope="module")
def drift(world):
    return detect(Scene(windows_of(world), world.catalogue), CONFIG)


@pytest.fixture(scope="module")
def page(world, drift):
    about = ReportFacts(
        NOW, facts_of(windows_of(world)), "version 3 <b>", "1234.dir", 0.05, "A run was started."
    )
    return render(drift, about)


def test_loads_nothing_from_outside(page):
    found = []

    class Sources(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.extend(value for key, value in attrs if key in {"src", "href"})

    Sources().feed(page)
    assert found
    assert all(source.startswith("data:image/svg+xml;base64,") for source in found)
    assert not re.search(r"<script|<link|@import|url\(", page)


def test_holds_no_user_id(world, page):
    assert not any(user in page for user in world.events["user_id"].unique())
    assert "secret-user" not in page


def test_says_the_verdict_and_the_reasons(page):
    assert "Drift: 2 of 2 tests fired." in page
    assert "A run was started." in page
    assert re.search(r"<b>Mix of event:</b> &#x27;skip&#x27; went from 1\d% to \d\d%", page)
    assert "there is no champion yet" in page


def test_escapes_what_comes_from_data(page):
    assert "version 3 &lt;b&gt;" in page


def test_every_test_has_a_row_with_its_threshold(page):
    assert page.count("fires at") == 4
    assert page.count('class="badge none"') == 2


def test_the_same_results_give_the_same_page(world, drift, page):
    about = ReportFacts(
        NOW, facts_of(windows_of(world)), "version 3 <b>", "1234.dir", 0.05, "A run was started."
    )
    assert render(drift, about) == page


def test_no_results_are_said_so():
    nothing = Drift((), fired=False)
    page = render(
        nothing, ReportFacts(NOW, facts_of(None), "", "1234.dir", 0.05, "Nothing was done.")
    )
    why = "Not enough data to look for drift: none of the "
    assert verdict(nothing).startswith(why)
    assert "next: kinoloop ingest of more events, or lower min_users" in verdict(nothing)
    assert "none yet" in page


def test_one_fired_test_can_be_too_few(drift):
    assert verdict(Drift(drift.results, fired=False)) == (
        "No drift is called: 2 of 2 tests fired, too few. 2 more had not enough data."
    )


def test_file_is_named_after_the_time_and_appears_whole(tmp_path):
    path = write(tmp_path / "reports", "<p>page</p>", created=NOW)
    assert path.name == "drift-20260209T123001000000.html"
    assert path.read_text() == "<p>page</p>"
    assert list(path.parent.iterdir()) == [path]
