import pytest

from kinoloop.redaction import without_credentials


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
    ],
)
def test_a_text_loses_the_credentials_of_each_address_and_nothing_else(text, shown):
    assert without_credentials(text) == shown
