import json

import httpx
import pytest
from pydantic import ValidationError

from kinoloop.errors import MediaError
from kinoloop.media.access import (
    AccessConfig,
    is_remote,
    remember_folder,
    remembered_folders,
    resolve,
)


def test_relative_path_is_looked_for_under_each_folder_in_turn(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    (second / "a.mp4").touch()
    assert resolve("a.mp4", [first, second]) == second / "a.mp4"
    (first / "a.mp4").touch()
    assert resolve("a.mp4", [first, second]) == first / "a.mp4"


def test_absolute_path_is_itself_where_its_folder_is_named(tmp_path):
    (tmp_path / "a.mp4").touch()
    assert resolve(str(tmp_path / "a.mp4"), [tmp_path]) == tmp_path / "a.mp4"
    (tmp_path / "link").symlink_to(tmp_path)  # the folder itself may be named by a link
    assert resolve(str(tmp_path / "a.mp4"), [tmp_path / "link"]) == tmp_path / "a.mp4"


def test_path_to_nothing_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(MediaError, match=rf"not_found: .*'a\.mp4'; looked at {tmp_path}/a\.mp4"):
        resolve("a.mp4", [tmp_path])


@pytest.mark.parametrize("name", ["", "a\0b", "a" * 5000])
def test_name_that_is_no_path_is_refused(name, tmp_path):
    with pytest.raises(MediaError, match="bad_name"):
        resolve(name, [tmp_path])


@pytest.fixture
def landing(tmp_path):
    """A landing zone beside a file that nobody named, and every way that leads to it."""
    landing, secret = tmp_path / "landing", tmp_path / "secret.srt"
    (landing / "media").mkdir(parents=True)
    secret.write_text("1\n00:00:01,000 --> 00:00:02,000\nsecret\n")
    (landing / "link.srt").symlink_to(secret)
    (landing / "relative.srt").symlink_to("../secret.srt")
    (landing / "folder").symlink_to(tmp_path)
    (landing / "chain.srt").symlink_to(landing / "link.srt")
    return landing


@pytest.mark.parametrize(
    "reference",
    [
        "{tmp}/secret.srt",
        "../secret.srt",
        "media/../../secret.srt",
        "link.srt",
        "relative.srt",
        "chain.srt",
        "folder/secret.srt",
        "{tmp}/landing/../secret.srt",
        "{tmp}/landing2/a.srt",
        "/etc/hostname",
        "/proc/self/environ",
        "/dev/stdin",
    ],
)
def test_path_that_leads_out_of_the_named_folders_is_refused(landing, tmp_path, reference):
    with pytest.raises(MediaError, match=r"not_allowed: .*folders of \[extract\.access\]"):
        resolve(reference.format(tmp=tmp_path), [landing], here=tmp_path)


def test_link_within_the_named_folders_is_followed(landing):
    (landing / "media" / "a.mp4").touch()
    (landing / "b.mp4").symlink_to(landing / "media" / "a.mp4")
    assert resolve("b.mp4", [landing]) == landing / "media" / "a.mp4"


def test_loop_of_links_is_not_found(landing):
    (landing / "loop").symlink_to(landing / "loop")
    assert resolve("loop", [landing]) == landing / "loop"  # opening it gives the reason


def test_working_directory_finds_only_what_lies_in_a_named_folder(landing, tmp_path):
    (landing / "media" / "a.mp4").touch()
    found = resolve("landing/media/a.mp4", [landing], here=tmp_path)
    assert found == landing / "media" / "a.mp4"
    with pytest.raises(MediaError, match="not_allowed"):
        resolve("secret.srt", [landing], here=tmp_path)


def test_protocols_that_are_not_listed_are_refused():
    assert is_remote("https://host/a.mp4")
    assert not is_remote("media/a.mp4")
    for reference in ("file:///etc/passwd", "zip://a.mp4::https://host/a.zip", "gopher://host/a"):
        with pytest.raises(MediaError, match="scheme_not_allowed"):
            is_remote(reference)


@pytest.mark.parametrize(
    "address",
    [
        "https://me:hunter2@host/a.mp4",
        "https://hunter2@host/a.mp4",
        "s3://id:hunter2@bucket/a.mp4",
        "https://host/a.mp4?X-Amz-Signature=hunter2&X-Amz-Expires=9",
        "https://host/a.mp4?sv=2024&sig=hunter2",
        "https://host/a.mp4?v=1&access_token=hunter2",
    ],
)
def test_address_with_credentials_is_refused_without_showing_them(address):
    with pytest.raises(MediaError, match=r"credentials: .*carries a password") as caught:
        is_remote(address)
    assert "hunter2" not in str(caught.value)


def test_only_named_buckets_are_read():
    access = AccessConfig(buckets=("s3://clips/public",))
    access.check_bucket("s3://clips/public/a.mp4", None)
    access.check_bucket("s3://landing/zone/media/a.mp4", "s3://landing/zone")
    for url in ("s3://clips/private/a.mp4", "s3://clips/publicity/a.mp4", "gs://clips/public/a"):
        with pytest.raises(MediaError, match="not_allowed: no bucket"):
            access.check_bucket(url, None)
    for url in ("s3://clips/public/../private/a.mp4", "s3://clips/public/a::file:///etc/passwd"):
        with pytest.raises(MediaError, match="bad_name"):
            access.check_bucket(url, None)


@pytest.mark.parametrize(
    ("hosts", "url", "allowed"),
    [
        ((), "https://host.com/a", False),
        (("host.com",), "https://HOST.com./a", True),
        (("host.com",), "https://a.host.com/a", False),
        (("host.com",), "https://host.com:8443/a", False),
        (("host.com:8443",), "https://host.com:8443/a", True),
        (("host.com:8443",), "https://host.com/a", False),
        (("*.host.com",), "https://a.b.host.com/a", True),
        (("*.host.com",), "https://host.com/a", False),
        (("*.host.com",), "https://evilhost.com/a", False),
        (("*",), "http://host.com/a", True),
        (("*",), "http://host.com:22/a", False),
        (("m\u00fcnchen.de",), "http://xn--mnchen-3ya.de/a", True),
    ],
)
def test_only_named_hosts_are_asked(hosts, url, allowed):
    access = AccessConfig(hosts=hosts)
    if allowed:
        access.check_host(httpx.URL(url))
    else:
        with pytest.raises(MediaError, match=r"not_allowed: no host of \[extract\.access\]"):
            access.check_host(httpx.URL(url))


def test_address_within_is_allowed_where_its_network_is_named():
    access = AccessConfig(networks=("10.1.0.0/16",))
    access.check_address("10.1.2.3")
    access.check_address("::ffff:10.1.2.3")
    access.check_address("93.184.215.14")
    for address in ("10.2.0.1", "::ffff:10.2.0.1", "127.0.0.1"):
        with pytest.raises(MediaError, match="not_allowed"):
            access.check_address(address)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hosts": ["http://host"]},
        {"hosts": ["*evil.com"]},
        {"hosts": [""]},
        {"hosts": ["a b"]},
        {"buckets": ["bucket"]},
        {"buckets": ["file:///etc"]},
        {"networks": ["10.0.0.0/99"]},
    ],
)
def test_setting_that_names_nothing_is_refused(wrong):
    with pytest.raises(ValidationError):
        AccessConfig.model_validate(wrong)


def test_folders_that_commands_were_given_are_remembered(tmp_path):
    assert remembered_folders(tmp_path / "state") == ()
    for name in ("b", "a", "b"):
        remember_folder(tmp_path / "state", tmp_path / name)
    assert remembered_folders(tmp_path / "state") == (tmp_path / "a", tmp_path / "b")
    (tmp_path / "state" / "media-folders.json").write_text(json.dumps("damaged")[:3])
    assert remembered_folders(tmp_path / "state") == ()
