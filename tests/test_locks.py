import logging

import pytest
from filelock import FileLock

from kinoloop.errors import DataError
from kinoloop.locks import held


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "state" / "work.lock"


@pytest.fixture
def releases_when_told():
    """Has a lock let go as soon as somebody says that it waits for it."""
    logger, handlers = logging.getLogger("kinoloop.locks"), []

    def arrange(other):
        class Ends(logging.Handler):
            def emit(self, record):
                other.release()

        handlers.append(Ends())
        logger.addHandler(handlers[-1])

    yield arrange
    for handler in handlers:
        logger.removeHandler(handler)


def test_a_lock_that_is_free_is_taken_without_a_word(lock, caplog):
    with held(lock, "work", wait_s=600), held(lock.with_name("other.lock"), "work", wait_s=600):
        assert lock.exists()
    assert not caplog.text


def test_one_that_is_held_too_long_is_named_in_the_error_asked_for(lock):
    with (
        held(lock, "work", wait_s=0),
        pytest.raises(DataError, match=r"another work holds .*work\.lock for more than 0\.1 s"),
        held(lock, "work", wait_s=0.1, error=DataError),
    ):
        pass


def test_who_waits_says_for_what_and_goes_on(lock, caplog, releases_when_told):
    lock.parent.mkdir()
    other = FileLock(lock, thread_local=False)
    other.acquire()
    releases_when_told(other)
    with held(lock, "work", wait_s=600):
        assert "another work runs; waiting for it, at most 600 s" in caplog.text
    assert caplog.text.count("waiting") == 1


def test_it_is_let_go_after_an_error(lock):
    with pytest.raises(ValueError, match="mine"), held(lock, "work", wait_s=0):
        raise ValueError("mine")
    with held(lock, "work", wait_s=0):
        pass
