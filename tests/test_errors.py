import pytest

from kinoloop import errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ConfigError, ValueError),
        (errors.DataError, ValueError),
        (errors.NotFittedError, RuntimeError),
        (errors.BundleError, ValueError),
        (errors.RegistryError, RuntimeError),
        (errors.ServerError, RuntimeError),
    ],
)
def test_each_error_is_also_the_fitting_builtin(error, builtin):
    assert issubclass(error, errors.KinoloopError)
    assert issubclass(error, builtin)


def test_batch_error_names_file_column_check_and_count():
    error = errors.BatchError(
        file="a.csv", column="watch_s", check="type", count=3, hint="Correct the file."
    )
    assert str(error) == (
        "batch refused: a.csv, column 'watch_s' failed type (3 times). "
        "Nothing was changed. Correct the file."
    )


def test_media_error_carries_its_reason_code():
    assert errors.MediaError("truncated", "no moov atom").reason == "truncated"
