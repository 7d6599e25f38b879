import pytest

from kinoloop.redaction import shown_address, without_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:s3cret@host:5000/api", "http://…@host:5000/api"),
        ("postgresql+psycopg2://me:s3/cr@t@db/mlflow", "postgresql+psycopg2://…@db/mlflow"),
        ("no answer from 'ftp://me@host/in', 3 tries", "no answer from 'ftp://…@host/in', 3 tries"),
        ("http://a:s3cret@x and http://b:s3cret@y", "http://…@x and http://…@y"),
        ("write to me@example.org", "write to me@example.org"),
        ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
        ("http://host/path", "http://host/path"),
        ("redis://:s3\"c'r<et@host/0 is away", "redis://…@host/0 is away"),
        ("at redis://h/0?db=1&password=s3cret, 3 tries", "at redis://h/0?db=1&password=… 3 tries"),
        ("https://h/a?v=3&keyframe=9", "https://h/a?v=3&keyframe=9"),
    ],
)
def test_a_text_loses_the_credentials_of_each_address_and_nothing_else(text, shown):
    assert without_credentials(text) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("rediss://[::1]:6379/0", "rediss://[::1]:6379/0"),
        ("valkey://me:s3cret@host:6379/0", "valkey://…@host:6379/0"),
        ("redis://:s3/c r@et@host", "redis://…@host"),
        ("redis://host/0?password=s3cret", "redis://host/0?…"),
        ("redis://host/0?password=s3@cret", "redis://…"),
        ("redis://:s3?cret@host", "redis://…"),
        ("redis://:s3#cret@host", "redis://…"),
        ("redis://:s3cret", "redis://…"),
        ("redis://me:s3cret/0", "redis://…"),
        ("redis://host[s3cret", "redis://…"),
        ("redis:/:s3cret@host", "…"),
        ("s3cret", "…"),
    ],
)
def test_an_address_shows_no_more_than_is_surely_no_secret(address, shown):
    assert shown_address(address) == shown
