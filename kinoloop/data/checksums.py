"""A checksum for every file of every table: nothing counts before it is flushed, rot is named.

`seal` is called by whoever leaves the writers' lock: it flushes what was committed (delta-rs
flushes nothing) and notes SHA-256 and size of each file and each entry of the Delta log in
`<table>/_checksums.json`, which carries its own digest. So a commit that was reported as done
survives a power cut, and `find_damage` finds each flipped bit; reading (`check`) costs one pass
over the files that are read anyway, once per process. What a power cut tore was never reported as
done: `drop_torn` takes it out before the next writer starts.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deltalake
import polars as pl

from kinoloop import durable
from kinoloop.data.tables import Tables
from kinoloop.errors import DataError

logger = logging.getLogger(__name__)

FILE = "_checksums.json"
LOG = "_delta_log"
THREADS = 4
MISSING = "it is missing"

Record = dict[str, list[Any]]
"""Size and SHA-256 by path inside the table."""

_verified: set[tuple[str, int, int, int]] = set()
_verifying = threading.Lock()


@dataclass(frozen=True)
class Damage:
    """One file of a table that is not what was written.

    Attributes:
        path: The file.
        what: What is wrong with it.
        lost: What cannot be trusted any more, for people.
    """

    path: Path
    what: str
    lost: str


def seal(tables: Tables, name: str) -> bool:
    """Flush what was committed to a table since the last seal, and note its checksums.

    Call it with the writers' lock held.

    Returns:
        Whether the table had changed.
    """
    folder = tables.path(name)
    log = _log_files(folder)
    if not log:
        return False
    known = _read(folder) or {}
    if log == {path for path in known if path.startswith(LOG)}:
        return False
    live = set(_live(folder)["path"])
    fresh = (live | log) - set(known)
    if any(path.endswith(".checkpoint.parquet") for path in fresh):
        fresh |= log & {f"{LOG}/_last_checkpoint"}  # the one file that is written again
    there = [path for path in sorted(fresh) if (folder / path).exists()]
    for path in there:
        durable.sync(folder / path)
    for parent in {parent for path in there for parent in (folder / path).parents}:
        if parent.is_relative_to(tables.root):
            durable.sync(parent)
    kept = {path for path in known if path in live | log or (folder / path).exists()} - fresh
    record = {path: known[path] for path in sorted(kept)}
    with ThreadPoolExecutor(THREADS) as threads:
        record |= zip(there, threads.map(lambda path: _measure(folder / path), there), strict=True)
    durable.write_json(folder / FILE, {"files": record, "digest": _digest_of(record)})
    return True


def drop_torn(tables: Tables, name: str) -> list[int]:
    """Take commits out of the log that a power cut tore: never sealed, so never reported as done.

    Returns:
        Their versions.
    """
    folder = tables.path(name)
    known = _read(folder)
    unsealed = sorted(path for path in _log_files(folder) if path not in (known or {}))
    for path in unsealed:
        if path.endswith(".parquet") and not _is_parquet(folder / path):
            durable.remove(folder / path)  # a checkpoint only saves time
            durable.remove(folder / LOG / "_last_checkpoint")
    commits = [path for path in unsealed if path.endswith(".json")]
    torn = next(
        (path for path in commits if _is_torn(folder, path, sealed=known is not None)), None
    )
    dropped = [path for path in commits if torn is not None and path >= torn]
    for path in reversed(dropped):
        durable.remove(folder / path)
    if dropped:
        logger.warning("table %s: %d commits that a power cut tore are gone", name, len(dropped))
    return [_version_of(path) for path in dropped]


def check(tables: Tables, names: Iterable[str]) -> None:
    """Refuse to read damaged tables; a file is read once per process for it.

    Raises:
        DataError: A file is missing, or is not what was written.
    """
    with _verifying:
        for name in names:
            for damage in find_damage(tables, name, again=False):
                raise DataError(
                    f"{damage.path} is damaged: {damage.what}; {damage.lost}. Run `kinoloop "
                    "verify`: it names every damaged file and how to restore it"
                )


def find_damage(tables: Tables, name: str, *, again: bool = True) -> Iterator[Damage]:
    """Compare every file of a table with its checksum.

    Args:
        tables: The data directory.
        name: Which table.
        again: Read also what this process has verified and what has not changed its time since.
    """
    folder = tables.path(name)
    if not folder.exists():
        return
    try:
        record = _read(folder)
    except DataError as err:
        yield Damage(folder / FILE, str(err), "no other file of the table can be judged")
        return
    log = _log_files(folder)
    seen = {path: folder / path for path in {*(record or {}), *log}}
    if any(path.endswith(".checkpoint.parquet") for path in log - set(record or {})):
        seen.pop(f"{LOG}/_last_checkpoint", None)  # a writer is between checkpoint and seal
    bad = dict(_differing(seen, record or {}, again=again))
    for path in sorted(path for path in bad if path.startswith(LOG)):
        if not _outlived(path, log):
            yield Damage(folder / path, bad[path], f"which rows table {name} has is uncertain")
    rows: dict[str, int] | None = None
    try:
        rows = dict(_live(folder).select("path", "num_records").iter_rows()) if log else {}
    except DataError as err:
        if not any(path.startswith(LOG) for path in bad):
            yield Damage(folder / LOG, str(err), f"table {name} cannot be read")
    bad |= {path: MISSING for path in _gone(folder, rows) if path not in bad}
    for path in sorted(path for path in bad if not path.startswith(LOG)):
        if rows is None or path in rows or bad[path] != MISSING:  # vacuum deletes old versions'
            yield Damage(folder / path, bad[path], _lost(name, path, rows))


def unsealed(tables: Tables, name: str) -> int:
    """Log entries without a checksum yet: of a killed writer, or of an older version."""
    folder = tables.path(name)
    return len(_log_files(folder) - set(_read(folder) or {}))


def _gone(folder: Path, rows: dict[str, int] | None) -> list[str]:
    return [path for path in rows or () if not (folder / path).exists()]


def _lost(name: str, path: str, rows: dict[str, int] | None) -> str:
    if rows is None:
        return f"rows of table {name} cannot be trusted"
    if path in rows:
        return f"{rows[path]} rows of table {name} cannot be trusted"
    return f"older versions of table {name} need it, the newest does not"


def _differing(files: dict[str, Path], record: Record, *, again: bool) -> Iterator[tuple[str, str]]:
    """Those that are missing or are not what the record says, and what is wrong with them."""
    judged = sorted(path for path in files if path in record)
    with ThreadPoolExecutor(THREADS) as threads:
        found = threads.map(lambda path: _compare(files[path], record[path], again=again), judged)
        yield from ((path, wrong) for path, wrong in zip(judged, found, strict=True) if wrong)


def _compare(path: Path, expected: list[Any], *, again: bool) -> str:
    try:
        stat = path.stat()
        key = (str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if key in _verified and not again:
            return ""
        size, digest = _measure(path)
    except FileNotFoundError:
        return MISSING
    except OSError as err:
        return f"it cannot be read ({err})"
    if size != expected[0]:
        return f"it has {size} bytes, {expected[0]} were written"
    if digest != expected[1]:
        return f"its SHA-256 is {digest[:12]}…, {expected[1][:12]}… was written"
    _verified.add(key)
    return ""


def _measure(path: Path) -> list[Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return [file.tell(), digest]


def _read(folder: Path) -> Record | None:
    """Read the record of a table; None before the first seal."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_bytes())
        record: Record = document["files"]
        if document["digest"] == _digest_of(record):
            return record
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(
        f"{path} is damaged: it does not match its own digest. Restore it from the dataset "
        f"version, or delete it where `kinoloop verify` reports nothing else: the next ingest "
        "makes it again from the files as they are"
    )


