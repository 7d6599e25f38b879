import json

import polars as pl
import pytest
from typer.testing import CliRunner

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.tables import Tables
from kinoloop.environment import Environment
from kinoloop.schema import VIDEOS
from kinoloop.testing.clips import bar_clip
from tasks.due import is_extraction_due
from tests.encoders import tiny_models


@pytest.fixture
def landing(tmp_path, monkeypatch, prefect_server):
    """A landing zone with a clip and a text named .mp4, and settings with a tiny text model."""
    model = tiny_models.text(tmp_path / "model")
    (tmp_path / "kinoloop.toml").write_text(
        "[extract]\nencoders = [\n"
        f'  {{ kind = "hf_text", model = "{model}", max_tokens = 32 }},\n'
        '  { kind = "classical_visual" },\n]\n[extract.guard]\nworkers = 1\n'
    )
    for name, value in {
        "DATA_DIR": tmp_path / "data",
        "STATE_DIR": tmp_path / "state",
        "LANDING": tmp_path / "landing",
        "SETTINGS_FILE": tmp_path / "kinoloop.toml",
    }.items():
        monkeypatch.setenv(f"KINOLOOP_{name}", str(value))
    (tmp_path / "landing").mkdir()
    bar_clip(tmp_path / "landing" / "good.mp4", seconds=0.4)
    (tmp_path / "landing" / "fake.mp4").write_text("no video")
    rows = [
        {"video_id": name, "title": "red fox", "media": f"{name}.mp4"} for name in ("good", "fake")
    ]
    pl.DataFrame(rows, schema=VIDEOS).write_delta(str(tmp_path / "data" / "videos"))
    return tmp_path / "landing"


def test_flow_extracts_versions_and_leaves_an_artifact(landing):
    from prefect.client.orchestration import get_client

    from flows.extract import extract

    assert is_extraction_due(Environment())
    report = extract()
    assert not is_extraction_due(Environment())
    assert report.extraction.outcomes == {"ok": 1, "quarantined": 1}
    assert report.extraction.reasons == {"not_media": 1}
    assert report.dataset_version.startswith("tables-")
    assert report.labels.done == 2
    assert report.duplicates.compared == 1
    assert len(load_catalogue(Tables(landing.parent / "data")).modalities) == 2
    again = extract()
    assert again.extraction.done == again.labels.done == again.duplicates.compared == 0
    assert again.dataset_version == report.dataset_version
    with get_client(sync_client=True) as client:
        shown = [a for a in client.read_artifacts() if a.key == "extract"]
    assert any("| not_media | 1 |" in artifact.data for artifact in shown)
    assert any("2 of 2 videos were labelled" in artifact.data for artifact in shown)


def test_labels_and_duplicates_can_be_switched_off(landing):
    from flows.extract import extract

    settings = landing.parent / "kinoloop.toml"
    off = "[semantics]\nenabled = false\n[duplicates]\nenabled = false\n"
    settings.write_text(settings.read_text() + off)
    report = extract()
    assert report.extraction.done == 2
    assert report.labels.done == report.duplicates.compared == 0


def test_verb_extract_tells_what_it_did(landing):
    from kinoloop.cli.main import app

    done = CliRunner().invoke(app, ["extract"])
    assert done.exit_code == 0, done.output
    assert "media: 1 ok, 1 quarantined" in done.output
    assert "not read: 1 not_media" in done.output
    assert "2 of 2 videos in" in done.output
    assert "labelled 2 videos; 0 videos in 0 groups of duplicates" in done.output


def test_verb_prune_removes_what_a_new_encoder_replaced(landing, monkeypatch):
    from flows.extract import extract
    from kinoloop.cli.main import app

    monkeypatch.setenv("KINOLOOP_MLFLOW_URI", f"sqlite:///{landing.parent / 'mlflow.db'}")
    before = extract()
    settings = landing.parent / "kinoloop.toml"
    settings.write_text(
        settings.read_text().replace('"classical_visual"', '"classical_visual", side = 64')
    )
    extract()
    done = CliRunner().invoke(app, ["prune"])
    assert done.exit_code == 0, done.output
    assert f"2 vectors of {before.extraction.fingerprints['visual']}" in done.output
    again = CliRunner().invoke(app, ["prune"])
    assert "Nothing to remove: every vector and every release is in use." in again.output


def test_verb_probe_prints_one_json_line_a_file(landing):
    from kinoloop.cli.main import app

    done = CliRunner().invoke(app, ["probe", str(landing), str(landing / "gone.mp4")])
    assert done.exit_code == 0, done.output
    fake, good, gone = (json.loads(line) for line in done.stdout.splitlines())
    assert (fake["outcome"], fake["reason"]) == ("quarantined", "not_media")
    assert (good["outcome"], good["frames"], good["streams"]) == ("ok", 8, ["h264", "aac"])
    assert good["seconds"] > 0
    assert good["peak_memory_mb"] > 10
    assert gone["reason"] == "not_found"
