"""Secrets of stations: generated, shown once, kept as a salted hash.

**Why SHA-256 and no slow hash.** A slow hash (scrypt, Argon2) buys time against guessing *words*. A secret made here
holds 160 random bits: nobody guesses one in 2¹⁶⁰, however fast a try is, so slowness protects nothing. It would harm:
after a power cut 9 000 stations reconnect at once, and at 50 ms each their passwords alone would take eight minutes on
a core; a salted SHA-256 takes a hundredth of a second for all of them. The salt keeps equal secrets from showing.
Only secrets made here are hashed this way: :func:`hash_secret` refuses anything that could be a person's password.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from bothways.domain.errors import InputError, Problem

_SECRET_BYTES = 20
_LEAST_BYTES = 16
_SCHEME = "sha256"


def new_secret() -> str:
    """A new secret: 40 hexadecimal digits, valid as password of OCPP 2.x and as AuthorizationKey of 1.6."""
    return secrets.token_hex(_SECRET_BYTES)


def hash_secret(secret: str) -> str:
    """Salted hash of a secret that :func:`new_secret` made.

    Raises:
        InputError: the secret has not the form of at least 128 random bits in hexadecimal digits.
    """
    if not re.fullmatch(rf"(?:[0-9a-f]{{2}}){{{_LEAST_BYTES},}}", secret):
        remedy = "Let bothways generate the secret."
        raise InputError([Problem("secret", "something else", "at least 32 hexadecimal digits, generated", remedy)])
    salt = secrets.token_bytes(16)
    return f"{_SCHEME}${salt.hex()}${_hash(salt, secret.encode()).hex()}"


def check_secret(stored: str, secret: bytes) -> bool:
    """Whether ``secret`` belongs to the hash, in constant time.

    Some 1.6 stations decode the AuthorizationKey and send its raw bytes: both forms are compared, always.
    """
    scheme, _, rest = stored.partition("$")
    salt_hex, _, hash_hex = rest.partition("$")
    usable = scheme == _SCHEME
    salt = bytes.fromhex(salt_hex) if usable else bytes(16)
    expected = bytes.fromhex(hash_hex) if usable else bytes(32)
    as_text = hmac.compare_digest(_hash(salt, secret), expected)
    lowered = hmac.compare_digest(_hash(salt, secret.lower()), expected)
    as_bytes = hmac.compare_digest(_hash(salt, secret.hex().encode()), expected)
    return usable and (as_text or lowered or as_bytes)


def _hash(salt: bytes, secret: bytes) -> bytes:
    return hashlib.sha256(salt + secret).digest()
