"""What access needs of a store, of hashing and of one-time codes; accounts and sessions as they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bothways.operations.access.roles import Actor, Grant
from bothways.operations.access.tries import TriesStore


@dataclass(frozen=True, slots=True)
class Account:
    """A person or a program that can sign in.

    Attributes:
        account_id: unique, never reused.
        name: what the person types.
        password_hash: by the hasher's own format; ``""`` for accounts that only use tokens or were only invited.
        grants: what it may do.
        totp_secret: second factor, sealed as :meth:`SecondFactor.sealed` makes it; ``""`` for none.
        language: of the screens.
        disabled: kept, but signs in no more.
        email: by which a provider finds an account that nobody has signed in to yet; ``""`` for none.
    """

    account_id: str
    name: str
    password_hash: str
    grants: tuple[Grant, ...]
    totp_secret: str = ""
    language: str = "en"
    disabled: bool = False
    email: str = ""

    def actor(self) -> Actor:
        """The account as permissions see it."""
        return Actor(self.account_id, self.name, self.grants)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session: found by the hash of its token, which only the holder knows.

    Attributes:
        purpose: ``session`` in a browser, ``token`` for programs, ``invitation`` for a first sign-in.
    """

    token_hash: str
    account_id: str
    purpose: str
    opened_at: datetime
    expires_at: datetime
    label: str = ""


class PasswordHasher(Protocol):
    """Slow hashing of passwords."""

    def hash(self, password: str) -> str:
        """A salted hash."""
        ...

    def verify(self, password_hash: str, password: str) -> bool:
        """Whether they belong together; also for an empty hash, which takes as long and is never right."""
        ...


class SecondFactor(Protocol):
    """One-time codes."""

    def new_secret(self) -> str:
        """A secret for an authenticator."""
        ...

    def address(self, secret: str, name: str) -> str:
        """The address that an authenticator reads from a QR code."""
        ...

    def verify(self, secret: str, code: str, at: datetime) -> bool:
        """Whether a code is right at an instant."""
        ...

    def sealed(self, secret: str, account_id: str) -> str:
        """A secret as the store keeps it: worthless without a key that is kept elsewhere.

        Raises:
            InputError: there is no such key.
        """
        ...

    def opened(self, sealed: str, account_id: str) -> str:
        """The secret again; ``""`` where the key is missing, so that no code is right."""
        ...


class AccountStore(TriesStore, Protocol):
    """Durable accounts and sessions."""

    async def add_account(self, account: Account) -> None:
        """Adds one; raises ``InputError`` where the name is taken."""
        ...

    async def replace_account(self, account: Account) -> None:
        """Stores a changed account."""
        ...

    async def account_by_name(self, name: str) -> Account | None:
        """By what the person types, ignoring case."""
        ...

    async def account(self, account_id: str) -> Account | None:
        """By id."""
        ...

    async def accounts(self) -> Sequence[Account]:
        """All, by name."""
        ...

    async def open_session(self, session: SignedIn) -> None:
        """Keeps a session."""
        ...

    async def use_recovery(self, account_id: str, code_hash: str) -> bool:
        """Uses a recovery code up; false where there is none such."""
        ...

    async def session(self, token_hash: str) -> SignedIn | None:
        """The session, also an expired one."""
        ...

    async def sessions(self, account_id: str) -> Sequence[SignedIn]:
        """An account's sessions."""
        ...

    async def close_session(self, token_hash: str) -> None:
        """Ends one session at once."""
        ...

    async def close_sessions(self, account_id: str) -> None:
        """Ends every session of an account."""
        ...

    async def note(self, kind: str, subject: str, at: datetime, detail: Mapping[str, object]) -> None:
        """Appends to the audit log."""
        ...
