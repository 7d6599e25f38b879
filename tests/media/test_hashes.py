import os

from kinoloop.media.hashes import HashCache


def cache(tmp_path):
    return HashCache(tmp_path / "state" / "hashes.sqlite", max_bytes=1000)


def settled(path, text):
    path.write_text(text)
    os.utime(path, (1000, 1000))
    return path


def test_known_file_is_not_read_again(tmp_path):
    file = settled(tmp_path / "a", "one")
    first = cache(tmp_path)
    hashes = first.hash_all([file, file])
    assert first.computed == 1
    again = cache(tmp_path)
    assert again.hash_all([file]) == hashes
    assert again.computed == 0


def test_changed_file_is_read_again(tmp_path):
    file = settled(tmp_path / "a", "one")
    before = cache(tmp_path).hash_all([file])[file]
    file.write_text("two")
    os.utime(file, (2000, 2000))
    assert cache(tmp_path).hash_all([file])[file] != before


def test_file_that_changed_just_now_is_not_remembered(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    cache(tmp_path).hash_all([file])
    again = cache(tmp_path)
    again.hash_all([file])
    assert again.computed == 1


def test_known_file_over_a_limit_that_was_lowered_is_refused(tmp_path):
    file = settled(tmp_path / "a", "one")
    cache(tmp_path).hash_all([file])
    stricter = HashCache(tmp_path / "state" / "hashes.sqlite", max_bytes=2)
    assert stricter.hash_all([file]) == {file: "!too_large"}


def test_known_file_that_is_gone_is_not_found(tmp_path):
    file = settled(tmp_path / "a", "one")
    cache(tmp_path).hash_all([file])
    file.unlink()
    assert cache(tmp_path).hash_all([file]) == {file: "!not_found"}


def test_what_can_not_be_hashed_says_why(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 1001)
    os.mkfifo(tmp_path / "fifo")
    places = [tmp_path / name for name in ("gone", "large", "fifo", ".")]
    assert list(cache(tmp_path).hash_all([*places, "memory://gone"]).values()) == [
        "!not_found",
        "!too_large",
        "!not_a_regular_file",
        "!not_a_regular_file",
        "!not_found",
    ]


def test_damaged_cache_is_made_again(tmp_path, caplog):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "hashes.sqlite").write_bytes(b"not a database" * 100)
    file = settled(tmp_path / "a", "one")
    assert len(cache(tmp_path).hash_all([file])[file]) == 64
    assert "is damaged and is made again" in caplog.text


def test_url_is_known_by_address_and_version(tmp_path):
    import fsspec

    hashes = []
    for text in (b"one", b"three"):
        with fsspec.open("memory://hashes/a", "wb") as file:
            file.write(text)
        hashes += cache(tmp_path).hash_all(["memory://hashes/a"]).values()
    assert hashes[0] != hashes[1]
