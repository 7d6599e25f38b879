"""Every error that Kinoloop raises on purpose.

    KinoloopError
    ├── ConfigError (ValueError)         a setting, a key or an argument is wrong
    │   └── MissingPackageError          a package that a setting needs is not installed
    │       └── MissingExtraError        the package belongs to an extra; also an ImportError
    ├── DataError (ValueError)           rows or tables break a rule
    │   └── BatchError                   a whole batch is refused; nothing was changed
    ├── MediaError (ValueError)          a media file cannot be read; carries a reason code
    ├── NotFittedError (RuntimeError)    a recommender is used before `fit`
    ├── BundleError (ValueError)         a release bundle is damaged or does not match
    ├── RegistryError (RuntimeError)     the model registry is away or refuses
    ├── StateError (RuntimeError)        the live state of the service is away or refuses
    ├── ServerError (RuntimeError)       a server of ours did not start, or ended by itself
    └── ServiceError (RuntimeError)      the service failed to answer a client
        ├── RefusedError (ValueError)    it refuses the request, and says what to correct
        └── UnavailableError             nothing answers, or not now

A message says what, where, what was got against what was expected, and the next step.
"""

from collections.abc import Mapping
from typing import Any


class KinoloopError(Exception):
    """Base of all errors that Kinoloop raises on purpose."""


class ConfigError(KinoloopError, ValueError):
    """A setting, a key or an argument is wrong."""


class MissingPackageError(ConfigError):
    """A package that a setting needs is not installed: go without, or say how to install it."""


class MissingExtraError(MissingPackageError, ImportError):
    """An extra of the package is not installed.

    Args:
        what: Who needs it.
        module: What was imported.
        extra: What brings it.
        instead: What else resolves it, or "".
    """

    def __init__(self, what: str, module: str, extra: str, *, instead: str = "") -> None:
        self.extra = extra
        message = (
            f'{what} needs {module}, which is not installed: `pip install "kinoloop[{extra}]"`'
        )
        super().__init__(f"{message}, or {instead}" if instead else message)
        self.name = module


class DataError(KinoloopError, ValueError):
    """Rows or tables break a rule."""


class BatchError(DataError):
    """A whole batch is refused; nothing was changed.

    Args:
        file: The file that failed.
        column: The column that failed, or "" where the file as a whole did.
        check: Name of the check, such as `column_exists`.
        count: How many rows (or files) failed it.
        hint: What to do next.
    """

    def __init__(self, *, file: str, column: str, check: str, count: int, hint: str) -> None:
        self.file, self.column, self.check, self.count = file, column, check, count
        self.hint = hint
        where = f"{file}, column {column!r}" if column else file
        super().__init__(
            f"batch refused: {where} failed {check}{times(count)}. Nothing was changed. {hint}"
        )


def times(count: int) -> str:
    """How often a check failed, to stand behind its name; nothing where it is about the whole file.

    Example:
        >>> "failed column_type" + times(3), "failed readable" + times(1)
        ('failed column_type (3 times)', 'failed readable')
    """
    return f" ({count:,} times)" if count > 1 else ""


class MediaError(KinoloopError, ValueError):
    """A media file cannot be read.

    Args:
        reason: Code such as `not_media`, `truncated`, `timeout`, `memory`, `too_large`.
        detail: What was seen, for the operator.
        peak_memory_mb: Of the process that found out; 0 where not measured.

    Attributes:
        seconds: Wall time of finding out; 0 where not measured.
    """

    def __init__(self, reason: str, detail: str, *, peak_memory_mb: float = 0.0) -> None:
        self.reason, self.detail = reason, detail
        self.peak_memory_mb, self.seconds = peak_memory_mb, 0.0
        super().__init__(f"{reason}: {detail}")


class NotFittedError(KinoloopError, RuntimeError):
    """A recommender is used before `fit` or `load`."""


class BundleError(KinoloopError, ValueError):
    """A release bundle is damaged, incomplete or does not match what it is used with."""


class RegistryError(KinoloopError, RuntimeError):
    """The model registry is away or refuses."""


class StateError(KinoloopError, RuntimeError):
    """The live state of the service is away or refuses."""


class ServerError(KinoloopError, RuntimeError):
    """A server of ours did not start, or ended by itself."""


class ServiceError(KinoloopError, RuntimeError):
    """The service failed to answer a request of `kinoloop.client`, or something else answered.

    Args:
        where: Method and address.
        problem: What the service said (RFC 9457): `error`, `what`, `got`, `expected`, `next_step`.
        status: HTTP status; 0 where nothing was answered.
        retry_after_s: What the service asks to wait, seconds; None where it asks nothing.
    """

    def __init__(
        self,
        where: str,
        problem: Mapping[str, Any],
        *,
        status: int = 0,
        retry_after_s: float | None = None,
    ) -> None:
        self.where, self.status, self.retry_after_s = where, status, retry_after_s
        self.error = str(problem.get("error") or "")
        self.what = str(problem.get("what") or "")
        self.got = problem.get("got")
        self.expected = str(problem.get("expected") or "")
        self.next_step = str(problem.get("next_step") or "")
        wrong = self.what if self.got is None else f"{self.what}: got {self.got!r}"
        right = [f"expected {self.expected}"] if self.expected else []
        said = "; ".join([wrong, *right, *([self.next_step] if self.next_step else [])])
        answered = f"{status} {self.error}".strip() if status else "no answer"
        super().__init__(f"{where}: {answered}: {said}")


class RefusedError(ServiceError, ValueError):
    """The service refuses a request; the message says what to correct."""


class UnavailableError(ServiceError):
    """The service cannot be reached or cannot answer now; the same request may do later."""
