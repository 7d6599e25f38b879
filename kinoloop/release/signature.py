"""Who made a bundle: an Ed25519 signature over the bytes of `bundle.json`, kept in `bundle.sig`.

`bundle.json` has the digest of every other file, so the signature covers all of them. Whoever
trains holds the private key; whoever serves needs public keys only, so that a stolen service or a
writable registry cannot make a release. Why this scheme: docs/decisions/0009-signed-releases.md.

    bundle.sig      ed25519 <public key, 64 hex digits> <signature, 128 hex digits>
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kinoloop import durable
from kinoloop.environment import Environment
from kinoloop.errors import BundleError, ConfigError
from kinoloop.privacy.key_file import secret_key

SIGNATURE = "bundle.sig"
MANIFEST = "bundle.json"
TRUSTED_FILE = "trusted-keys"
"""Lies beside the bundle inside a Bento: the public key that its builder verified it with."""

_LINE = re.compile(r"ed25519 ([0-9a-f]{64}) ([0-9a-f]{128})\n")
_PUBLIC = re.compile(r"[0-9a-f]{64}")
_LONGEST = 256  # bytes; a signature has 202


class Signer:
    """Signs bundles under the key of this installation.

    Args:
        key: 32 secret bytes.

    Attributes:
        public: The public key, 64 hex digits.
    """

    def __init__(self, key: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(key)
        self.public = self._key.public_key().public_bytes_raw().hex()

    def sign(self, directory: Path) -> None:
        """Write `bundle.sig`; the same bundle always gets the same one."""
        signature = self._key.sign((directory / MANIFEST).read_bytes()).hex()
        durable.write_text(directory / SIGNATURE, f"ed25519 {self.public} {signature}\n")


@dataclass(frozen=True)
class Trust:
    """Whose bundles are taken.

    Attributes:
        keys: Public keys, 64 hex digits each.
    """

    keys: frozenset[str]

    def verify(self, directory: Path) -> str:
        """Check the signature of a bundle before a byte of it is parsed.

        Returns:
            The public key that signed.

        Raises:
            BundleError: The bundle is not signed, by nobody that is trusted, or was changed.
        """
        public, signature = _read(directory)
        if public not in self.keys:
            raise BundleError(
                f"{directory} is signed by key {public}, which is not trusted here; if it is of a "
                "machine of yours, add it to KINOLOOP_TRUSTED_KEYS, else find out who wrote it"
            )
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(
                bytes.fromhex(signature), (directory / MANIFEST).read_bytes()
            )
        except (InvalidSignature, ValueError) as err:
            raise BundleError(
                f"{directory / MANIFEST} is damaged: its signature does not fit; fetch the bundle "
                "again"
            ) from err
        except OSError as err:
            raise BundleError(f"{directory} is not a release bundle: {err}") from err
        return public


def signed_by(directory: Path) -> str:
    """Read the public key in `bundle.sig`; nothing is verified.

    Raises:
        BundleError: The bundle is not signed.
    """
    return _read(directory)[0]


def load_signer(environment: Environment) -> Signer:
    """Take the key from `KINOLOOP_SIGNING_KEY`, else from the state folder, else make one there.

    Raises:
        ConfigError: The key is not 64 hex digits.
    """
    return Signer(secret_key(environment, "signing"))


def load_trust(environment: Environment, *, beside: Path | None = None) -> Trust:
    """Trust the key that signs here, if there is one, and those that are named.

    Args:
        environment: Names the keys.
        beside: Folder of a Bento, whose own key counts where the environment names none.

    Raises:
        ConfigError: A key is not 64 hex digits.
    """
    keys = _parse(environment.trusted_keys.replace(",", " ").split(), "KINOLOOP_TRUSTED_KEYS")
    if environment.signing_key is not None or _key_file(environment).exists():
        keys |= {load_signer(environment).public}
    file = beside / TRUSTED_FILE if beside is not None else None
    if not environment.trusted_keys and file is not None and file.exists():
        keys |= _parse(file.read_text(encoding="ascii", errors="replace").split(), str(file))
    return Trust(frozenset(keys))


def _key_file(environment: Environment) -> Path:
    return environment.state_dir / "signing.key"


def _parse(keys: Iterable[str], where: str) -> set[str]:
    found = {key.lower() for key in keys}
    for key in found:
        if _PUBLIC.fullmatch(key) is None:
            raise ConfigError(
                f"{where}: {key[:80]!r} is not a public key; expected 64 hex digits, as the second "
                f"word of {SIGNATURE} in a bundle of that machine"
            )
    return found


def _read(directory: Path) -> tuple[str, str]:
    path = directory / SIGNATURE
    try:
        with path.open("rb") as file:
            match = _LINE.fullmatch(file.read(_LONGEST).decode("ascii", "replace"))
    except FileNotFoundError as err:
        raise BundleError(
            f"{directory} is not signed: it was made by a version of Kinoloop that did not sign, "
            "or by somebody else; run `kinoloop retrain --force`, then `kinoloop promote`"
        ) from err
    except OSError as err:
        raise BundleError(f"{path} cannot be read: {err}; fetch the bundle again") from err
    if match is None:
        raise BundleError(f"{path} is damaged: it holds no signature; fetch the bundle again")
    return match[1], match[2]
