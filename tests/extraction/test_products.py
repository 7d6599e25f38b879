from dataclasses import replace

import numpy as np
import pytest

from kinoloop.data.video_text import COMPOSITION
from kinoloop.encoders import efficientnet_lite, open_nsfw
from kinoloop.encoders.base import identify
from kinoloop.encoders.classical_visual import ClassicalVisual, ClassicalVisualConfig
from kinoloop.encoders.fingerprint import composition_of
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.products import VectorProduct, decoding_for, make_products, make_safely
from kinoloop.media.content import VideoContent
from kinoloop.media.decode import decode_media
from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.sampling import KeyFrames, Uniform
from kinoloop.testing.clips import bar_clip
from kinoloop.testing.encoder_contract import sample_videos
from tests.encoders import tiny_models


class Fussy(ClassicalVisual):
    """A real encoder that cannot take one of the videos."""

    def __init__(self, refused, *, quietly=False):
        super().__init__(ClassicalVisualConfig())
        self.refused, self.quietly = refused, quietly

    def encode(self, contents):
        vectors, present = super().encode(contents)
        for i, content in enumerate(contents):
            if content.video_id in self.refused:
                if not self.quietly:
                    raise ValueError(f"cannot take {content.video_id}")
                vectors[i] = np.nan
        return vectors, present


def space(encoder):
    made = VectorProduct({"kind": "classical_visual"}, DecodeConfig())
    made.encoder = encoder
    return made


@pytest.mark.parametrize("quietly", [False, True], ids=["raises", "not finite"])
def test_one_video_that_an_encoder_refuses_harms_no_other(quietly):
    product = space(Fussy({"noise"}, quietly=quietly))
    rows, failed = make_safely(product, sample_videos())
    assert [row["present"] for row in rows] == [True, False, True, False, True]
    assert [row["vector"] is not None for row in rows] == [row["present"] for row in rows]
    assert list(failed) == [1]
    assert failed[1].startswith("encoder_failed: visual: ")


def test_encoder_that_takes_nothing_is_an_error_and_not_a_mask():
    everything = {"", *(video.video_id for video in sample_videos())}
    said = "visual fails for every video, and for noise: encoder_failed"
    with pytest.raises(RuntimeError, match=said):
        make_safely(space(Fussy(everything)), sample_videos())


def test_batch_of_odd_videos_only_is_a_mask_and_does_not_end_an_extraction():
    everything = {video.video_id for video in sample_videos()}
    rows, failed = make_safely(space(Fussy(everything)), sample_videos())
    assert not any(row["present"] for row in rows)
    assert len(failed) == len(rows)


class Flat(Fussy):
    """Says that it sees something, and gives nothing but zeros for some videos."""

    def encode(self, contents):
        vectors, present = super().encode(contents)
        for i, content in enumerate(contents):
            if content.video_id in self.flat:
                vectors[i] = 0.0
        return vectors, present


def test_vector_that_is_all_zero_is_refused_and_harms_no_other():
    encoder = Flat(set())
    encoder.flat = {"red"}
    rows, failed = make_safely(space(encoder), sample_videos())
    names = [video.video_id for video in sample_videos()]
    assert list(failed) == [names.index("red")]
    assert "all zero" in failed[names.index("red")]
    assert rows[names.index("red")]["vector"] is None


class Narrow(Fussy):
    """Gives vectors of another length than it says."""

    def encode(self, contents):
        vectors, present = super().encode(contents)
        return vectors[:, :-1], present


def test_vectors_of_another_length_are_refused():
    with pytest.raises(RuntimeError, match="vectors have the shape"):
        make_safely(space(Narrow(set())), sample_videos())


def test_encoder_whose_package_is_missing_is_left_out(monkeypatch, caplog):
    missing = replace(efficientnet_lite.WEIGHTS, package="no_such_package")
    monkeypatch.setattr(efficientnet_lite, "WEIGHTS", missing)
    kinds = ({"kind": "minilm"}, {"kind": "efficientnet_lite"}, {"kind": "classical_audio"})
    made = make_products(ExtractConfig(encoders=kinds, harm_frames=0))
    assert [product.name for product in made] == ["text", "audio"]
    assert "'efficientnet_lite' is left out: package 'no_such_package'" in caplog.text


