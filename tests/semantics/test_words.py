from kinoloop.data.words import split_words
from kinoloop.semantics.describe import MAX_CHARACTERS, describe
from kinoloop.semantics.words import key_words, rarity, vocabulary

TEXTS = [f"the video of day {day} about birds" for day in range(30)]


def test_key_words_set_a_video_apart():
    texts = [*TEXTS, "the video about falcons and falcons again"]
    assert key_words(texts[-1], rarity(texts), len(texts), limit=1) == ["falcons"]


def test_words_of_most_videos_are_left_out_in_any_language():
    texts = [f"das ist ein Vogel {name}" for name in "abcdefghijklmnopqrstuvwxyz"]
    assert key_words("das ist ein Adler", rarity(texts), len(texts), limit=9) == ["adler"]


def test_words_are_letters_of_any_script():
    assert split_words("Don't stop: 3 Äpfel, naïve 猫咪!") == [
        "don't",
        "stop",
        "äpfel",
        "naïve",
        "猫咪",
    ]


def test_vocabulary_has_the_tags_of_more_than_one_video_most_used_first():
    assert vocabulary([["Fox", "snow"], ["fox", "winter "], ["winter", "fox"], None]) == [
        "fox",
        "winter",
    ]


def test_line_is_the_best_sentence_and_not_the_advertising():
    text = (
        "Subscribe to my channel for more birds! Here the peregrine falcon dives at full speed "
        "from the cathedral tower. See you."
    )
    line = describe("Falcon dive", [text], [], rarity(TEXTS))
    assert line == "Here the peregrine falcon dives at full speed from the cathedral tower."


def test_without_sentences_it_is_the_title_and_without_words_the_labels():
    assert describe("Falcon dive", ["", ""], ["calm"], {}) == "Falcon dive"
    assert describe("", [""], ["calm", "warm colours"], {}) == "Calm, warm colours"
    assert describe("", [""], [], {}) == ""


def test_a_long_line_ends_at_a_word():
    line = describe("", ["word " * 29 + "x" * 200 + "."], [], {})
    assert len(line) <= MAX_CHARACTERS
    assert line.endswith("word…")
