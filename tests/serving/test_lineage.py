import os

import pytest

from serving import lineage as module
from serving.lineage import Lineage

VERSIONS = {"model_version": "7", "dataset_version": "d", "run_id": None}


@pytest.fixture
def lineage(tmp_path):
    return Lineage(tmp_path / "lineage", max_days=1, max_bytes=10_000)


def test_an_answer_is_found_by_its_request_id(lineage):
    first = lineage.record("recommend", ["v1", "v2"], VERSIONS)
    second = lineage.record("similar", ["v3"], VERSIONS)
    found = lineage.find(first)
    assert found["videos"] == ["v1", "v2"]
    assert found["model_version"] == "7"
    assert found["answered_at"].endswith("+00:00")
    assert lineage.find(second)["endpoint"] == "similar"


def test_another_worker_finds_it_too(lineage, tmp_path):
    request_id = lineage.record("recommend", ["v1"], VERSIONS)
    other = Lineage(tmp_path / "lineage", max_days=1, max_bytes=10_000)
    assert other.find(request_id)["videos"] == ["v1"]


def test_a_request_id_can_not_be_guessed_nor_lead_out_of_the_folder(lineage):
    request_id = lineage.record("recommend", ["v1"], VERSIONS)
    segment, offset, _ = request_id.split("-")
    for wrong in (f"{segment}-{offset}-{'0' * 16}", f"{segment}-5-{'0' * 16}", "", "x",
                  "../../etc/passwd", f"{segment}-{offset}", request_id + "\n"):  # fmt: skip
        assert lineage.find(wrong) is None


def test_a_full_disk_still_gives_an_answer(lineage, monkeypatch, caplog):
    def full(descriptor, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    request_id = lineage.record("recommend", ["v1"], VERSIONS)
    assert lineage.find(request_id) is None
    assert "could not be written" in caplog.text


def test_segments_roll_over_and_both_are_read(lineage, monkeypatch, tmp_path):
    first = lineage.record("recommend", ["v1"], VERSIONS)
    monkeypatch.setattr(module, "SEGMENT_BYTES", 10)
    second = lineage.record("recommend", ["v2"], VERSIONS)
    assert len(list((tmp_path / "lineage").iterdir())) == 2
    assert lineage.find(first)["videos"] == ["v1"]
    assert lineage.find(second)["videos"] == ["v2"]


def test_old_segments_are_deleted_the_one_in_use_never(lineage, monkeypatch):
    old = lineage.record("recommend", ["v1"], VERSIONS)
    monkeypatch.setattr(module, "SEGMENT_BYTES", 10)
    new = lineage.record("recommend", ["v2"], VERSIONS)
    for path in lineage.folder.iterdir():
        os.utime(path, (0, 0))
    assert lineage.forget() == 1
    assert lineage.find(old) is None
    assert lineage.find(new) is not None


def test_the_size_of_all_segments_is_bounded(lineage, monkeypatch):
    monkeypatch.setattr(module, "SEGMENT_BYTES", 1000)
    ids = [lineage.record("recommend", ["v" * 200], VERSIONS) for _ in range(100)]
    lineage.forget()
    total = sum(path.stat().st_size for path in lineage.folder.iterdir())
    assert total <= 10_000
    assert lineage.find(ids[0]) is None
    assert lineage.find(ids[-1]) is not None


def test_close_brings_everything_to_the_disk(lineage):
    request_id = lineage.record("recommend", ["v1"], VERSIONS)
    lineage.sync()
    lineage.close()
    lineage.sync()  # a late tick of the background thread is harmless
    assert lineage.find(request_id) is not None
