"""Name a vector space: two encoders share a fingerprint only if their vectors may be compared.

A fingerprint covers weights, preprocessing, pooling, the image backend, the versions of the
libraries that compute, and the version of our code. It does not cover where a model was found (a
hub name, a folder or a package with the same weights are the same encoder), nor the device and its
precision: bf16 on a GPU and float32 on a CPU agree to a cosine of about 0.999, and features made
on the one must answer queries on the other.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kinoloop.data.video_text import COMPOSITION

FINGERPRINT_HEX_DIGITS = 32
CHUNK_BYTES = 1 << 20


def fingerprint(facts: dict[str, Any]) -> str:
    """Digest of facts that change vectors: 32 hex digits; the order of keys does not matter."""
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:FINGERPRINT_HEX_DIGITS]


def text_space(encoder: str, composition: int = COMPOSITION) -> str:
    """Name the space of the vectors that a text encoder makes of videos.

    Args:
        encoder: Its fingerprint.
        composition: Version of the text of a video. The first was not named yet: its vectors bear
            the encoder's own fingerprint.
    """
    return encoder if composition == 1 else fingerprint({"encoder": encoder, "text": composition})


def composition_of(space: str, encoder: str) -> int | None:
    """Which composition the text vectors of a space were made of.

    Args:
        space: Fingerprint of the vectors.
        encoder: Fingerprint of an encoder.

    Returns:
        A version up to `COMPOSITION`; None where another encoder made the vectors, or a later
        version of this code.
    """
    versions = range(COMPOSITION, 0, -1)
    return next((v for v in versions if text_space(encoder, v) == space), None)


def library_versions(*names: str) -> dict[str, str]:
    """Major and minor version by package: a bug-fix release does not void a feature table."""
    return {name: ".".join(version(name).split(".")[:2]) for name in names}


def digest_files(paths: Iterable[Path]) -> list[str]:
    """SHA-256 of each file, sorted, so that file names do not count."""
    facts = [(path.resolve(), path.stat()) for path in paths]
    return sorted(_digest(path, stat.st_size, stat.st_mtime_ns) for path, stat in facts)


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, modified_ns: int) -> str:  # noqa: ARG001 (part of the key)
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest()
