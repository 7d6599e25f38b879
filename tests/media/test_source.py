import os
import socket

import pytest

from kinoloop.errors import MediaError
from kinoloop.media import source
from kinoloop.media.source import check_regular, digest, open_regular


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
