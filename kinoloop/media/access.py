"""What a catalogue may name: files below some folders, buckets and hosts, and nothing else.

A catalogue row comes from anybody who can write into the landing zone, and what its `media` and
`subtitles` hold is served to everybody. So a path counts only where it really lies, links followed,
below a folder that the settings name; and an address only where the settings name its bucket or its
host. What a host's name stands for is checked when it is connected to (`kinoloop.media.http`).
"""

import ipaddress
import json
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import Field, field_validator

from kinoloop import durable
from kinoloop.errors import MediaError
from kinoloop.privacy.addresses import has_credentials, redact
from kinoloop.settings import Config

WEB = ("http", "https")
STORES = ("s3", "gs", "gcs", "az", "abfs", "abfss", "memory")
"""fsspec protocols that a catalogue may name; chains such as `zip::` are not among them."""

PORTS = {"http": 80, "https": 443}
SECTION = "[extract.access]"
FOLDERS_FILE = "media-folders.json"
"""In the state folder: where `kinoloop import` and `kinoloop sample` left or found clips."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "fec0::/10",  # site-local: deprecated (RFC 3879), and routed within some sites to this day
        "192.88.99.0/24",  # relays of 6to4: deprecated (RFC 7526)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""Networks that the standard library takes for public."""


class AccessConfig(Config):
    """Where media and subtitles may come from, and how long a server may take."""

    folders: tuple[str, ...] = Field(
        default=(), description="Beside the landing zone, the data directory and what was imported."
    )
    buckets: tuple[str, ...] = Field(
        default=(), description='Such as "s3://bucket/clips"; the landing zone is one where it is.'
    )
    hosts: tuple[str, ...] = Field(
        default=(),
        description='For http(s): "cdn.example.com", "*.example.com", "cdn.example.com:8443"; "*": '
        "every public host.",
    )
    networks: tuple[str, ...] = Field(
        default=(),
        description='Addresses that are not public and yet allowed, such as "10.1.0.0/16".',
    )
    stall_s: float = Field(
        default=30.0, gt=0, description="A server that sends under 64 KiB in this time has stalled."
    )
    download_s: float = Field(default=1800.0, gt=0, description="Wall time of one download.")

    @field_validator("networks")
    @classmethod
    def _check_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ipaddress.ip_network(network)
        return networks

    @field_validator("buckets")
    @classmethod
    def _check_buckets(cls, buckets: tuple[str, ...]) -> tuple[str, ...]:
        for bucket in buckets:
            parts = urlsplit(bucket)
            if parts.scheme.lower() not in STORES or not parts.netloc:
                raise ValueError(
                    f"{bucket!r} is not a bucket; write s3://bucket or gs://bucket/prefix"
                )
        return buckets

    @field_validator("hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            _split_host(host)
        return hosts

    @cached_property
    def _networks(self) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(network) for network in self.networks)

    @cached_property
    def _hosts(self) -> tuple[tuple[str, int | None], ...]:
        return tuple(_split_host(host) for host in self.hosts)

    def check_host(self, url: httpx.URL) -> None:
        """Refuse a host that the settings do not name.

        Raises:
            MediaError: `not_allowed`.
        """
        host = url.raw_host.decode("ascii").lower().rstrip(".")
        port = PORTS[url.scheme] if url.port is None else url.port
        for name, wanted in self._hosts:
            below = name.startswith("*") and host.endswith(name[1:])
            if (name in {"*", host} or below) and port in ((wanted,) if wanted else PORTS.values()):
                return
        shown = host if port in PORTS.values() else f"{host}:{port}"
        raise MediaError(
            "not_allowed", f"no host of {SECTION} is {shown!r}; if it is yours, add it to hosts"
        )

    def check_address(self, text: str) -> None:
        """Refuse an address that is not on the public internet and not in `networks`.

        Args:
            text: As name resolution gives it.

        Raises:
            MediaError: `not_allowed`.
        """
        address = ipaddress.ip_address(text.partition("%")[0])
        for meant in _meant(address):
            if any(meant in network for network in self._networks):
                continue
            special = meant.is_multicast or meant.is_reserved
            if not meant.is_global or special or any(meant in net for net in _NOT_PUBLIC):
                raise MediaError(
                    "not_allowed",
                    f"its host resolves to {text}, which is not on the public internet; if it is "
                    f"yours, add its network to networks of {SECTION}",
                )

    def check_bucket(self, url: str, landing: str | None) -> None:
        """Refuse what lies in no bucket that the settings name.

        Args:
            url: With a scheme of `STORES`.
            landing: The landing zone where it is a URL.

        Raises:
            MediaError: `not_allowed`, or `bad_name` where the path climbs.
        """
        if "::" in url or any(part in {".", ".."} for part in url.split("/")):
            raise MediaError("bad_name", f"{redact(url)!r} is not a plain address of an object")
        for bucket in (*self.buckets, *([landing] if landing else [])):
            if url.startswith(f"{bucket.rstrip('/')}/"):
                return
        raise MediaError(
            "not_allowed",
            f"no bucket of {SECTION} holds {redact(url)!r}; if it is yours, add it to buckets",
        )


