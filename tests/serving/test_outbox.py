import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import datetime
from pathlib import Path

import fsspec
import pytest

from kinoloop.schema import EVENT_CONTEXT, LANDING_EVENTS
from kinoloop.testing.service import KEY as SECRET
from serving.live_event import LiveEvent, Parcel
from serving.outbox import Outbox
from tests.ingestion.landing_zone import KEY, Zone
from tests.serving.stored import content


def events(first: int, last: int) -> list[LiveEvent]:
    return [
        LiveEvent(f"e{n}", "p", f"v{n}", "view", 1.5, None, 1_790_000_000_000_001 + n)
        for n in range(first, last)
    ]


def of(user_ids) -> list[Parcel]:
    return [Parcel(user_id) for user_id in user_ids]


def outbox(state, tmp_path, max_rows=100):
    return Outbox(state, str(tmp_path / "landing"), max_rows=max_rows)


def landed(tmp_path) -> dict[str, list[dict]]:
    files = sorted((tmp_path / "landing" / "events" / "feedback").glob("*"))
    return {
        file.name: [json.loads(line) for line in file.read_text().splitlines()] for file in files
    }


def test_rows_are_what_the_landing_zone_expects(state, tmp_path):
    state.record(events(0, 1), of(["raw-user"]))
    assert outbox(state, tmp_path).export() == 1
    ((name, (row,)),) = landed(tmp_path).items()
    assert name.startswith("feedback-")
    assert name.endswith(".jsonl")
    assert set(row) == {*LANDING_EVENTS, *EVENT_CONTEXT, "duration_s"}
    assert row["surface"] == "service"
    assert row["user_id"] == "raw-user"
    assert (row["video_id"], row["event"], row["watch_s"]) == ("v0", "view", 1.5)
    assert row["event_id"] == "e0"
    moment = datetime.fromisoformat(row["timestamp"])
    assert round(moment.timestamp() * 1e6) == 1_790_000_000_000_001


def test_all_that_was_said_travels_and_a_file_of_searches_has_every_column(state, tmp_path):
    search = LiveEvent("key", "p", "", "search", None, None, 1_790_000_000_000_000)
    parcel = Parcel("raw-user", "given", "soup", "tv", "remote", float("inf"))
    state.record([search], [parcel])
    outbox(state, tmp_path).export()
    ((_, (row,)),) = landed(tmp_path).items()
    assert set(row) == {*LANDING_EVENTS, *EVENT_CONTEXT, "duration_s"}
    assert row["video_id"] is None
    assert (row["event_id"], row["text"], row["surface"], row["device"], row["duration_s"]) == (
        ("given", "soup", "tv", "remote", "inf")
    )


def test_files_of_feedback_are_their_owners_alone(state, tmp_path):
    """They carry raw user ids and comments."""
    state.record(events(0, 1), of(["raw-user"]))
    outbox(state, tmp_path).export()
    (file,) = (tmp_path / "landing" / "events" / "feedback").glob("*.jsonl")
    assert file.stat().st_mode & 0o777 == 0o600


def test_every_event_is_exported_once_in_files_of_bounded_size(state, tmp_path):
    state.record(events(0, 25), of([f"u{n}" for n in range(25)]))
    box = outbox(state, tmp_path, max_rows=10)
    assert box.pending() == 25
    assert box.export() == 25
    assert box.pending() == 0
    assert box.export() == 0
    rows = [row for file in landed(tmp_path).values() for row in file]
    assert sorted(len(file) for file in landed(tmp_path).values()) == [5, 10, 10]
    assert {row["event_id"] for row in rows} == {f"e{n}" for n in range(25)}


def test_the_raw_user_id_is_gone_after_export(state, tmp_path):
    state.record(events(0, 3), of(["raw-user"] * 3))
    outbox(state, tmp_path).export()
    (tmp_path / "landing").rename(tmp_path.with_suffix(".landing"))
    assert b"raw-user" not in content(state)
    assert len(state.videos_of("p")) == 3  # what happened stays, under the pseudonym


def test_only_one_process_exports_at_a_time(state, new_state, tmp_path):
    state.record(events(0, 3), of(["u"] * 3))
    with new_state().alone("export") as mine:
        assert mine
        assert outbox(state, tmp_path).export() == 0
    assert outbox(state, tmp_path).export() == 3


