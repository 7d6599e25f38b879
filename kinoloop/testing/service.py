"""The real service in a process of its own, and synthetic bundles for it to serve."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl

from kinoloop.data.catalogue import Catalogue, Modality
from kinoloop.data.histories import Histories
from kinoloop.data.ids import IdMap
from kinoloop.models.base import build
from kinoloop.privacy.pseudonyms import Pseudonyms
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Provenance
from kinoloop.release.signature import Signer, Trust, signed_by
from kinoloop.testing.synthetic_ranker import synthetic_ranker, with_text

KEY = "5e" * 32
SIGNING_KEY = "51" * 32
SIGNER = Signer(bytes.fromhex(SIGNING_KEY))
TRUST = Trust(frozenset({SIGNER.public}))
START_US = 1_780_000_000_000_000
READY_S = 1200.0
_TAKEN = "Address already in use"
"""What the log says where somebody took the port after it had been free."""


def synthetic_bundle(
    directory: Path,
    *,
    kind: str,
    videos: int = 19_220,
    users: int = 50_000,
    seed: int = 0,
    ranker: bool = False,
) -> Path:
    """Write a bundle of the size of MicroLens-50k: 19,220 videos, 50,000 users, 7.2 events each.

    Args:
        directory: Must not exist.
        kind: Recommender, or its settings as JSON.
        videos: How many, popularity falling as 1/rank.
        users: How many; their ids are `user-0`, `user-1`, …
        seed: Of everything.
        ranker: Whether it has one, and vectors of text for it.
    """
    rng = np.random.default_rng(seed)
    settings = json.loads(kind) if kind.startswith("{") else {"kind": kind}
    catalogue = _catalogue(rng, videos)
    histories = _histories(rng, videos, users)
    if ranker:
        catalogue = with_text(catalogue, rng)
    recommender = build(settings, seed=seed).fit(histories, catalogue)
    provenance = Provenance(name=settings["kind"], dataset_version=f"synthetic-{seed}")
    write_bundle(
        directory,
        recommender=recommender,
        catalogue=catalogue,
        histories=histories,
        provenance=provenance,
        ranker=synthetic_ranker(catalogue, histories, seed=seed) if ranker else None,
    )
    SIGNER.sign(directory)
    return directory


@contextmanager
def running(
    state_dir: Path,
    *,
    bundle: Path | None = None,
    port: int | None = None,
    wait_for: str = "/readyz",
    code: Path | None = None,
    **environment: str,
) -> Iterator[str]:
    """Start the service, wait until it is ready, and stop it at the end.

    Args:
        state_dir: Its state, landing zone and log go here.
        bundle: Served instead of the champion.
        port: A free one is taken where None.
        wait_for: Path that must answer before it counts as started.
        code: Folder of another checkout of the project, whose service it is; None: of this one.
        environment: More variables.

    Yields:
        Its address.
    """
    variables = {
        **os.environ,
        "KINOLOOP_STATE_DIR": str(state_dir),
        "KINOLOOP_LANDING": str(state_dir / "landing"),
        "KINOLOOP_PSEUDONYM_KEY": KEY,
        "KINOLOOP_TRUSTED_KEYS": SIGNER.public,
        "BENTOML_HOME": str(state_dir / "bentoml"),
        **environment,
    }
    if bundle is not None:
        variables["KINOLOOP_BUNDLE"] = str(bundle)
        variables["KINOLOOP_TRUSTED_KEYS"] = signed_by(bundle)
    state_dir.mkdir(parents=True, exist_ok=True)
    log = state_dir / "service.log"
    url, process = _started(variables, log, port or free_port(), code)
    try:
        while not _is_ready(url + wait_for, process):
            if port or _TAKEN not in log.read_text(errors="replace"):
                raise TimeoutError(f"{url} does not answer; see service.log in its state folder")
            log.unlink()
            url, process = _started(variables, log, free_port(), code)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _started(
    variables: dict[str, str], log_file: Path, port: int, code: Path | None
) -> tuple[str, subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:Kinoloop"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with log_file.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 (our own arguments)
            command, env=variables, stdout=log, stderr=log, cwd=code
        )
    return f"http://127.0.0.1:{port}", process


def _is_ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (our own address)
                return True
        except OSError:
            time.sleep(0.1)
    return False


def _catalogue(rng: np.random.Generator, videos: int) -> Catalogue:
    names = [f"video-{index}" for index in range(videos)]
    words = np.array(["river", "city", "night", "goal", "bread", "piano", "robot", "forest"])
    frame = pl.DataFrame(
        {
            "video_id": names,
            "title": [" ".join(row) for row in words[rng.integers(0, len(words), (videos, 4))]],
            "duration_s": rng.uniform(5, 120, videos),
        }
    )
    vectors = rng.standard_normal((videos, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    modality = Modality(vectors, np.ones(videos, dtype=bool), "synthetic")
    published = START_US + np.arange(videos, dtype=np.int64)
    return Catalogue(IdMap(names), published, frame, {"visual": modality})


def _histories(rng: np.random.Generator, videos: int, users: int) -> Histories:
    chance = 1 / np.arange(1, videos + 1) ** 0.7
    lengths = np.minimum(3 + rng.geometric(1 / 4.2, users), 100)
    rows = np.repeat(np.arange(users), lengths)
    watched = rng.choice(videos, size=len(rows), p=chance / chance.sum())
    unique = np.unique(rows * videos + watched)
    rows, watched = unique // videos, rng.permuted(unique) % videos
    unique = np.unique(rows * videos + watched)
    rows, watched = unique // videos, unique % videos
    n = len(unique)
    return Histories(
        offsets=np.searchsorted(rows, np.arange(users + 1)).astype(np.int64),
        videos=watched.astype(np.int32),
        weights=np.ones(n, dtype=np.float32),
        timestamps=START_US + np.arange(n, dtype=np.int64) * 1_000_000,
        kinds=np.ones(n, dtype=np.uint8),
        watch_shares=np.full(n, np.nan, dtype=np.float32),
        user_ids=tuple(Pseudonyms(bytes.fromhex(KEY)).of_all(f"user-{i}" for i in range(users))),
    )
