import os
import socket

import pytest

from kinoloop.errors import MediaError
from kinoloop.media import source
from kinoloop.media.source import (
    check_regular,
    digest,
    downloaded,
    is_remote,
    open_regular,
    resolve,
)


def test_relative_path_is_looked_for_under_each_root_in_turn(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        root.mkdir()
    (second / "a.mp4").touch()
    assert resolve("a.mp4", [first, second]) == second / "a.mp4"
    (first / "a.mp4").touch()
    assert resolve("a.mp4", [first, second]) == first / "a.mp4"


def test_absolute_path_is_itself(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert resolve(str(tmp_path / "a.mp4"), []) == tmp_path / "a.mp4"


def test_path_to_nothing_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(MediaError, match=rf"not_found: .*'a\.mp4'; looked at {tmp_path}/a\.mp4"):
        resolve("a.mp4", [tmp_path])


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_name_that_is_no_path_is_refused(name, tmp_path):
    with pytest.raises(MediaError, match="bad_name"):
        resolve(name, [tmp_path])


def test_protocols_that_are_not_listed_are_refused():
    assert is_remote("https://host/a.mp4")
    assert not is_remote("media/a.mp4")
    for reference in ("file:///etc/passwd", "zip://a.mp4::https://host/a.zip", "gopher://host/a"):
        with pytest.raises(MediaError, match="scheme_not_allowed"):
            is_remote(reference)


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "empty").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name, said in {
            "fifo": "not_a_regular_file: .* is a FIFO",
            "socket": "not_a_regular_file: .* is a socket",
            ".": "not_a_regular_file: .* is a directory",
            "/dev/zero": "not_a_regular_file: /dev/zero is a device",
            "empty": "empty: .* has 0 bytes",
            "loop": "not_found",
        }.items():
            with pytest.raises(MediaError, match=said):
                check_regular(tmp_path / name, max_bytes=10)


def test_file_that_becomes_a_fifo_does_not_hang(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "a")
    monkeypatch.setattr(source, "check_regular", lambda path, max_bytes: None)
    with (
        pytest.raises(MediaError, match="is no longer a file"),
        open_regular(tmp_path / "a", max_bytes=10),
    ):
        pass


def test_file_without_permission_is_unreadable(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("x")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(source.os, "open", refuse)
    with pytest.raises(MediaError, match=r"unreadable: .*Permission denied"):
        digest(tmp_path / "a", max_bytes=10)


def test_download_is_bounded_and_removed():
    import fsspec

    with fsspec.open("memory://source/a", "wb") as file:
        file.write(b"12345")
    with downloaded("memory://source/a", max_bytes=5) as path:
        assert path.read_bytes() == b"12345"
    assert not path.exists()
    said = "too_large: memory://source/a has more than 4 bytes"
    with pytest.raises(MediaError, match=said), downloaded("memory://source/a", max_bytes=4):
        pass
