import numpy as np
import pytest

from kinoloop.encoders.classical_visual import ClassicalVisual, ClassicalVisualConfig
from kinoloop.extraction.products import Space, make_safely
from kinoloop.media.decoded import DecodeConfig
from kinoloop.media.sampling import Uniform
from kinoloop.testing.encoder_contract import sample_videos


class Fussy(ClassicalVisual):
    """A real encoder that can not take one of the videos."""

    def __init__(self, refused, *, quietly=False):
        super().__init__(ClassicalVisualConfig())
        self.refused, self.quietly = refused, quietly

    def encode(self, contents):
        vectors, present = super().encode(contents)
        for i, content in enumerate(contents):
            if content.video_id in self.refused:
                if not self.quietly:
                    raise ValueError(f"can not take {content.video_id}")
                vectors[i] = np.nan
        return vectors, present


def space(encoder):
    made = Space({"kind": "classical_visual"}, DecodeConfig())
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
    everything = {video.video_id for video in sample_videos()}
    with pytest.raises(RuntimeError, match="every video of a batch fails: encoder_failed"):
        make_safely(space(Fussy(everything)), sample_videos())


def test_space_has_the_fingerprint_of_its_encoder_and_of_what_is_decoded_for_it():
    words, pictures, sound = (
        {"kind": "minilm"},
        {"kind": "classical_visual"},
        {"kind": "classical_audio"},
    )
    fewer, quieter = DecodeConfig(sampling=Uniform(frames=4)), DecodeConfig(silence_rms=0.1)

    def name(settings, decode):
        return Space(settings, decode).fingerprint

    assert name(words, fewer) == name(words, DecodeConfig())
    assert name(pictures, fewer) != name(pictures, DecodeConfig())
    assert name(sound, fewer) == name(sound, DecodeConfig())
    assert name(sound, quieter) != name(sound, DecodeConfig())
