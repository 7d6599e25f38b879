import pytest

from kinoloop.media.language import detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Tell me, is the lord of the universe in? Yes, he is in a bad humor", "en"),
        ("Heute arbeite ich fünfzehn Stunden und morgen werden es siebzehn sein", "de"),
        ("Boon está muy ilusionado con el mundo, quiere hacer casi de todo", "es"),
        ("青い丸型の内部にアーチ形のペア。下に書かれている。", "ja"),
        ("中文測試，今天天氣很好，我們去公園吧", "zh"),
    ],
)
def test_names_the_language(text, language):
    assert detect_language(text) == language


@pytest.mark.parametrize("text", ["", "Paul Allen", "1 2 3 4 5 6 7 8 9 10 11 12 13 14", "A B C D"])
def test_says_nothing_of_too_few_letters(text):
    assert detect_language(text) == ""


def test_says_nothing_where_it_is_not_sure():
    assert detect_language("xqzt wvbn plkj hgfd rtyu qwpz") == ""
