import numpy as np
import pytest

from kinoloop.sample.looks import Shot, render_frames
from kinoloop.sample.topics import STYLES, TOPICS


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_scene_fills_the_canvas_and_moves(topic):
    shot = Shot(topic, "hype", (64, 48), 4, 2.0, "A card")
    frames = render_frames(shot, np.random.default_rng(0))
    assert frames.shape == (8, 48, 64, 3)
    assert frames.dtype == np.uint8
    assert any((frames[0] != frame).any() for frame in frames[1:])


def test_styles_of_one_scene_look_different():
    pictures = [
        render_frames(Shot(TOPICS[0], style, (64, 48), 4, 1.5, "A card"), np.random.default_rng(0))
        for style in STYLES
    ]
    for i, one in enumerate(pictures):
        for other in pictures[i + 1 :]:
            assert np.abs(one.astype(int) - other.astype(int)).mean() > 3


def test_same_seed_paints_the_same_frames():
    shot = Shot(TOPICS[3], "calm", (64, 48), 4, 1.0, "A card")
    first = render_frames(shot, np.random.default_rng(5))
    assert (first == render_frames(shot, np.random.default_rng(5))).all()
