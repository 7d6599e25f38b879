import asyncio
import signal
import sqlite3
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from kinoloop.release import search
from kinoloop.release.slate import Slate
from kinoloop.schema import DAY_US
from serving import metrics, reading, unread
from serving.live_event import LiveEvent, Parcel
from serving.reading import PIECE, Reading
from serving.repeats import DIFFERENT, MOST
from serving.sayings import live_id
from serving.slates import AskedSearch
from serving.sqlite_state import SqliteState
from serving.unread import texts_of
from serving.written import written_by
from tests.serving.stored import content, rows

MINUTE_US = 60_000_000
NOON = 5 * DAY_US + DAY_US // 2


class Texts:
    """Reads a text as a direction of its length, and notes how many were read at once."""

    space = "s"

    def __init__(self):
        self.pieces = []

    def of(self, user):
        return []

    def encode(self, texts):
        self.pieces.append(len(texts))
        return np.stack([direction(text) for text in texts])


def direction(text):
    return np.array([np.cos(len(text)), np.sin(len(text))], dtype=np.float32)


@pytest.fixture
def texts():
    return Texts()


def tell(state, texts, *told):
    """Record events as feedback does: (kind, user, id, µs, text or what is undone)."""
    events = [LiveEvent(live_id(i, at), user, "", kind, None, None, at)
              for kind, user, i, at, _ in told]  # fmt: skip
    parcels = [
        Parcel("raw", undoes=said) if kind == "undo" else Parcel("raw", text=said)
        for kind, _, _, _, said in told
    ]
    state.record(events, parcels, texts=texts_of(events, parcels, texts))


def counts(state, texts, user, *, by=None):
    """How many texts count in the next slate."""
    by = by or Reading(state)
    current = SimpleNamespace(release=SimpleNamespace(texts=texts))
    asyncio.run(by.catch_up(user, texts, people=state.about(user)))
    return len(written_by(user, current, state, by))


def ask(by, texts, user, query, at):
    """Search as `/search` does."""
    slate = Slate(asked=direction(query))
    asyncio.run(by.searched(user, AskedSearch(query, 5, at), slate, texts))


@pytest.fixture
def started(state, texts):
    by = Reading(state)
    by.start(lambda: SimpleNamespace(release=SimpleNamespace(texts=texts)))
    yield by
    by.close()


def until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_many_comments_are_on_the_disk_unread_and_one_user_waits_for_his_own(state, texts):
    tell(state, texts, *[("comment", f"u{i}", f"c{i}", NOON, "x" * (i + 1)) for i in range(100)])
    assert texts.pieces == []
    assert rows(state, "unread") == 100
    assert counts(state, texts, "u7") == 1
    assert texts.pieces == [1]
    assert counts(state, texts, "nobody") == 0


def test_what_waits_is_read_in_small_pieces_and_its_words_are_erased(state, texts, started):
    words = "steam trains and soup"
    tell(state, texts, *[("comment", f"u{i}", f"c{i}", NOON, words + "!" * i) for i in range(30)])
    until(lambda: rows(state, "unread") == 0)
    assert rows(state, "written") == 30
    assert max(texts.pieces) <= PIECE
    started.close()
    state.finish(state.claim(100))
    state.wipe()
    assert words.encode() not in content(state)
    assert counts(state, texts, "u3") == 1


def test_what_a_killed_worker_left_unread_is_read_by_the_next(state, new_state, texts):
    tell(state, texts, ("search", "p", "s1", NOON, "trains"))
    assert counts(new_state(), texts, "p") == 1


def test_what_cannot_be_read_is_left_out_and_holds_nothing_up(state, started, texts, caplog):
    plain = texts.encode

    def encode(said):
        if "\u0000" in "".join(said):
            raise ValueError("no such letter")
        return plain(said)

    texts.encode = encode
    said = ("fine", "a\u0000b", "good", "well")  # of one piece
    tell(state, texts, *[("comment", "p", f"c{i}", NOON + i, text) for i, text in enumerate(said)])
    until(lambda: rows(state, "unread") == 0)
    until(lambda: rows(state, "written") == 3)
    assert "could not be read" in caplog.text


