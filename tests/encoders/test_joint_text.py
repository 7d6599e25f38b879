import numpy as np
import pytest
import transformers

from kinoloop.encoders import base
from kinoloop.encoders.joint_text import JointText, has_text_tower
from kinoloop.media.content import VideoContent
from tests.encoders import tiny_models


def with_words(folder):
    """Give a tiny checkpoint a tokenizer."""
    (folder / "vocab.txt").write_text("\n".join(tiny_models.WORDS[:20]))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", ["clip", "siglip", "clap"])
def test_phrases_lie_in_the_space_of_pictures_or_sounds(tmp_path, family):
    folder = with_words(getattr(tiny_models, family)(tmp_path))
    assert has_text_tower(str(folder))
    text = JointText(str(folder))
    vectors = text.encode(["a red fox", "jazz"])
    kind = "hf_audio" if family == "clap" else "hf_image"
    encoder = base.build({"kind": kind, "model": str(folder)})
    assert vectors.shape == (2, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    seen, present = encoder.encode([content()])
    assert present.all()
    assert np.isfinite(vectors @ seen[0]).all()


def test_the_checkpoint_tells_how_near_is_near(tmp_path):
    clip = JointText(str(with_words(tiny_models.clip(tmp_path / "clip"))))
    siglip = JointText(str(with_words(tiny_models.siglip(tmp_path / "siglip"))))
    assert clip.scale == pytest.approx(np.exp(2.6592), rel=1e-3)
    assert clip.bias is None
    assert siglip.bias is not None


def test_a_model_without_a_text_tower_is_told_apart(tmp_path):
    assert not has_text_tower(str(tiny_models.vit(tmp_path / "vit")))
    assert not has_text_tower(str(tiny_models.clip(tmp_path / "clip")))  # it has no tokenizer


def content():
    rng = np.random.default_rng(0)
    return VideoContent(
        video_id="v",
        text="",
        frames=rng.integers(0, 255, (2, 40, 40, 3), dtype=np.uint8),
        frame_times_s=np.array([0.0, 1.0]),
        audio=rng.normal(size=16_000).astype(np.float32) * 0.1,
        sample_rate=16_000,
    )
