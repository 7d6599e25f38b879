import numpy as np

from kinoloop.sample import words
from kinoloop.sample.topics import STYLES, TOPICS


def test_several_hundred_distinct_titles_exist():
    rng = np.random.default_rng(0)
    used: set[str] = set()
    for _ in range(10):
        for topic in TOPICS:
            for style in STYLES:
                words.title(topic, style, rng, used)
    assert len(used) == 10 * len(TOPICS) * len(STYLES)


def test_every_pattern_is_filled():
    rng = np.random.default_rng(0)
    for topic in TOPICS:
        for style in STYLES:
            texts = [*words.captions(topic, style, rng), words.description(topic, style, rng)]
            assert not any("{" in text for text in texts)


def test_creator_ids_are_slugs():
    rng = np.random.default_rng(0)
    for topic in TOPICS:
        assert words.creator(topic, 1, rng).replace("-", "").isalnum()
