"""What a library raises over one file is that file's fault: the other files go on.

Arrow and Polars have a rule for each odd type and value, and some of their rules are a crash: a
time zone that Polars does not know, a date beyond the calendar. Files come from outside, so none of
that may end an ingest.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import pyarrow as pa

from kinoloop.errors import BatchError, DataError, KinoloopError

_FULL = "No space left on device"


@contextmanager
def blamed_on(file: str) -> Iterator[None]:
    """Turn what goes wrong inside into a `BatchError` of one file.

    Args:
        file: As reports name it.

    Raises:
        BatchError: A library gave up on the file; it is named by the kind of its error only,
            because the text could hold a value.
        DataError: The disk is full, which no file is to blame for.
    """
    try:
        yield
    except KinoloopError:
        raise
    except (
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        pa.ArrowException,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
    ) as err:
        if _FULL in str(err):
            raise DataError(
                f"the disk is full, staging {file} had to stop and nothing was changed; "
                "make room, then run ingest again"
            ) from None
        raise BatchError(
            file=file,
            column="",
            check="readable",
            count=1,
            hint=f"It has a type or a value that nothing can read ({type(err).__name__}). Write it "
            "again with plain types (text, numbers, times in UTC), or as CSV or JSONL.",
        ) from None