def test_an_erased_user_is_left_out_of_a_batch_that_was_claimed(state, tmp_path):
    state.record(events(0, 2), of(["u", "u"]))
    box = outbox(state, tmp_path)
    state.claim(100)
    state.forget_user("p")
    assert box.export() == 0
    assert box.pending() == 0


def test_an_object_store_gets_whole_files(state):
    files = fsspec.filesystem("memory")
    state.record(events(0, 2), of(["u", "u"]))
    assert Outbox(state, "memory://bucket/landing", max_rows=10).export() == 2
    (path,) = files.glob("/bucket/landing/events/feedback/*.jsonl")
    assert files.cat_file(path).count(b"\n") == 2


_KILLED_AFTER_RENAME = """
    import os, signal, sys
    from pathlib import Path
    import serving.outbox
    import serving.redis_store
    from serving.outbox import Outbox
    from kinoloop.environment import Environment
    from serving.state import open_state

    moment, folder = sys.argv[1], Path(sys.argv[2])

    serving.redis_store.CLAIM_S = 1.0
    write = serving.outbox.write

    def killed(files, path, content, **how):
        if moment == "before writing":
            os.kill(os.getpid(), signal.SIGKILL)
        write(files, path, content, **how)
        if moment == "after writing":
            os.kill(os.getpid(), signal.SIGKILL)

    serving.outbox.write = killed
    if moment == "while writing":
        os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
    Outbox(open_state(Environment()), str(folder / "landing"), max_rows=100).export()
"""


@pytest.mark.parametrize("moment", ["before writing", "while writing", "after writing"])
def test_a_kill_at_any_moment_of_an_export_loses_and_doubles_nothing(
    state, state_url, tmp_path, moment
):
    state.record(events(0, 7), of(["u"] * 7))
    command = [sys.executable, "-c", textwrap.dedent(_KILLED_AFTER_RENAME), moment, str(tmp_path)]
    given = {"KINOLOOP_STATE_URL": state_url, "KINOLOOP_PSEUDONYM_KEY": SECRET}
    killed = subprocess.run(command, check=False, cwd=Path.cwd(), env={**os.environ, **given})
    assert killed.returncode == -signal.SIGKILL
    before = landed(tmp_path) if moment == "after writing" else None

    state.record(events(7, 9), of(["u"] * 2))  # more arrives before the next start
    box, end = outbox(state, tmp_path), time.monotonic() + 60
    while not (exported := box.export()) and time.monotonic() < end:
        time.sleep(0.1)  # a claim in Redis outlives its owner for a while
    assert exported == 9
    assert not list((tmp_path / "landing").rglob(".*"))  # no raw id is left half written

    files = {name: rows for name, rows in landed(tmp_path).items() if name.endswith(".jsonl")}
    rows = [row["event_id"] for file in files.values() for row in file]
    assert sorted(rows) == [f"e{n}" for n in range(9)]
    if before is not None:  # the file that was there is byte for byte the same
        ((name, content),) = before.items()
        assert files[name] == content


def test_ingest_takes_exported_feedback_and_once_only(state, tmp_path):
    zone = Zone(tmp_path)
    zone.put("videos/a.csv", "video_id,title,duration_s\nv0,One,10\nv1,Two,20\n")
    zone.ingest()
    before_2026 = 1_767_000_000_000_000
    given = [e._replace(timestamp=before_2026 + n) for n, e in enumerate(events(0, 2))]
    given.append(LiveEvent("r", "p", "v1", "rating", None, 4.0, before_2026))
    state.record(given, of(["anna"] * 3))
    box = outbox(state, tmp_path)
    box.export()
    staged = zone.ingest()
    assert (staged.total("accepted"), staged.total("quarantined")) == (3, 0)
    assert set(zone.rows("events")["event_id"]) == {"e0", "e1", "r"}
    assert set(zone.rows("events")["user_id"]) == {KEY.of("anna")}

    (file,) = (tmp_path / "landing" / "events" / "feedback").glob("*.jsonl")
    zone.put("events/feedback/again.jsonl", file.read_text() + "\n")  # other bytes, same events
    assert zone.ingest().total("duplicates") == 3
    assert len(zone.rows("events")) == 3
