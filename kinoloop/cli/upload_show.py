"""The last act of the demo: an upload on its way to its first slate, without another training."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime

import httpx
from rich.console import Console

from kinoloop.cli.own_service import caller
from kinoloop.environment import Environment
from kinoloop.errors import ServerError

UPLOAD = "upload-steam-train"
TITLE = "A steam train crosses the snowy mountains"
PATIENCE_S = 900.0  # a busy machine takes a minute to open a version
SAY_S = 30.0


def show_upload(environment: Environment, console: Console) -> None:
    """Land one video, run what `kinoloop up` would run by itself, and find the video in a slate.

    Args:
        environment: Names the landing zone, and the service, which follows the registry.
        console: Where to print.

    Raises:
        ServerError: The service does not show the video in time.
    """
    from flows.extract import extract
    from flows.ingest import ingest
    from flows.publish import publish
    from kinoloop.ingestion.landing import open_landing, write

    files, root = open_landing(environment.landing)
    target = f"{root}/videos/{UPLOAD}.jsonl"
    if files.exists(target):
        console.print(f"  {UPLOAD} came in an earlier run; its slates have it already")
        return
    row = {
        "video_id": UPLOAD,
        "title": TITLE,
        "category": "trains",
        "tags": ["trains", "mountains"],
        "published_at": datetime.now(UTC).isoformat(),
    }
    write(files, target, json.dumps(row).encode() + b"\n")
    landed = time.monotonic()
    for name, flow in (("ingested", ingest), ("extracted", extract), ("published", publish)):
        flow()
        console.print(f"  {time.monotonic() - landed:5.1f} s  {name}")
    model = _first_slate(environment, console)
    console.print(
        f"  {time.monotonic() - landed:5.1f} s  in its first slate: “{TITLE}”, by model version "
        f"{model}, which was not trained on it"
    )


def _first_slate(environment: Environment, console: Console) -> str:
    """Search for the upload until a slate has it; returns the model's version."""
    began = said = time.monotonic()
    with caller(environment, patience_s=PATIENCE_S) as client:
        while (now := time.monotonic()) < began + PATIENCE_S:
            with suppress(httpx.HTTPError):
                answer = client.post("/search", json={"query": TITLE, "top_k": 5})
                document = answer.json() if answer.is_success else {"slate": []}
                if UPLOAD in {video["video_id"] for video in document["slate"]}:
                    return str(document["model_version"])
            if now >= said + SAY_S:
                said = now
                console.print(f"  [dim]the service does not show it yet, {now - began:.0f} s[/dim]")
            time.sleep(0.2)
    raise ServerError(
        f"{UPLOAD} was published, but the service does not show it after {PATIENCE_S:.0f} s; its "
        "log is in the state folder, logs/service.log"
    )
