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
    "https://host/a.mp4?auth_key=1700000000-0-0-hunter2",
    "https://host/a.mp4?e=1700000000&st=hunter2-x4Tn0Zb9Qe1",
    "https://host/a.mp4?sign=hunter2x4Tn0Zb9Qe1&t=1700000000",
    "https://host/a.mp4?wsSecret=hunter2&wsTime=1",
    "https://host/a.mp4?hdnts=exp=1~acl=/*~hmac=hunter2",
    "https://host/a.mp4?private-key=hunter2",
    "https://host/a.mp4#token=hunter2",
    "https://host/a\n.mp4?token=hunter2",
    "https://host/a.mp4?v=3#t=3&access_token=hunter2",
]
PLAIN = [
    "media/a.mp4",
    "https://host/a.mp4",
    "https://host/a.mp4?v=3&size=large",
    "https://host/me@home/a.mp4",
    "abfs://container@account.dfs.core.windows.net/a.mp4",
    "https://host/a.mp4#t=3,9",
    "https://host/a.mp4?st=30&sign=aries",
    "https://host/a.mp4?keyframe=3&author=me&monkey=1&st=",
]


@pytest.mark.parametrize("address", SECRET)
def test_credentials_are_found_and_never_shown(address):
    assert has_credentials(address)
    shown = redact(f"no file at {address.splitlines()[0]!r} today")
    assert "hunter2" not in shown


@pytest.mark.parametrize("address", PLAIN)
def test_plain_address_is_no_secret(address):
    assert not has_credentials(address)


def test_tables_find_what_python_finds():
    column = pl.Series("address", [*SECRET, *PLAIN])
    found = column.str.contains(USER_PATTERN) | column.str.contains(QUERY_PATTERN)
    assert found.to_list() == [has_credentials(address) for address in column]
