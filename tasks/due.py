"""Whether extraction has work: since the last one that completed, videos or settings changed.

What is compared is a note beside the tables, written when an extraction has completed, so that one
that was killed, failed, or had to leave videos out stays due. Files that arrive after the row that
names them, and addresses that answer again, change no table: the daily run takes those up.
"""

import hashlib
import json

from prefect import task
from prefect.cache_policies import NO_CACHE

from kinoloop import durable
from kinoloop.data.tables import Tables
from kinoloop.environment import Environment

NOTE = "extracted.json"


def extraction_input(environment: Environment) -> dict[str, str | int]:
    """Say what an extraction that starts now works on: the version of the videos, the settings."""
    settings = environment.settings_file
    content = settings.read_bytes() if settings.exists() else b""
    tables = Tables(environment.data_dir)
    return {
        "videos": tables.version("videos") if tables.exists("videos") else -1,
        "settings": hashlib.sha256(content).hexdigest(),
    }


def is_extraction_due(environment: Environment) -> bool:
    """Whether there are videos, and the last completed extraction saw others or other settings."""
    now = extraction_input(environment)
    note = Tables(environment.data_dir).workspace / NOTE
    try:
        seen = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        seen = None
    return now["videos"] != -1 and seen != now


@task(name="note extraction", cache_policy=NO_CACHE)
def note_extraction(environment: Environment, seen: dict[str, str | int]) -> None:
    """Remember what an extraction that has completed saw when it began."""
    place = Tables(environment.data_dir).workspace
    place.mkdir(parents=True, exist_ok=True)
    durable.write_json(place / NOTE, seen)
