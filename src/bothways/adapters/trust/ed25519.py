"""Ed25519 keys (RFC 8032) in PEM files, signatures and their check, through the optional ``cryptography`` package."""

from __future__ import annotations

import hashlib
import importlib
import os
from pathlib import Path
from typing import Any

from bothways.adapters.files.reading import read_bytes, shown
from bothways.adapters.files.writing import write_bytes
from bothways.domain.errors import BothwaysError, InputError, Problem

_KEY_LIMIT = 1 << 16


def _library() -> tuple[Any, Any, type[Exception]]:
    """The modules for keys and their encodings, and the error of a wrong signature."""
    try:
        keys = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
        encodings = importlib.import_module("cryptography.hazmat.primitives.serialization")
        errors = importlib.import_module("cryptography.exceptions")
    except ImportError as error:
        msg = "certificates need the package cryptography: install bothways with its extra, bothways[trust]"
        raise BothwaysError(msg) from error
    return keys, encodings, errors.InvalidSignature


def create_key(private_path: Path | str, public_path: Path | str) -> bytes:
    """Makes a new pair of keys; the private file is readable by its owner only.

    Args:
        private_path: PEM file of the private key; must not exist.
        public_path: PEM file of the public key, to give to everybody.

    Returns:
        The public key, 32 bytes.

    Raises:
        InputError: the private file exists (a key is never overwritten), or a path cannot be written.
        BothwaysError: the extra is not installed.
    """
    keys, encodings, _ = _library()
    key = keys.Ed25519PrivateKey.generate()
    secret: bytes = key.private_bytes(
        encodings.Encoding.PEM, encodings.PrivateFormat.PKCS8, encodings.NoEncryption()
    )  # fmt: skip
    public: bytes = key.public_key().public_bytes(
        encodings.Encoding.PEM, encodings.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    target = Path(private_path)
    if target.exists():
        remedy = "Choose another name; a key that was used must not be lost."
        raise InputError([Problem(shown(target), "a file that exists", "a new file", remedy)])
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        remedy = "Choose another folder."
        problem = Problem(shown(target), f"not writable: {error.strerror}", "a place to write a key", remedy)
        raise InputError([problem]) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
        write_bytes(public_path, public)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return _raw(key.public_key(), encodings)


def sign(private_path: Path | str, message: bytes) -> tuple[bytes, bytes]:
    """Signs a message with the key in a PEM file.

    Returns:
        The signature (64 bytes) and the public key that checks it (32 bytes).

    Raises:
        InputError: no such file, or no Ed25519 private key in it.
        BothwaysError: the extra is not installed.
    """
    keys, encodings, _ = _library()
    content = read_bytes(private_path, limit=_KEY_LIMIT)
    try:
        key = encodings.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, BothwaysError) as error:
        raise _no_key(private_path, "an Ed25519 private key in PEM without a password") from error
    if not isinstance(key, keys.Ed25519PrivateKey):
        raise _no_key(private_path, "an Ed25519 private key in PEM without a password")
    return key.sign(message), _raw(key.public_key(), encodings)


def read_public_key(path: Path | str) -> bytes:
    """Reads a public key (PEM): 32 bytes.

    Raises:
        InputError: no such file, or no Ed25519 public key in it.
        BothwaysError: the extra is not installed.
    """
    keys, encodings, _ = _library()
    content = read_bytes(path, limit=_KEY_LIMIT)
    try:
        key = encodings.load_pem_public_key(content)
    except (ValueError, TypeError) as error:
        raise _no_key(path, "an Ed25519 public key in PEM") from error
    if not isinstance(key, keys.Ed25519PublicKey):
        raise _no_key(path, "an Ed25519 public key in PEM")
    return _raw(key, encodings)


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the signature (64 bytes) of a message was made with the key (32 bytes).

    Raises:
        BothwaysError: the extra is not installed.
    """
    keys, _, wrong = _library()
    try:
        keys.Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (wrong, ValueError):
        return False
    return True


def fingerprint(public_key: bytes) -> str:
    """A short name of a key, for people to compare: the begin of its SHA-256 in groups of four.

    >>> fingerprint(bytes(32))
    '6668 7aad f862 bd77 6c8f c18b 8e9f 8e20'
    """
    digest = hashlib.sha256(public_key).hexdigest()[:32]
    return " ".join(digest[i : i + 4] for i in range(0, 32, 4))


def _raw(public_key: Any, encodings: Any) -> bytes:
    raw: bytes = public_key.public_bytes(encodings.Encoding.Raw, encodings.PublicFormat.Raw)
    return raw


def _no_key(path: Path | str, allowed: str) -> InputError:
    remedy = "Name the file that bothways soh --new-key wrote, or make one with it."
    return InputError([Problem(shown(path), "something else", allowed, remedy)])
