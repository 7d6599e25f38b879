"""What every encoder must do: subclass it in a test, name the class, and that is the test.

class TestVgg(EncoderContract):
    encoder = Vgg

One that encodes words subclasses `TextEncoderContract`.
"""

from typing import Any, ClassVar

import numpy as np
import pytest

from kinoloop.encoders.base import ENCODERS, Encoder, EncoderConfig, TextEncoder
from kinoloop.media.content import VideoContent
from kinoloop.schema import MODALITIES

TOLERANCE = 2e-3
RATE = 16_000


class EncoderContract:
    """Rules for an encoder.

    Attributes:
        encoder: The class.
        changes_vectors: Config fields whose change must change the fingerprint; may be empty.
        keeps_vectors: Config fields whose change must not, such as a batch size.
    """

    encoder: ClassVar[type[Encoder]]
    changes_vectors: ClassVar[dict[str, Any]] = {}
    keeps_vectors: ClassVar[dict[str, Any]] = {}

    @pytest.fixture(scope="class")
    @classmethod
    def settings(cls) -> dict[str, Any]:
        """Config fields that differ from the defaults; override where a model must be made."""
        return {}

    @pytest.fixture(scope="class")
    @classmethod
    def built(cls, settings: dict[str, Any]) -> Encoder:
        """Build the encoder once for the class."""
        return cls._build(settings)

    @pytest.fixture(scope="class")
    @classmethod
    def encoded(cls, built: Encoder) -> tuple[np.ndarray, np.ndarray]:
        """Encode the sample videos as one batch."""
        return built.encode(sample_videos())

    def test_config_builds_and_is_registered(self, settings: dict[str, Any]) -> None:
        config = self._config(settings)
        assert ENCODERS.get(config.kind) is self.encoder
        assert type(config).model_validate_json(config.model_dump_json()) == config

    def test_modality_is_known(self, built: Encoder) -> None:
        assert built.modality in MODALITIES
        assert isinstance(built, TextEncoder) == (built.modality == "text")
        assert isinstance(self, TextEncoderContract) == (built.modality == "text")

    def test_gives_one_float32_row_a_video(
        self, built: Encoder, encoded: tuple[np.ndarray, np.ndarray]
    ) -> None:
        vectors, present = encoded
        assert vectors.shape == (len(sample_videos()), built.dim)
        assert vectors.dtype == np.float32
        assert present.dtype == np.bool_

    def test_rows_have_length_one_and_missing_rows_are_zero(
        self, encoded: tuple[np.ndarray, np.ndarray]
    ) -> None:
        vectors, present = encoded
        lengths = np.linalg.norm(vectors, axis=1)
        np.testing.assert_allclose(lengths[present], 1, atol=1e-5)
        assert not vectors[~present].any()

    def test_missing_modality_is_a_mask(
        self, built: Encoder, encoded: tuple[np.ndarray, np.ndarray]
    ) -> None:
        expected = [_has(video, built.modality) for video in sample_videos()]
        np.testing.assert_array_equal(encoded[1], expected)

    def test_batch_equals_single(
        self, built: Encoder, encoded: tuple[np.ndarray, np.ndarray]
    ) -> None:
        for row, video in zip(encoded[0], sample_videos(), strict=True):
            single, _ = built.encode([video])
            np.testing.assert_allclose(single[0], row, atol=TOLERANCE)

    def test_empty_batch_gives_no_rows(self, built: Encoder) -> None:
        vectors, present = built.encode([])
        assert vectors.shape == (0, built.dim)
        assert present.shape == (0,)

    def test_different_videos_differ(self, encoded: tuple[np.ndarray, np.ndarray]) -> None:
        vectors, present = encoded
        cosines = vectors[present] @ vectors[present].T
        others = cosines[~np.eye(len(cosines), dtype=bool)]
        assert (others < 0.99999).all()

    def test_same_config_gives_same_fingerprint_and_vectors(
        self,
        built: Encoder,
        encoded: tuple[np.ndarray, np.ndarray],
        settings: dict[str, Any],
    ) -> None:
        again = self._build(settings)
        assert again.fingerprint == built.fingerprint
        np.testing.assert_allclose(again.encode(sample_videos())[0], encoded[0], atol=1e-5)

    def test_fingerprint_changes_with_what_changes_vectors(
        self, built: Encoder, settings: dict[str, Any]
    ) -> None:
        for name, value in self.changes_vectors.items():
            other = self._build({**settings, name: value})
            assert other.fingerprint != built.fingerprint, name

    def test_fingerprint_stays_where_vectors_stay(
        self, built: Encoder, settings: dict[str, Any]
    ) -> None:
        for name, value in self.keeps_vectors.items():
            other = self._build({**settings, name: value})
            assert other.fingerprint == built.fingerprint, name

    def test_is_identified_without_being_built(
        self, built: Encoder, settings: dict[str, Any]
    ) -> None:
        assert self.encoder.identify(self._config(settings)) == built.fingerprint

    def test_odd_input_gives_finite_vectors(self, built: Encoder) -> None:
        vectors, _ = built.encode(odd_videos())
        assert np.isfinite(vectors).all()

    @classmethod
    def _config(cls, settings: dict[str, Any]) -> EncoderConfig:
        return cls.encoder.Config(**settings)

    @classmethod
    def _build(cls, settings: dict[str, Any]) -> Encoder:
        return cls.encoder(cls._config(settings))


