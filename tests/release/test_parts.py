"""What a bundle may hold, and that damage of any byte of it is a `BundleError` and nothing else."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from kinoloop.errors import BundleError
from kinoloop.release.files import digests
from kinoloop.release.info import read_info, verify, write_info
from kinoloop.release.parts import check_digest
from kinoloop.release.release import Release
from tests.release import tiny


def reseal(bundle):
    """Make all digests right again, as whoever changes a bundle on purpose would."""
    write_info(bundle, read_info(bundle).model_copy(update={"files": digests(bundle)}))


@pytest.mark.parametrize(
    "name",
    ["model/model.py", "extra.npy", "vectors/deep/text.npy", "model/state.pt", "golden.json.bak"],
)
def test_what_is_no_part_is_refused_by_name(bundle, name):
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_bytes(b"print('hello')")
    with pytest.raises(BundleError, match=rf"'{name}' is not a part of a bundle"):
        Release.open(bundle)


@pytest.mark.parametrize("name", ["../outside.npy", "/etc/passwd", "model/../golden.json", "a\0"])
def test_a_listed_path_that_leads_elsewhere_is_refused(bundle, name):
    info = read_info(bundle)
    write_info(bundle, info.model_copy(update={"files": {**info.files, name: "0" * 64}}))
    with pytest.raises(BundleError, match="is not a part of a bundle"):
        Release.open(bundle)


def test_links_are_refused_even_where_their_content_agrees(bundle, tmp_path):
    (bundle / "golden.json").rename(tmp_path / "golden.json")
    (bundle / "golden.json").symlink_to(tmp_path / "golden.json")
    with pytest.raises(BundleError, match=r"'golden\.json' is a link"):
        Release.open(bundle)


def test_linked_folders_are_refused(bundle, tmp_path):
    (bundle / "model").rename(tmp_path / "model")
    (bundle / "model").symlink_to(tmp_path / "model")
    with pytest.raises(BundleError, match="'model' is a link"):
        Release.open(bundle)


def test_what_is_no_regular_file_is_refused(bundle):
    (bundle / "golden.json").unlink()
    os.mkfifo(bundle / "golden.json")
    with pytest.raises(BundleError, match="is not a regular file"):
        Release.open(bundle)


@pytest.mark.parametrize("digest", ["../../../x", "", "ABCDEF" * 11, "a" * 65, "a" * 63 + "\n"])
def test_a_digest_is_64_hex_digits(digest):
    with pytest.raises(BundleError, match="version 3 has the digest"):
        check_digest(digest, "version 3")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda a: np.full_like(a, np.nan), "not finite"),
        (lambda a: np.where(np.arange(a.size).reshape(a.shape), a, np.inf), "not finite"),
        (np.zeros_like, r"all 1 arrays of weights are zero"),
    ],
)
def test_weights_that_are_none_are_refused_though_all_digests_agree(bundle, change, says):
    state = load_file(bundle / "model" / "state.safetensors")
    state["together"] = np.ascontiguousarray(change(state["together"]))
    save_file(state, bundle / "model" / "state.safetensors")
    reseal(bundle)
    with pytest.raises(BundleError, match=says):
        Release.open(bundle)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_vectors_that_compare_with_nothing_are_refused(bundle, value):
    vectors = np.load(bundle / "vectors" / "text.npy")
    vectors[3] = value
    np.save(bundle / "vectors" / "text.npy", vectors)
    reseal(bundle)
    with pytest.raises(BundleError, match=r"1 vectors that should be there are zero or not finite"):
        Release.open(bundle)


@pytest.mark.parametrize("shape", [(8,), (8, 0), (8, 2, 4)])
def test_vectors_that_are_no_matrix_are_refused(bundle, shape):
    np.save(bundle / "vectors" / "text.npy", np.ones(shape, dtype=np.float32))
    reseal(bundle)
    with pytest.raises(BundleError, match="expected a matrix with one row"):
        Release.open(bundle)


@pytest.mark.parametrize(
    ("golden", "says"),
    [
        ("[]", "0 golden requests"),
        ('[{"request": {"ask": "recommend", "history": []}, "answer": []}]', "1 golden requests"),
        ("{}", "cannot be read"),
        ("not json", "cannot be read"),
    ],
)
def test_golden_requests_that_prove_nothing_are_refused(bundle, golden, says):
    (bundle / "golden.json").write_text(golden)
    reseal(bundle)
    with pytest.raises(BundleError, match=says):
        Release.open(bundle).check()


@pytest.mark.parametrize("score", ["NaN", "Infinity", "-Infinity"])
def test_golden_answers_that_are_not_finite_are_refused(bundle, score):
    golden = json.loads((bundle / "golden.json").read_text())
    golden[0]["answer"][0][1] = float(score)
    (bundle / "golden.json").write_text(json.dumps(golden))
    reseal(bundle)
    with pytest.raises(BundleError, match=r"answer\.0\.1: Input should be a finite number"):
        Release.open(bundle).check()


def _mutants(content, rng):
    """Truncations and bit flips of one file."""
    yield b""
    yield content[: len(content) // 2]
    yield content[:-1]
    yield content + b"\0"
    for at in rng.integers(0, len(content), 4).tolist():
        mutant = bytearray(content)
        mutant[at] ^= 1 << int(rng.integers(0, 8))
        yield bytes(mutant)


@pytest.mark.parametrize("trust", [tiny.TRUST, None], ids=["signed", "digests alone"])
def test_no_damage_of_any_file_escapes_as_another_error(bundle, trust):
    tiny.SIGNER.sign(bundle)
    rng, tried = np.random.default_rng(0), 0
    for path in [p for p in sorted(bundle.rglob("*")) if p.is_file()]:
        if trust is None and path.name == "bundle.sig":
            continue
        whole = path.read_bytes()
        for mutant in _mutants(whole, rng) if whole else [b"x"]:
            path.write_bytes(mutant)
            with pytest.raises(BundleError):
                Release.open(bundle, trust)
            tried += 1
        path.write_bytes(whole)
    assert tried > 150
    verify(bundle, trust)


def test_no_damage_under_right_digests_escapes_as_another_error(bundle):
    """Digests are hashed first; should they agree all the same, parsers raise what they like."""
    rng = np.random.default_rng(1)
    for path in [p for p in sorted(bundle.rglob("*")) if p.is_file() and p.name != "bundle.json"]:
        whole = path.read_bytes()
        for mutant in _mutants(whole, rng) if whole else [b"x"]:
            path.write_bytes(mutant)
            reseal(bundle)
            try:
                Release.open(bundle).check()
            except BundleError:
                continue
        path.write_bytes(whole)
