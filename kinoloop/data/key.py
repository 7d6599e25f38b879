"""Which pseudonym key the tables were written under.

Two keys in one table would split every user in two, in silence. So the data directory remembers
the id of its key (not the key), and another key is refused.
"""

import json

from kinoloop import durable
from kinoloop.data.tables import Tables
from kinoloop.errors import ConfigError, DataError
from kinoloop.privacy.pseudonyms import Pseudonyms

FILE = "pseudonyms.json"


def key_id_of(tables: Tables) -> str | None:
    """Id of the key that the tables were written under; None before the first batch.

    Raises:
        DataError: The file that says so is damaged.
    """
    path = tables.root / FILE
    if not path.exists():
        return None
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["key_id"])
    except (ValueError, KeyError, TypeError) as err:
        raise DataError(
            f"{path} does not name a key id; restore it with `dvc checkout {tables.root.name}`"
        ) from err


def check_key(tables: Tables, pseudonyms: Pseudonyms) -> None:
    """Refuse a key that the tables were not written under.

    Raises:
        ConfigError: The keys differ.
    """
    written = key_id_of(tables)
    if written is not None and written != pseudonyms.key_id:
        raise ConfigError(
            f"the tables in {tables.root} were written under pseudonym key {written}, but the "
            f"present key is {pseudonyms.key_id}: with it every user would become two. Set "
            "KINOLOOP_PSEUDONYM_KEY (or the key file in the state folder) to the key of the tables"
        )


def remember_key(tables: Tables, key_id: str) -> None:
    """Write down the id of the key, once."""
    path = tables.root / FILE
    if path.exists():
        return
    durable.write_json(path, {"key_id": key_id})