class TextEncoderContract(EncoderContract):
    """Rules for an encoder of words: those of every encoder, and searches."""

    def test_encodes_bare_strings(self, built: Encoder) -> None:
        assert isinstance(built, TextEncoder)
        vectors = built.encode_text(["a dog", "", "jazz"])
        assert vectors.shape == (3, built.dim)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 1], atol=1e-5)
        assert built.encode_text([]).shape == (0, built.dim)


def sample_videos() -> list[VideoContent]:
    """Five videos: two complete, and one each without words, picture and sound."""
    rng = np.random.default_rng(0)
    red = np.full((3, 48, 64, 3), (200, 40, 30), dtype=np.uint8)
    noise = rng.integers(0, 256, (2, 64, 48, 3), dtype=np.uint8)
    steps = np.arange(RATE * 2) / RATE
    low, high = (0.3 * np.sin(2 * np.pi * hz * steps).astype(np.float32) for hz in (220, 1760))
    hiss = (0.1 * rng.standard_normal(RATE)).astype(np.float32)
    green = np.full((1, 40, 40, 3), (20, 180, 60), dtype=np.uint8)
    return [
        _video("red", "a red fox runs through the snow", red, low),
        _video("noise", "static", noise, hiss),
        _video("wordless", "", green, high),
        _video("pictureless", "an evening of jazz " * 30, red[:0], hiss[: RATE // 2]),
        _video("soundless", "how to bake bread", noise[:1] // 2, low[:0]),
    ]


def odd_videos() -> list[VideoContent]:
    """Make what real catalogues hold: one pixel, one sample, black frames, emoji, long words."""
    black = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    return [
        _video("tiny", "😀", np.full((1, 1, 1, 3), 7, dtype=np.uint8), np.ones(1, np.float32)),
        _video("black", "x" * 30_000, black, np.zeros(RATE, np.float32)),
        _video("strip", "\u200b", np.full((1, 4, 16, 3), 9, np.uint8), np.ones(700, np.float32)),
    ]


def _video(name: str, text: str, frames: np.ndarray, audio: np.ndarray) -> VideoContent:
    times = np.arange(len(frames), dtype=np.float64)
    return VideoContent(name, text, frames, times, audio, RATE)


def _has(video: VideoContent, modality: str) -> bool:
    parts = {"text": video.text, "visual": video.frames, "audio": video.audio}
    return len(parts[modality]) > 0