def test_beyond_the_bound_texts_are_left_out_and_counted(state, texts, monkeypatch, caplog):
    monkeypatch.setattr(unread, "MOST", 3)
    before = metrics.TEXTS.labels("queue_full")._value.get()
    tell(state, texts, *[("comment", f"u{i}", f"c{i}", NOON, "hello") for i in range(5)])
    assert rows(state, "unread") == 3
    assert rows(state, "live") == 5
    assert metrics.TEXTS.labels("queue_full")._value.get() - before == 2
    assert "2 texts" in caplog.text


def test_an_undo_takes_back_a_search_by_all_its_names(state, texts, started):
    ask(started, texts, "p", "trains", NOON)
    tell(state, texts, ("search", "p", "s1", NOON + 5, "trains"))
    assert counts(state, texts, "p", by=started) == 1
    tell(state, texts, ("undo", "p", "u1", NOON + 10, "s1"))
    assert counts(state, texts, "p", by=started) == 0
    ask(started, texts, "p", "trains", NOON + MINUTE_US)  # again, of his own will
    assert counts(state, texts, "p", by=started) == 1


def test_a_search_counts_while_another_writer_holds_the_disk(texts, tmp_path, monkeypatch):
    state = SqliteState(tmp_path / "live.db")
    monkeypatch.setattr("serving.sqlite_connections.BUSY_TIMEOUT_S", 0.01)
    monkeypatch.setattr(reading, "RETRY_S", 0.01)
    monkeypatch.setattr(reading, "WRITE_S", 0.01)
    by = Reading(SqliteState(state.path))
    before = metrics.TEXTS.labels("disk")._value.get()
    writer = sqlite3.connect(state.path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    by.start(lambda: None)
    ask(by, texts, "p", "trains", NOON)
    assert counts(state, texts, "p", by=by) == 1
    until(lambda: metrics.TEXTS.labels("disk")._value.get() > before)
    assert rows(state, "written") == 0
    assert counts(state, texts, "p", by=by) == 1
    writer.execute("ROLLBACK")
    writer.close()
    by.close()
    assert texts.pieces == []  # the search has read it already
    assert counts(state, texts, "p") == 1
    state.shut()


def test_repeats_of_a_search_hide_no_other_and_are_not_kept(state, texts, started):
    ask(started, texts, "q", "abc", NOON)
    for i in range(20):
        ask(started, texts, "q", "abcdefgh", NOON + (i + 1) * 1_000_000)
    told = [("search", "q", f"s{i}", NOON + 30_000_000 + i, "abcdefgh") for i in range(20)]
    tell(state, texts, *told)
    assert counts(state, texts, "q", by=started) == 2
    started.close()
    counts(state, texts, "q")
    assert rows(state, "written") + rows(state, "unread") < MOST


def test_searches_of_one_user_are_bounded(state, texts, started):
    for i in range(3 * DIFFERENT):
        ask(started, texts, "flood", "x" * (i + 1), NOON + i * MINUTE_US)
    started.close()
    assert rows(state, "written") <= DIFFERENT
    assert counts(state, texts, "flood") == 4


def test_whom_the_live_state_forgets_has_written_nothing(state, texts, started):
    ask(started, texts, "p", "trains", NOON)
    started.close()
    tell(state, texts, ("comment", "p", "c1", NOON + 1, "lovely"))
    assert (rows(state, "written"), rows(state, "unread")) == (1, 1)
    state.forget_user("p")
    assert (rows(state, "written"), rows(state, "unread")) == (0, 0)


def test_the_encoder_is_given_in_the_order_of_asking():
    turns, order = search._Turns(), []

    def greedy():
        for _ in range(3):
            with turns:
                order.append("reads")
                until(lambda: turns._asked > turns._served + 1 or "search" in order)

    thread = threading.Thread(target=greedy)
    thread.start()
    until(lambda: order)
    with turns:
        order.append("search")
    thread.join()
    assert order.index("search") == 1


def test_the_turn_of_who_was_interrupted_while_waiting_goes_to_the_next():
    turns, done = search._Turns(), threading.Event()
    main = threading.main_thread().ident

    def interrupt():
        until(lambda: turns._asked == 2)
        signal.pthread_kill(main, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with turns:
            thread = threading.Thread(target=interrupt)
            thread.start()
            with pytest.raises(KeyboardInterrupt), turns:
                done.set()
    finally:
        signal.signal(signal.SIGINT, before)
    thread.join()
    assert not done.is_set()

    def read():
        with turns:
            done.set()

    threading.Thread(target=read, daemon=True).start()
    assert done.wait(600)
