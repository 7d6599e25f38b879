"""Secret keys of an installation: 32 bytes as hex, from a variable or a file of mode 0600."""

import secrets
from typing import Literal

from kinoloop import durable
from kinoloop.environment import Environment
from kinoloop.errors import ConfigError

KEY_BYTES = 32


def secret_key(
    environment: Environment, name: Literal["operator", "pseudonym", "signing"]
) -> bytes:
    """Take a key from its variable, else from the state folder, else make one there.

    Args:
        environment: Names both.
        name: Of the key: `KINOLOOP_<NAME>_KEY`, `<name>.key`.

    Raises:
        ConfigError: The key is not 64 hex digits.
    """
    keys = {
        "operator": environment.operator_key,
        "pseudonym": environment.pseudonym_key,
        "signing": environment.signing_key,
    }
    variable = keys[name]
    if variable is not None:
        return _parse(variable.get_secret_value(), name, "the variable")
    path = environment.private_state() / f"{name}.key"
    if not path.exists():
        # of two processes that race, both read the file of the first
        durable.write_once(path, secrets.token_hex(KEY_BYTES), mode=0o600)
    return _parse(path.read_text(encoding="ascii", errors="replace").strip(), name, str(path))


def _parse(text: str, name: str, where: str) -> bytes:
    advice = f"make one with `openssl rand -hex {KEY_BYTES}`"
    try:
        key = bytes.fromhex(text)
    except ValueError as err:
        raise ConfigError(f"the {name} key in {where} is not hex; {advice}") from err
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"the {name} key in {where} has {len(key)} bytes, expected {KEY_BYTES}; {advice}"
        )
    return key
