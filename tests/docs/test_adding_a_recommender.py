"""The example of docs/adding-a-recommender.md, run as it stands there."""

import re
import tomllib
from pathlib import Path

import pytest

from kinoloop.models.base import RECOMMENDERS, build
from kinoloop.testing.recommender_contract import RecommenderContract

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-recommender.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
NAMES: dict[str, object] = {"__name__": "category_taste"}
for language, code in BLOCKS:
    if language == "python":
        exec(compile(code, str(PAGE), "exec"), NAMES)
CategoryTaste = NAMES["CategoryTaste"]
TestCategoryTaste = NAMES["TestCategoryTaste"]


@pytest.fixture(scope="module", autouse=True)
def registered():
    RECOMMENDERS.register("category_taste")(CategoryTaste)
    yield
    RECOMMENDERS._found.pop("category_taste")


RECOMMENDERS._found.pop("category_taste")


def test_the_test_of_the_page_is_the_contract():
    assert issubclass(TestCategoryTaste, RecommenderContract)


def test_the_settings_of_the_page_build_it():
    (toml,) = [code for language, code in BLOCKS if language == "toml"]
    (settings,) = tomllib.loads(toml)["retrain"]["candidates"]
    assert build(settings).config.popularity_share == 0.2