def test_space_has_the_fingerprint_of_its_encoder_and_of_what_is_decoded_for_it():
    words, pictures, sound = (
        {"kind": "minilm"},
        {"kind": "classical_visual"},
        {"kind": "classical_audio"},
    )
    fewer, quieter = DecodeConfig(sampling=Uniform(frames=4)), DecodeConfig(silence_rms=0.1)

    def name(settings, decode):
        return VectorProduct(settings, decode).fingerprint

    assert name(words, fewer) == name(words, DecodeConfig()) != identify(words)
    assert composition_of(name(words, fewer), identify(words)) == COMPOSITION
    assert name(pictures, fewer) != name(pictures, DecodeConfig())
    assert name(sound, fewer) == name(sound, DecodeConfig())
    assert name(sound, quieter) != name(sound, DecodeConfig())


def image_model(folder):
    return {"kind": "hf_image", "model": str(folder)}


def test_frames_and_sound_are_decoded_as_the_checkpoints_take_them(tmp_path):
    sound = tiny_models.wav2vec2(tmp_path / "sound", rate=24_000)
    pictures = image_model(tiny_models.vit(tmp_path / "pictures", side=48))
    config = ExtractConfig(encoders=(pictures, {"kind": "hf_audio", "model": str(sound)}))
    found = decode_media(
        bar_clip(tmp_path / "a.mp4", seconds=1.0, size=(192, 96)), config=decoding_for(config)
    )
    assert found.frames.shape[1:3] == (48, 96)
    assert found.sample_rate == 24_000
    assert len(found.audio) == pytest.approx(24_000, abs=2_400)


def test_vectors_are_named_after_what_their_checkpoint_takes(tmp_path):
    pictures = image_model(tiny_models.vit(tmp_path, side=48))
    (small,) = make_products(ExtractConfig(encoders=(pictures,), harm_frames=0))
    asked = DecodeConfig(frame_side=100)  # no matter where the checkpoint says it
    (again,) = make_products(ExtractConfig(encoders=(pictures,), decode=asked, harm_frames=0))
    assert small.fingerprint == again.fingerprint
    assert small.fingerprint == VectorProduct(pictures, DecodeConfig(frame_side=48)).fingerprint


def test_settings_hold_where_no_checkpoint_says_otherwise():
    decode = DecodeConfig(frame_side=100, sample_rate=8_000)
    plain = ({"kind": "classical_visual"}, {"kind": "classical_audio"})
    config = ExtractConfig(decode=decode, encoders=plain)
    assert decoding_for(config, reads=True) == decode
    assert decoding_for(config) == decode.model_copy(update={"pages": 0})


def test_a_video_model_gets_as_many_frames_as_it_looks_at_and_never_fewer_than_set(tmp_path):
    model = {"kind": "hf_video", "model": str(tiny_models.videomae(tmp_path, frames=12))}

    def sampling(policy):
        decode = DecodeConfig(sampling=policy)
        return decoding_for(ExtractConfig(encoders=(model,), decode=decode)).sampling

    assert sampling(Uniform()) == Uniform(frames=12)
    assert sampling(Uniform(frames=20)) == Uniform(frames=20)
    assert sampling(KeyFrames()) == KeyFrames()


def test_sizes_are_kept_within_what_decoding_gives(tmp_path):
    config = ExtractConfig(encoders=(image_model(tiny_models.vit(tmp_path, side=16)),))
    assert decoding_for(config).frame_side == 32


def test_pictures_are_scored_for_harm_where_the_model_is_there(monkeypatch, caplog):
    config = ExtractConfig(encoders=())
    harm = make_products(config)[0]
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)
    silent = VideoContent.of_text("words")
    seen = replace(silent, frames=frames, frame_times_s=np.arange(9.0))
    rows = harm.make([seen, silent, seen])
    assert [row["times_s"] for row in rows] == [[0.0, 2.0, 5.0, 8.0], [], [0.0, 2.0, 5.0, 8.0]]
    assert all(0 <= score < 0.5 for score in rows[0]["scores"])
    assert rows[1] == harm.blank()
    assert (
        harm.fingerprint
        != make_products(config.model_copy(update={"harm_frames": 5}))[0].fingerprint
    )
    missing = replace(open_nsfw.WEIGHTS, package="no_such_package")
    monkeypatch.setattr(open_nsfw, "WEIGHTS", missing)
    assert make_products(config) == []
    assert "no pictures are scored for harm" in caplog.text