def is_remote(reference: str) -> bool:
    """Whether a reference is an address and not a path.

    Raises:
        MediaError: It names a protocol that is not read (`scheme_not_allowed`), cannot be an
            address (`bad_name`) or carries a password or a key (`credentials`).
    """
    if "://" not in reference:
        return False
    scheme = reference.partition("://")[0].lower()
    if scheme not in WEB + STORES:
        raise MediaError(
            "scheme_not_allowed",
            f"{redact(reference)!r} names protocol {scheme[:20]!r}; "
            f"allowed are {', '.join(WEB + STORES)}",
        )
    if has_credentials(reference):
        raise MediaError(
            "credentials",
            f"{redact(reference)!r} carries a password, key or signature; a catalogue is shown and "
            "versioned: name the plain address, and give access by the environment or the network",
        )
    return True


def resolve(reference: str, folders: Iterable[Path], *, here: Path | None = None) -> Path:
    """Find the file that a path names.

    Args:
        reference: A path, absolute or relative.
        folders: Where files may lie; a relative path is looked for under each, first match wins.
        here: Where a relative path is looked for as well; what is found must lie in a folder.

    Returns:
        The real path, links followed.

    Raises:
        MediaError: There is nothing there (`not_found`), it lies elsewhere (`not_allowed`), or the
            name is no path (`bad_name`).
    """
    if not reference or "\0" in reference or len(os.fsencode(reference)) > 4096:
        raise MediaError("bad_name", f"{reference[:100]!r} is not a file name")
    folders = list(folders)
    roots = [os.path.realpath(folder) for folder in folders]
    bases = [*folders, *([here] if here else [])]
    absolute = Path(reference).is_absolute()
    candidates = [Path(reference)] if absolute else [base / reference for base in bases]
    outside = False
    for candidate in candidates:
        real = Path(os.path.realpath(candidate))
        inside = any(real.is_relative_to(root) for root in roots)
        if inside and os.path.lexists(candidate):
            return real
        outside |= not inside and (absolute or os.path.lexists(candidate))
    if outside:
        raise MediaError(
            "not_allowed",
            f"{reference!r} lies in none of the folders {', '.join(map(str, folders))}; if it is "
            f"yours, add its folder to folders of {SECTION}",
        )
    looked = ", ".join(str(candidate) for candidate in candidates)
    raise MediaError("not_found", f"there is no file {reference!r}; looked at {looked}")


def remember_folder(state_dir: Path, folder: Path) -> None:
    """Note a folder of clips that an operator named to a command; extraction may read below it."""
    folders = sorted({*map(str, remembered_folders(state_dir)), str(folder.resolve())})
    durable.write_json(state_dir / FOLDERS_FILE, folders)


def remembered_folders(state_dir: Path) -> tuple[Path, ...]:
    """Read what `remember_folder` noted."""
    try:
        noted = json.loads((state_dir / FOLDERS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple(Path(folder) for folder in noted if isinstance(folder, str))


def _split_host(entry: str) -> tuple[str, int | None]:
    """`cdn.example.com:8443` as name and port, the name as it stands on the wire."""
    star = entry.startswith("*")
    try:
        url = httpx.URL(f"http://{'any' + entry[1:] if star else entry}/")
    except httpx.InvalidURL as err:
        raise ValueError(f"{entry!r} is not a host: {err}") from err
    name = url.raw_host.decode("ascii").lower().rstrip(".")
    odd = "%" in name or (star and entry[1:2] not in {"", ":", "."})
    if not name or url.userinfo or url.raw_path != b"/" or odd:
        raise ValueError(f"{entry!r} is not a host; write cdn.example.com or *.example.com")
    return f"*{name[len('any') :]}" if star else name, url.port


def _meant(address: Address) -> Iterable[Address]:
    """Yield the address, and those that it only wraps: IPv4 in IPv6."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped:
        return (address.ipv4_mapped,)
    if address.sixtofour:
        return (address, address.sixtofour)
    if address.teredo:
        return (address, *address.teredo)
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    return (address,)
