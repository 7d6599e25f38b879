from dataclasses import replace

import pytest
import torch

from kinoloop.encoders.efficientnet_lite import TENSORS, WEIGHTS
from kinoloop.encoders.embedded import FOLDER, digest, load_tensors
from kinoloop.encoders.minilm import WEIGHTS as MINILM
from kinoloop.errors import ConfigError, MissingPackageError


@pytest.fixture
def copy(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOLOOP_STATE_DIR", str(tmp_path))
    return tmp_path / FOLDER / f"{WEIGHTS.package}.safetensors"


def test_weights_that_are_not_official_are_refused():
    with pytest.raises(
        ConfigError, match=r"has SHA-256 53aa51.*, expected 000: .*not the official.*--no-deps gt-"
    ):
        replace(MINILM, sha256="000").locate()


def test_package_that_is_missing_is_an_error_that_names_it():
    with pytest.raises(MissingPackageError, match="package 'no_such_package' is not installed"):
        replace(MINILM, package="no_such_package").locate()


def test_is_converted_once(copy):
    first = load_tensors(WEIGHTS, TENSORS)
    written = copy.stat().st_mtime_ns
    again = load_tensors(WEIGHTS, TENSORS)
    assert copy.stat().st_mtime_ns == written
    assert set(first) == set(again)
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize("at", [20, -5])
def test_copy_that_was_changed_is_made_again(copy, caplog, at):
    load_tensors(WEIGHTS, TENSORS)
    sound = copy.read_bytes()
    damaged = bytearray(sound)
    damaged[at] ^= 1
    copy.write_bytes(damaged)
    assert digest(load_tensors(WEIGHTS, TENSORS)) == TENSORS
    assert copy.read_bytes() == sound
    assert str(copy) in caplog.text


def test_tensors_that_torch_reads_otherwise_are_refused(copy):
    with pytest.raises(ConfigError, match=f"have the digest {TENSORS}, expected 000"):
        load_tensors(WEIGHTS, "000")
    assert not copy.exists()


def test_without_a_place_to_write_it_loads_all_the_same(copy, caplog):
    copy.parent.write_text("a file where the folder would be")
    assert digest(load_tensors(WEIGHTS, TENSORS)) == TENSORS
    assert "cannot be written" in caplog.text


def test_digest_knows_names_types_shapes_and_values():
    one = {"a": torch.zeros(2, 3)}
    others = [
        {"b": torch.zeros(2, 3)},
        {"a": torch.zeros(3, 2)},
        {"a": torch.ones(2, 3)},
        {"a": torch.zeros(2, 3, dtype=torch.int32)},
    ]
    assert len({digest(tensors) for tensors in [one, *others]}) == 5
    assert digest({"a": torch.zeros(3, 2).T}) == digest(one)
