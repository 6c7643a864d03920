"""Passwords by Argon2id and one-time codes by time (RFC 6238)."""

from __future__ import annotations

from datetime import datetime

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bothways.adapters.trust.keys import SecretKeys


class Argon2Hasher:
    """Argon2id with the library's current recommendation (RFC 9106, second choice: 64 MiB, 3 passes).

    Args:
        fast: small parameters, for tests only.
    """

    def __init__(self, *, fast: bool = False) -> None:
        self._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1) if fast else PasswordHasher()
        self._nobody = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """A salted hash."""
        return self._hasher.hash(password)

    def verify(self, password_hash: str, password: str) -> bool:
        """Whether they belong together; an empty hash takes as long and is never right."""
        try:
            self._hasher.verify(password_hash or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return bool(password_hash)


class TimeCodes:
    """Six digits that change every 30 s; one step of difference between the clocks is forgiven.

    Args:
        keys: seal secrets for the store; ``None`` for a key of this process alone.
    """

    def __init__(self, keys: SecretKeys | None = None) -> None:
        self._keys = keys or SecretKeys()

    def new_secret(self) -> str:
        """A secret for an authenticator, base 32."""
        return pyotp.random_base32()

    def verify(self, secret: str, code: str, at: datetime) -> bool:
        """Whether a code is right at an instant."""
        digits = code.replace(" ", "")
        return digits.isascii() and pyotp.TOTP(secret).verify(digits, for_time=at, valid_window=1)

    def address(self, secret: str, name: str) -> str:
        """The address that an authenticator reads from a QR code."""
        return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="bothways")

    def sealed(self, secret: str, account_id: str) -> str:
        """A secret as the store keeps it.

        Raises:
            InputError: there is no key, and none can be made.
        """
        return self._keys.seal(secret, account_id)

    def opened(self, sealed: str, account_id: str) -> str:
        """The secret again; ``""`` where the key is missing."""
        return self._keys.open(sealed, account_id)
