"""The example of docs/guides/adding-an-encoder.md, run as it stands there."""

import polars as pl

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.tables import Tables
from kinoloop.encoders.base import ENCODERS
from kinoloop.extraction.config import ExtractConfig
from kinoloop.extraction.inventory import Roots
from kinoloop.extraction.run import extract
from kinoloop.media.process import GuardConfig
from kinoloop.schema import VIDEOS
from kinoloop.testing.clips import bar_clip
from kinoloop.testing.encoder_contract import EncoderContract
from tests.docs.pages import Page, complaints

PAGE = Page("guides/adding-an-encoder.md", ENCODERS, "brightness")
TestBrightness = PAGE.names["TestBrightness"]
registered = PAGE.registered()


def test_the_test_of_the_page_is_the_contract():
    assert issubclass(TestBrightness, EncoderContract)


def test_an_extraction_with_the_settings_of_the_page_writes_its_vectors(tmp_path):
    bar_clip(tmp_path / "a.mp4", seconds=0.4, colour=(20, 20, 20))
    rows = [{"video_id": "a", "title": "night", "media": "a.mp4"}, {"video_id": "b", "title": "x"}]
    tables = Tables(tmp_path / "data")
    pl.DataFrame(rows, schema=VIDEOS).write_delta(str(tables.path("videos")))
    config = ExtractConfig.model_validate(PAGE.settings["extract"]).model_copy(
        update={"guard": GuardConfig(workers=1)}
    )
    extract(tables, config, roots=Roots((tmp_path,)), state_dir=tmp_path / "state")
    visual = load_catalogue(tables).modalities["visual"]
    assert visual.vectors.shape == (2, 32)
    assert sorted(visual.present.tolist()) == [False, True]


def test_every_kind_of_encoder_is_in_the_table_of_the_page():
    table = PAGE.text.split("## The file")[0]
    missing = [name for name in ENCODERS.names() if f"`{name}`" not in table]
    assert missing in ([], ["brightness"])


def test_the_file_and_the_test_of_the_page_pass_our_own_checks(tmp_path):
    assert f"`{PAGE.module}`" in PAGE.text
    assert complaints(PAGE.file, PAGE.module, tmp_path) == ""
    assert complaints(PAGE.test, "tests/encoders/test_brightness.py", tmp_path) == ""
