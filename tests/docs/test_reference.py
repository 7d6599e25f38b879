"""The pages that are made from the code leave nothing of it out."""

import pytest
import typer
from docs_hook import GENERATED, REMOTE
from docs_reference import FIRST

import kinoloop
import kinoloop.client
from kinoloop.cli.main import app
from kinoloop.drift.base import DRIFT_TESTS
from kinoloop.encoders.base import ENCODERS
from kinoloop.environment import Environment
from kinoloop.ingestion.importers.base import IMPORTERS
from kinoloop.models.base import RECOMMENDERS
from kinoloop.settings import SECTIONS


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("recommenders", [f"## {name} " for name in RECOMMENDERS.names()]),
        ("encoders", [f"## {name} " for name in ENCODERS.names()]),
        ("importers", [f"## {name}\n" for name in IMPORTERS.names()]),
        ("drift-tests", [f"## {name} " for name in DRIFT_TESTS.names()]),
        ("settings", [f"## [{name}] " for name in SECTIONS]),
        ("environment", [f"`KINOLOOP_{name.upper()}`" for name in Environment.model_fields]),
        ("commands", [f"## kinoloop {verb} " for verb in typer.main.get_command(app).commands]),
        (
            "http-api",
            [f" {path}\n" for path in ("/recommend", "/feedback", "/lineage/{request_id}")],
        ),
        ("metrics", ["ndcg.ndcg", "recall.hit_rate", "coverage.coverage"]),
        ("errors", [".ConfigError", ".MediaError"]),
        ("client", [f".client.{name}\n" for name in kinoloop.client.__all__]),
        ("interfaces", [".Recommender\n", ".EncoderContract\n"]),
    ],
)
def test_each_thing_stands_on_its_page(page, expected):
    text = GENERATED[f"reference/{page}.md"]()
    assert [line for line in expected if line not in text] == []


def test_the_library_shows_each_public_name():
    text = GENERATED["reference/library.md"]()
    assert all(f"::: kinoloop.{name}\n" in text or f"`{name}`" in text for name in kinoloop.__all__)
    assert [text.index(f"::: kinoloop.{name}\n") for name in FIRST] == sorted(
        text.index(f"::: kinoloop.{name}\n") for name in FIRST
    )


@pytest.mark.parametrize(
    ("html", "remote"),
    [
        ('<script src="https://elsewhere.example/a.js"></script>', True),
        ('<link rel="stylesheet" href="//elsewhere.example/a.css">', True),
        ('<img alt="" src=http://elsewhere.example/a.png>', True),
        ('<a href="https://elsewhere.example/">a link is followed by people only</a>', False),
        ('<script src="assets/a.js"></script><link rel="stylesheet" href="a.css">', False),
    ],
)
def test_a_page_that_loads_from_another_host_is_noticed(html, remote):
    assert bool(REMOTE.search(html)) is remote
