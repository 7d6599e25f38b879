import pytest

from kinoloop.errors import ConfigError
from kinoloop.semantics.label_file import read_labels


def write(tmp_path, text):
    path = tmp_path / "labels.toml"
    path.write_text(text)
    return path


def test_shipped_file_has_topics_emotions_and_styles_that_overlap():
    labels = read_labels()
    assert [facet.name for facet in labels.facets] == ["topic", "emotion", "style"]
    assert [facet.many for facet in labels.facets] == [False, False, True]
    assert "calm" in labels.facets[1].labels
    assert all(len(facet.labels) >= 10 and facet.none for facet in labels.facets)


def test_a_changed_word_changes_the_digest(tmp_path):
    one = read_labels(write(tmp_path, '[topic.labels]\n"food" = ["cooking"]'))
    two = read_labels(write(tmp_path, '[topic.labels]\n"food" = ["baking"]'))
    assert one.digest != two.digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[topic", "is not valid TOML"),
        ("", "has no facet"),
        ("[topic]\nnone = ['a']", "facet 'topic' must have `labels`"),
        ("topic = 3", "facet 'topic' must have `labels`.*got 3"),
        ("[topic]\nlabel = 1\n[topic.labels]\na = ['b']", "must have `labels` and may have"),
        ("[topic.labels]\nfood = 'cooking'", "topic.food must be a list of phrases"),
        ("[topic.labels]\nfood = []", "topic.food must be a list of phrases"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        read_labels(write(tmp_path, text))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read.*\[semantics\]"):
        read_labels(tmp_path / "none.toml")
