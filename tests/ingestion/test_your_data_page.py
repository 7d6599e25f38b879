"""docs/guides/your-data.md: its example works and its tables leave nothing out."""

import re
from pathlib import Path

import pytest

from kinoloop.ingestion.importers.base import IMPORTERS
from kinoloop.ingestion.importers.table_map import read_map
from kinoloop.ingestion.rule import IngestConfig
from kinoloop.ingestion.rules import RULES
from kinoloop.schema import EVENT_CHECKS, EVENT_KINDS, LANDING_EVENTS, LANDING_VIDEOS

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "your-data.md").read_text(encoding="utf-8")


def test_the_example_is_ingested_as_the_page_says(zone):
    files = re.findall(r"cat > landing/(\S+) <<'(\w+)'\n(.*?)\n\2\n", PAGE, flags=re.DOTALL)
    assert len(files) == 2
    for name, _, content in files:
        zone.put(name, content + "\n")
    staged = zone.ingest()
    counts = [staged.total(n) for n in ("rows", "accepted", "quarantined", "duplicates")]
    stated = re.search(r"2 files +(\d+) +(\d+) +(\d+) +(\d+)", PAGE)
    assert stated is not None
    assert counts == [int(n) for n in stated.groups()]
    assert staged.findings() == {"event_video_unknown": 1}
    assert '"mood":"calm"' in zone.rows("videos").sort("video_id")["extra"][0]


def test_every_rule_stands_in_the_table_with_what_happens():
    rows = [line.split("|") for line in PAGE.splitlines() if line.startswith("| `")]
    stated = {name: row[3].strip() for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    for rule in RULES:
        assert stated.get(rule.name) == IngestConfig().severity(rule), rule.name


@pytest.mark.parametrize("name", [*LANDING_VIDEOS, *LANDING_EVENTS, *EVENT_CHECKS, *EVENT_KINDS])
def test_every_column_and_kind_is_named(name):
    assert f"`{name}`" in PAGE


def test_every_importer_is_named():
    for name in IMPORTERS.names():
        assert f"| `{name}` |" in PAGE


def test_the_map_is_one(tmp_path):
    (example,) = re.findall(r"```toml\n(\[videos\].*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "clips.toml").write_text(example)
    assert read_map(tmp_path / "clips.toml").videos.columns["title"] == "subject"
