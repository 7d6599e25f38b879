import numpy as np
import pytest

from kinoloop.data.joint import JOINT, Joint
from kinoloop.errors import BundleError
from kinoloop.testing.toy import BARE_VIDEO, grown_catalogue, toy_catalogue


@pytest.fixture
def catalogue():
    return toy_catalogue()


@pytest.fixture
def joint(catalogue):
    rng = np.random.default_rng(0)
    dims = {name: m.vectors.shape[1] for name, m in catalogue.modalities.items()}
    return Joint(
        weights={n: rng.standard_normal((5, d)).astype(np.float32) for n, d in dims.items()},
        means={n: np.full(d, 0.1, dtype=np.float32) for n, d in dims.items()},
        reads=catalogue.fingerprints,
        measured={"held_out_loss": 1.5},
    )


def _unit(vector):
    return vector / np.linalg.norm(vector)


def test_is_the_sum_of_what_a_video_has_and_missing_only_where_all_is(catalogue, joint):
    catalogue.modalities["visual"].present[3] = False
    made = joint.added_to(catalogue).modalities[JOINT]
    said = {
        name: _unit(joint.weights[name] @ (catalogue.modalities[name].vectors[4] - 0.1))
        for name in ("text", "visual")
    }
    assert made.vectors[4] == pytest.approx(_unit(said["text"] + said["visual"]), abs=1e-5)
    text = _unit(joint.weights["text"] @ (catalogue.modalities["text"].vectors[3] - 0.1))
    assert made.vectors[3] == pytest.approx(text, abs=1e-5)
    assert np.flatnonzero(~made.present).tolist() == [BARE_VIDEO]
    assert not made.vectors[BARE_VIDEO].any()


def test_later_videos_get_theirs_and_the_others_keep_every_bit(joint, catalogue):
    before = joint.added_to(catalogue).modalities[JOINT]
    after = grown_catalogue(3)
    moved = np.arange(40) == 5
    grown = joint.grown(after.modalities, before, moved)
    kept = np.flatnonzero(~moved)
    assert np.array_equal(grown.vectors[kept], before.vectors[kept])
    expected, _ = joint.of(after.modalities, np.array([5, 40, 41, 42]))
    assert np.array_equal(grown.vectors[[5, 40, 41, 42]], expected)
    assert grown.present[40:].tolist() == [True, True, False]
    assert grown.fingerprint == joint.fingerprint


def test_is_the_same_from_its_file_and_refused_where_it_makes_other_vectors(tmp_path, joint):
    path = tmp_path / "joint.safetensors"
    joint.save(path)
    read = Joint.load(path, fingerprint=joint.fingerprint)
    assert (read.fingerprint, read.measured) == (joint.fingerprint, joint.measured)
    with pytest.raises(BundleError, match="makes vectors contrastive-1:"):
        Joint.load(path, fingerprint="contrastive-1:0")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BundleError, match="cannot be read"):
        Joint.load(path, fingerprint=joint.fingerprint)
    with pytest.raises(BundleError, match="cannot be read"):
        Joint.load(tmp_path / "none", fingerprint=joint.fingerprint)


def test_fingerprint_holds_the_projections_and_what_they_read(joint):
    turned = {**joint.weights, "text": -joint.weights["text"]}
    others = [
        Joint(turned, joint.means, joint.reads, {}),
        Joint(joint.weights, {n: m + 1 for n, m in joint.means.items()}, joint.reads, {}),
        Joint(joint.weights, joint.means, {**joint.reads, "text": "another encoder"}, {}),
    ]
    assert len({joint.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert Joint(joint.weights, joint.means, joint.reads, {}).fingerprint == joint.fingerprint
