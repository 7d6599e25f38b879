import polars as pl

from kinoloop.data.video_text import MAX_CHARACTERS, ORDER, OWN, READ, compose, texts_of

VIDEOS = pl.DataFrame(
    {
        "description": ["  Crossing the Alps. ", "", None],
        "title": ["Old trains", " ", None],
        "tags": [["steam", None, " "], [], None],
        "category": ["travel", None, None],
        "labels": [[{"label": "calm", "score": 0.9}], [], None],
        "words": ["all aboard", None, None],
    }
)


def test_tags_come_before_long_texts_and_what_is_said_comes_last():
    assert texts_of(VIDEOS)[0] == "Old trains. steam. Crossing the Alps.. travel. all aboard"
    assert texts_of(VIDEOS, OWN)[0] == "Old trains. Crossing the Alps.. all aboard"
    assert texts_of(VIDEOS, ("labels", "title"))[0] == "Old trains. calm"
    assert {*READ, *OWN} < {*ORDER}


def test_a_video_that_says_nothing_has_an_empty_text():
    assert texts_of(VIDEOS)[1:] == ["", ""]
    assert texts_of(VIDEOS.select("labels"), OWN) == [""] * 3


def test_what_is_said_may_come_later():
    catalogued, whole = texts_of(VIDEOS.drop("words")), texts_of(VIDEOS)
    assert [
        compose([text, said]) for text, said in zip(catalogued, VIDEOS["words"], strict=True)
    ] == (whole)


def test_a_text_is_cut():
    assert len(compose(["title", "word " * MAX_CHARACTERS])) == MAX_CHARACTERS
