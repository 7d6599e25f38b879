import pytest

from kinoloop.data.tables import Tables
from kinoloop.errors import DataError
from kinoloop.schema import EVENTS


def test_table_that_was_never_written_has_its_schema_and_no_rows(tmp_path):
    tables = Tables(tmp_path)
    frame = tables.scan("events").collect()
    assert frame.is_empty()
    assert list(frame.columns) == list(EVENTS)
    assert not tables.exists("events")
    assert tables.version("events") == -1


def test_unknown_table_is_an_error_that_lists_the_known(tmp_path):
    with pytest.raises(DataError, match="no table is called 'views'"):
        Tables(tmp_path).path("views")
