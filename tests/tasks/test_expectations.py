"""Great Expectations counts what the masks count: one rule, two readings."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from kinoloop.ingestion.rule import IngestConfig, Limits
from kinoloop.ingestion.rules import RULES
from kinoloop.schema import EVENT_KINDS
from tasks.expectations import ValidationReport
from tests.ingestion.landing_zone import NOW, Zone

RUN = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = IngestConfig(chunk_rows=100, max_unreadable_share=1.0, max_quarantined_share=1.0)


ODD_KINDS = ("stare", "undo", "identify", "not_interested")


def odd_events(rng, rows):
    """Rows of which about one in ten values is odd in each column."""

    def some(good, *odd):
        chosen = rng.choice(len(odd), rows)
        keep = rng.random(rows) > 0.1
        return [good(i) if keep[i] else odd[chosen[i]] for i in range(rows)]

    day = NOW - timedelta(days=3)
    return pl.DataFrame(
        {
            "user_id": some(lambda i: f"user{i % 20}", None, "", "1.0", "u" * 2049, "a\u200bb\tc"),
            "video_id": some(lambda i: f"v{i % 3}", None, "v99"),
            "timestamp": some(
                lambda i: (day + timedelta(seconds=i)).isoformat(),
                None,
                "x",
                "1960-01-01",
                "2030-01-01",
                "9999-01-01",
            ),
            "event": some(lambda i: EVENT_KINDS[i % 10], None, *ODD_KINDS),
            "watch_s": some(lambda i: str(i % 9), "-1", "nan", "inf", "1e9", "x", None, "0"),
            "value": some(lambda i: "3", "nan", "x", None, None, None, None),
            "duration_s": some(lambda i: "5", "0", "-1", "nan", "inf", "x", None),
            "logged_date": some(lambda i: "2025-12-29", "2024-01-01", "x", None),
            "logged_hour": some(lambda i: "8", "3", "x", None),
            "utc_offset_h": some(lambda i: "8", "x", None),
            "position": some(lambda i: str(i % 9), "-1", "x", "0.5", None),
            "score": some(lambda i: "0.5", "x", None),
            "propensity": some(lambda i: "1", "0", "1.5", "x", None),
            "pseudonym": some(lambda i: None, "anna"),
            "label": some(lambda i: "Music", "misuc", None),
            "context": some(lambda i: '{"network": "wifi"}', '{"network": [1]}', "[" * 2000),
        }
    )


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("zone")
    zone = Zone(root)
    zone.put("videos/0.csv", "video_id,title,category\nw0,A,music\n")
    zone.ingest(CONFIG)
    zone.put(
        "videos/a.csv",
        "video_id,title,duration_s,published_at,tags,media,subtitles\nv0,A,10,2025-01-01,a,,\n"
        "v1,,0,1960-01-01,[,,\nv2,C,nan,2031-01-01,,,\n,D,inf,x,,,\nv0,other,1,,,,\nv3,E,-1,,,,\n"
        "v4,F,x,,,,\n7.0,G,,,,https://u:p@host/a.mp4,https://u:p@host/a.vtt\n"
        f"{'v' * 2049},H,,,,,\na\x07b,I,,,,,\n",
    )
    zone.put(
        "videos/b.csv",
        "video_id,title,available_from,available_until,hidden\n"
        "v8,A,x,,\nv9,B,,x,\nv10,C,,,x\nv11,D,2025-01-01,,true\n"
        "v12,E,,,\nv13,F,,,\nv14,G,,,\nv15,H,,,\n",
    )
    zone.put("events/a.parquet", odd_events(rng, 450))
    report = ValidationReport(root / "state", Limits(CONFIG, NOW))
    staged = zone.ingest(CONFIG, observe=report)
    return report, staged, root / "state"


def test_counts_of_great_expectations_are_those_of_the_masks(observed):
    report, staged, _ = observed
    found = {**report.unexpected("videos"), **report.unexpected("events")}
    assert found == staged.findings()
    untouched = {r.name for r in RULES if r.kind != "volume"} - set(found)
    assert untouched == set()


def test_data_docs_are_built_and_hold_no_user_id(observed):
    report, staged, state = observed
    index = report.write("batch", RUN)
    assert index == (state / "data_docs" / "index.html").resolve()
    pages = list((state / "data_docs" / "validations").rglob("*.html"))
    assert {page.stem for page in pages} == {"videos", "events", "volume"}
    for path in state.rglob("*"):
        if path.is_file():
            assert b"user1" not in path.read_bytes(), path
    assert staged.total("rows") == 468


def test_results_of_chunks_add_up_to_all_rows(observed):
    report, _, _ = observed
    (result,) = {r.result["element_count"] for r in report._results["events"].results}
    assert result == 450


def test_index_lists_earlier_batches(observed):
    report, _, state = observed
    report.write("first", RUN)
    later = ValidationReport(state, Limits(CONFIG, NOW))
    later("volume", pl.DataFrame({"share_of_mean": [0.5], "breaks_volume_low": [False]}))
    index = later.write("second", RUN)
    assert "first" in index.read_text()
    assert "second" in index.read_text()
