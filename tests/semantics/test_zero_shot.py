import numpy as np

from kinoloop.semantics.channels import Channel, combine
from kinoloop.semantics.label_file import Facet
from kinoloop.semantics.zero_shot import Prototypes, Scale, prototypes, words_scale

AXES = {"food": 0, "cooking": 0, "sports": 1, "football": 1, "nothing": 2}


def encode(texts):
    """A text encoder that knows five words."""
    vectors = np.full((len(texts), 4), 0.2, dtype=np.float32)
    for row, text in enumerate(texts):
        for word, axis in AXES.items():
            vectors[row, axis] += text.count(word)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def facet(*, many=False):
    labels = {"food": ("food", "cooking food"), "sports": ("sports", "football")}
    return Facet("topic", labels, ("nothing",), many=many)


def scored(text, *, many=False):
    one = facet(many=many)
    return prototypes(one, encode, words_scale([one], encode)).score(encode([text]))[0]


def test_right_label_gets_most_and_the_row_sums_to_at_most_one():
    scores = scored("cooking")
    assert scores[0] > 0.8 > scores[1]
    assert scores.sum() <= 1 + 1e-6


def test_what_is_like_no_label_keeps_its_probability():
    assert scored("nothing").sum() < 0.2
    assert scored("qwertz").max() < 0.7


def test_two_labels_share_one_answer_and_both_hold_where_many_can():
    shared, both = scored("cooking football"), scored("cooking football", many=True)
    assert shared.min() > 0.2
    assert shared.sum() <= 1 + 1e-6
    assert (both > 0.6).all()


def test_where_many_can_hold_a_label_far_behind_another_is_not_given():
    mostly = scored("cooking cooking cooking football", many=True)
    assert mostly[0] > 0.9
    assert mostly[1] < 0.1


def test_scale_does_not_depend_on_how_near_an_encoder_puts_everything():
    def crowded(texts):
        vectors = encode(texts) * 0.2 + np.array([0, 0, 0, 1], dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    one = facet()
    scores = prototypes(one, crowded, words_scale([one], crowded)).score(crowded(["cooking"]))[0]
    assert scores[0] > 0.7 > scores[1]


def channel(modality):
    vectors = np.eye(2, 3, dtype=np.float32)
    none = np.array([0, 0, 1], dtype=np.float32)
    scale = Scale(0.0, 10.0, None)
    return Channel(modality, {"topic": Prototypes(("food", "sports"), vectors, none, scale, False)})


def test_a_channel_with_nothing_to_say_leaves_it_to_the_others():
    silent, sure = np.array([[0, 0, 1]], dtype=np.float32), np.array([[1, 0, 0]], dtype=np.float32)
    vectors = {"text": silent, "visual": sure}
    scores, evidence = combine(facet(), [channel("text"), channel("visual")], vectors)
    assert scores[0, 0] > 0.75
    assert evidence[0][0] == "picture 1.00"


def test_a_missing_modality_is_not_evidence():
    sure, missing = np.array([[1, 0, 0]], dtype=np.float32), np.zeros((1, 3), dtype=np.float32)
    vectors = {"text": sure, "visual": missing}
    scores, evidence = combine(facet(), [channel("text"), channel("visual")], vectors)
    assert scores[0, 0] > 0.99
    assert evidence[0][0] == "words 1.00"
    both_missing = {"text": missing, "visual": missing}
    assert not combine(facet(), [channel("text"), channel("visual")], both_missing)[0].any()
