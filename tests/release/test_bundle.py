import json

import pytest

from kinoloop.data.histories import Histories, Interaction
from kinoloop.data.video_text import texts_of
from kinoloop.errors import BundleError, NotFittedError
from kinoloop.release.bundle import SEARCHED, write_bundle
from kinoloop.release.info import check_files, read_info
from kinoloop.release.release import Release
from tests.release import tiny


def _write(directory, **changes):
    parts = {
        "recommender": tiny.fitted(),
        "catalogue": tiny.catalogue(),
        "histories": tiny.histories(),
    }
    return write_bundle(directory, **{**parts, **changes})


def test_info_survives_the_disk(bundle):
    info = read_info(bundle)
    assert (info.kind, info.name, info.dataset_version) == ("tiny_test", "tiny", "data-1")
    assert (info.videos, info.users) == (8, 3)
    assert info.fingerprints == {"text": "print-of-text", "visual": "print-of-visual"}
    assert info.metrics == {"ndcg@10": 0.5}


def test_same_content_gives_same_digest(tmp_path):
    assert _write(tmp_path / "a").digest == _write(tmp_path / "b").digest


def test_other_content_gives_other_digest(tmp_path):
    less = tiny.histories().last(1)
    assert _write(tmp_path / "a").digest != _write(tmp_path / "b", histories=less).digest


def test_no_file_is_a_pickle(bundle):
    assert {p.suffix for p in bundle.rglob("*") if p.is_file()} <= {
        ".json", ".npy", ".parquet", ".safetensors", ".bin",
    }  # fmt: skip


def test_media_paths_stay_at_home(bundle):
    assert b"/secret/path" not in (bundle / "videos.parquet").read_bytes()


def test_a_bundle_is_never_overwritten(bundle):
    with pytest.raises(BundleError, match="exists already"):
        _write(bundle)


def test_nothing_is_left_when_writing_fails(tmp_path):
    with pytest.raises(NotFittedError, match="not fitted"):
        _write(tmp_path / "b", recommender=tiny.Tiny(tiny.TinyConfig()))
    assert list(tmp_path.iterdir()) == []


def test_one_pseudonym_twice_is_refused(tmp_path):
    rows = [[Interaction(0)], [Interaction(1)]]
    twice = Histories.from_rows(rows, user_ids=["same", "same"])
    with pytest.raises(BundleError, match="one pseudonym"):
        _write(tmp_path / "b", histories=twice)


@pytest.mark.parametrize(
    "name", ["model/state.safetensors", "vectors/text.npy", "golden.json", "videos.parquet"]
)
def test_one_flipped_byte_is_found(bundle, name):
    damaged = bytearray((bundle / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (bundle / name).write_bytes(damaged)
    with pytest.raises(BundleError, match=f"{name} changed"):
        check_files(bundle, read_info(bundle))


def test_missing_and_added_files_are_found(bundle):
    info = read_info(bundle)
    (bundle / "lexical" / "extra.npy").write_bytes(b"")
    with pytest.raises(BundleError, match=r"extra\.npy was added"):
        check_files(bundle, info)
    (bundle / "lexical" / "extra.npy").unlink()
    (bundle / "golden.json").unlink()
    with pytest.raises(BundleError, match=r"golden\.json is missing"):
        check_files(bundle, info)


def test_a_folder_that_is_no_bundle_is_named(tmp_path):
    with pytest.raises(BundleError, match="is not a release bundle"):
        read_info(tmp_path)


def test_a_newer_format_is_refused(bundle):
    document = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**document, "format": 99}))
    with pytest.raises(BundleError, match="damaged: format"):
        read_info(bundle)


@pytest.mark.parametrize("position", [0.1, 0.5, 0.9])
def test_one_flipped_byte_in_the_manifest_is_found(bundle, position):
    path = bundle / "bundle.json"
    damaged = bytearray(path.read_bytes())
    damaged[int(len(damaged) * position)] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(BundleError, match="damaged"):
        read_info(bundle)


def test_histories_without_pseudonyms_are_not_stored(tmp_path):
    anonymous = Histories.from_rows([[Interaction(0)]])
    assert _write(tmp_path / "b", histories=anonymous).users == 0
    Release.open(tmp_path / "b").check()


def test_search_texts_read_what_people_read():
    first, *_ = texts_of(tiny.catalogue().videos, SEARCHED)
    assert first == "Red fox in snow. fox, winter. wild animals"
