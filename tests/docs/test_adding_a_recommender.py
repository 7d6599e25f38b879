"""The example of docs/guides/adding-a-recommender.md, run as it stands there."""

from kinoloop.models.base import RECOMMENDERS, build
from kinoloop.testing.recommender_contract import RecommenderContract
from tests.docs.pages import Page, complaints

PAGE = Page("guides/adding-a-recommender.md", RECOMMENDERS, "category_taste")
TestCategoryTaste = PAGE.names["TestCategoryTaste"]
registered = PAGE.registered()


def test_the_test_of_the_page_is_the_contract():
    assert issubclass(TestCategoryTaste, RecommenderContract)


def test_the_settings_of_the_page_build_it():
    (settings,) = PAGE.settings["retrain"]["candidates"]
    assert build(settings).config.popularity_share == 0.2


def test_the_file_and_the_test_of_the_page_pass_our_own_checks(tmp_path):
    assert f"`{PAGE.module}`" in PAGE.text
    assert complaints(PAGE.file, PAGE.module, tmp_path) == ""
    assert complaints(PAGE.test, "tests/models/test_category_taste.py", tmp_path) == ""
