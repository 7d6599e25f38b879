"""Text that only this installation can read again: encrypted and authenticated under its key."""

import base64
import hmac

from cryptography.fernet import Fernet, InvalidToken


class Seal:
    """Seals texts (Fernet: AES-128-CBC with HMAC-SHA256).

    Args:
        key: Of the installation; what is sealed for another purpose has another key.
        purpose: What the texts are.
    """

    def __init__(self, key: bytes, purpose: str) -> None:
        own = hmac.digest(key, purpose.encode(), "sha256")
        self._fernet = Fernet(base64.urlsafe_b64encode(own))

    def close(self, text: str) -> str:
        """Return a text that nobody can read without the key; each time another one."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Read it again.

        Raises:
            ValueError: It was not sealed under this key, or was changed since.
        """
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise ValueError("the text was sealed under another key, or changed since") from None