def _digest_of(record: Record) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _log_files(folder: Path) -> set[str]:
    """Entries and checkpoints of the Delta log, without what a writer has under way."""
    log = folder / LOG
    names = (path.name for path in log.iterdir()) if log.is_dir() else iter(())
    return {
        f"{LOG}/{name}" for name in names if name[0].isdigit() or name == "_last_checkpoint"
        if "#" not in name and not name.endswith(".tmp")
    }  # fmt: skip


def _live(folder: Path) -> pl.DataFrame:
    """`path`, `size_bytes`, `num_records` of the files of the newest version."""
    try:
        actions = deltalake.DeltaTable(str(folder)).get_add_actions(flatten=True)
    except (OSError, deltalake.exceptions.DeltaError) as err:
        raise DataError(f"the log of {folder} cannot be read: {err}") from err
    return pl.DataFrame(actions).select("path", "size_bytes", "num_records")


def _is_torn(folder: Path, path: str, *, sealed: bool) -> bool:
    content = (folder / path).read_bytes()
    if not sealed:
        return not content
    try:
        added = [json.loads(line).get("add") for line in content.splitlines()]
    except (ValueError, AttributeError):
        return True
    files = [(folder / add["path"], add["size"]) for add in added if add]
    return not content or any(not f.exists() or f.stat().st_size != size for f, size in files)


def _is_parquet(path: Path) -> bool:
    try:
        pl.scan_parquet(path).collect_schema()
    except (OSError, pl.exceptions.PolarsError):
        return False
    return True


def _outlived(path: str, log: set[str]) -> bool:
    """Whether an entry is older than all that the log has: Delta cleans up behind checkpoints."""
    versions = [_version_of(entry) for entry in log if entry.endswith(".json")]
    return path not in log and bool(versions) and _version_of(path) < min(versions)


def _version_of(path: str) -> int:
    digits = Path(path).name.split(".")[0]
    return int(digits) if digits.isdigit() else 0
