import numpy as np
import pytest

from kinoloop.encoders.classical_visual import ClassicalVisual, ClassicalVisualConfig
from kinoloop.extraction.rows import encode_safely
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


@pytest.mark.parametrize("quietly", [False, True], ids=["raises", "not finite"])
def test_one_video_that_an_encoder_refuses_harms_no_other(quietly):
    vectors, present, failed = encode_safely(Fussy({"noise"}, quietly=quietly), sample_videos())
    assert present.tolist() == [True, False, True, False, True]
    assert list(failed) == [1]
    assert failed[1].startswith("encoder_failed: Fussy: ")
    assert np.isfinite(vectors).all()


def test_encoder_that_takes_nothing_is_an_error_and_not_a_mask():
    everything = {video.video_id for video in sample_videos()}
    with pytest.raises(RuntimeError, match="every video of a shard fails: encoder_failed"):
        encode_safely(Fussy(everything), sample_videos())
