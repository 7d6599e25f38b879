import polars as pl
import pytest

from kinoloop.privacy.addresses import QUERY_PATTERN, USER_PATTERN, has_credentials, redact

SECRET = [
    "https://me:hunter2@host/a.mp4",
    "https://hunter2@host/a.mp4",
    "s3://id:hunter2@bucket/a.mp4",
    "https://host/a.mp4?X-Amz-Credential=x&X-Amz-Signature=hunter2",
    "https://host/a.mp4?Expires=1&Signature=hunter2&Key-Pair-Id=x",
    "https://host/a?sv=2024&sig=hunter2",
    "https://host/a?v=1;access_token=hunter2",
    "https://host/a?API-KEY=hunter2",
]
PLAIN = [
    "media/a.mp4",
    "https://host/a.mp4",
    "https://host/a.mp4?v=3&size=large",
    "https://host/me@home/a.mp4",
    "abfs://container@account.dfs.core.windows.net/a.mp4",
    "https://host/a.mp4#token=no-part-of-what-is-sent",
]


@pytest.mark.parametrize("address", SECRET)
def test_credentials_are_found_and_never_shown(address):
    assert has_credentials(address)
    assert "hunter2" not in redact(f"no file at '{address}' today")


@pytest.mark.parametrize("address", PLAIN)
def test_plain_address_is_no_secret(address):
    assert not has_credentials(address)


def test_tables_find_what_python_finds():
    column = pl.Series("address", [*SECRET, *PLAIN])
    found = column.str.contains(USER_PATTERN) | column.str.contains(QUERY_PATTERN)
    assert found.to_list() == [has_credentials(address) for address in column]
