"""What a live state holds, looked up in the store itself and not by its own methods."""

from contextlib import suppress
from pathlib import Path

from serving.redis_people import PREFIX
from serving.redis_state import RedisState
from serving.sqlite_state import SqliteState
from serving.state import LiveState

_KINDS = {"live": ("live", "told"), "shown_hourly": ("hourly", "exposed")}


def rows(state: LiveState, table: str) -> int:
    """Rows of a table of SQLite, and of what stands for it in Redis."""
    if isinstance(state, SqliteState):
        return state.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    assert isinstance(state, RedisState)
    with state._client.speaking() as redis:
        kinds = _KINDS.get(table, (table,))
        keys = [key for kind in kinds for key in redis.keys(f"{PREFIX}{kind}:*")]
        return sum(redis.hlen(key) for key in keys)


def content(state: LiveState) -> bytes:
    """Every byte that the store has on the disk."""
    if isinstance(state, SqliteState):
        folder = state.path.parent
    else:
        assert isinstance(state, RedisState)
        folder = Path(state._client.setting("dir"))
    found = []
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):  # a rewritten log takes a name over
            found.append(file.read_bytes())
    return b"".join(found)
