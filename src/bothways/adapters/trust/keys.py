"""Keys that seal what the database must not tell: kept in a file beside the configuration, never in the database.

The file holds one key a line (32 random bytes, base64url). The first seals; the others still open, so that keys can be
changed while the server runs. A sealed text is ``k1.KEY.TEXT``; it is bound to the account that it belongs to.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bothways.domain.errors import InputError, Problem

_log = structlog.get_logger("bothways.access")
_MARK = "k1"
_BYTES = 32
_NONCE = 12
_PUBLIC = 0o077
_KEPT = 2


class SecretKeys:
    """Seals and opens texts.

    Args:
        path: the file; ``None`` for a key of this process alone, whose texts nobody opens after it.
        make: whether a file that is missing is made at the first need.
    """

    def __init__(self, path: Path | None = None, *, make: bool = True) -> None:
        self._path, self._make = path, make
        self._keys: list[bytes] = [secrets.token_bytes(_BYTES)] if path is None else []
        self._read: tuple[int, int] | None = None

    def seal(self, text: str, whose: str) -> str:
        """A text that only the keys open.

        Raises:
            InputError: no key, or a file that cannot be read or made.
        """
        self._load()
        if not self._keys:
            self.renew()
        key, nonce = self._keys[0], secrets.token_bytes(_NONCE)
        sealed = nonce + ChaCha20Poly1305(key).encrypt(nonce, text.encode(), whose.encode())
        return f"{_MARK}.{_name(key)}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, whose: str) -> str:
        """The text; ``""`` where its key is missing or it belongs to somebody else, and the log says so."""
        if not is_sealed(sealed):
            return sealed  # of a database from before secrets were sealed
        _, name, content = sealed.split(".", 2)
        try:
            self._load()
        except InputError as error:
            _log.error("keys cannot be read", error=str(error))
        found = next((key for key in self._keys if _name(key) == name), None)
        if found is None:
            _log.error("a key is missing, so a second factor cannot be checked", key=name, file=str(self._path or ""))
            return ""
        raw = base64.urlsafe_b64decode(content)
        try:
            return ChaCha20Poly1305(found).decrypt(raw[:_NONCE], raw[_NONCE:], whose.encode()).decode()
        except InvalidTag:
            _log.error("a sealed text was changed, or moved to another account", account=whose)
            return ""

    def current(self, sealed: str) -> bool:
        """Whether a text is sealed by the key that seals now."""
        self._load()
        return is_sealed(sealed) and bool(self._keys) and sealed.split(".", 2)[1] == _name(self._keys[0])

    def renew(self) -> None:
        """Puts a new key before the one that sealed until now, which is kept to open; older ones are let go of.

        Raises:
            InputError: a file that must not or cannot be made.
        """
        self._load()
        if self._path is not None and not self._keys and not self._make:
            raise InputError([_missing(self._path)])
        keys = [secrets.token_bytes(_BYTES), *self._keys][:_KEPT]
        if self._path is None:
            self._keys = keys
            return
        try:
            _write(self._path, keys)
        except FileExistsError:
            pass  # another process was first: its key holds
        except OSError as error:
            remedy = "Let the server write there, or make the file with `bothways account key CONFIG`."
            allowed = f"a place for the file of keys ({error.strerror})"
            raise InputError([Problem("server.secrets_key", str(self._path), allowed, remedy)]) from error
        else:
            _log.warning("a key was written; keep a copy of it apart from copies of the database", file=str(self._path))
        self._load()

    def _load(self) -> None:
        """Reads the file where it changed."""
        if self._path is None:
            return
        try:
            state = self._path.stat()
            if self._read == (state.st_mtime_ns, state.st_ino):
                return
            lines = self._path.read_text(encoding="ascii").split()
            keys = [base64.urlsafe_b64decode(line) for line in lines]
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise InputError([_unreadable(self._path, type(error).__name__)]) from error
        if any(len(key) != _BYTES for key in keys):
            raise InputError([_unreadable(self._path, "a line is no key")])
        if state.st_mode & _PUBLIC:
            _log.warning("others can read the file of keys; give it mode 0600", file=str(self._path))
        self._keys, self._read = keys, (state.st_mtime_ns, state.st_ino)


def _write(path: Path, keys: list[bytes]) -> None:
    """Writes the file whole; the first one only where there is none."""
    first = len(keys) == 1
    target = path if first else path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(b"".join(base64.urlsafe_b64encode(key) + b"\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    if not first:
        target.replace(path)


def is_sealed(text: str) -> bool:
    """Whether a text was sealed by some key.

    >>> is_sealed("JBSWY3DPEHPK3PXP")
    False
    """
    return text.startswith(f"{_MARK}.")


def _name(key: bytes) -> str:
    return hashlib.sha256(b"name of a key" + key).hexdigest()[:12]


def _missing(path: Path) -> Problem:
    allowed = "a file of keys that every web process reads"
    return Problem("server.secrets_key", str(path), allowed, "Make it with `bothways account key CONFIG`.")


def _unreadable(path: Path, why: str) -> Problem:
    allowed = f"one key a line, readable by this user ({why})"
    return Problem("server.secrets_key", str(path), allowed, "Restore it from its copy.")
