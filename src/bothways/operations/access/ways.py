"""Ways to sign in beside name and password, and where they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Passkey:
    """The public half of an authenticator's key.

    Attributes:
        credential_id: base64url, by the authenticator.
        public_key: COSE.
        sign_count: how often it signed by its own count; 0 for ever where it does not count.
        label: what the person calls it.
    """

    credential_id: str
    account_id: str
    public_key: bytes
    sign_count: int
    label: str
    added_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is at an OpenID provider.

    Attributes:
        issuer: address of the provider.
        subject: its unchanging name of the person.
        email: what it said when it was linked, for people to recognise.
    """

    issuer: str
    subject: str
    account_id: str
    email: str
    linked_at: datetime


class WayStore(Protocol):
    """Durable second factors and identities."""

    async def keep_recovery(self, account_id: str, hashes: Sequence[str]) -> None:
        """Replaces an account's recovery codes."""
        ...

    async def use_recovery(self, account_id: str, code_hash: str) -> bool:
        """Uses a recovery code up; false where there is none such."""
        ...

    async def recovery_left(self, account_id: str) -> int:
        """How many recovery codes are unused."""
        ...

    async def add_passkey(self, added: Passkey) -> None:
        """Keeps a passkey; raises ``InputError`` where it is registered already."""
        ...

    async def passkey(self, credential_id: str) -> Passkey | None:
        """One passkey."""
        ...

    async def passkeys(self, account_id: str) -> Sequence[Passkey]:
        """An account's passkeys, by age."""
        ...

    async def passkey_used(self, credential_id: str, sign_count: int, at: datetime) -> None:
        """Notes a use."""
        ...

    async def remove_passkey(self, account_id: str, credential_id: str) -> bool:
        """Removes a passkey of an account; false where there is none such."""
        ...

    async def link(self, linked: Identity) -> None:
        """Keeps an identity; raises ``InputError`` where it belongs to an account already."""
        ...

    async def identity(self, issuer: str, subject: str) -> Identity | None:
        """Whose identity this is."""
        ...

    async def identities(self, account_id: str) -> Sequence[Identity]:
        """An account's identities."""
        ...

    async def note(self, kind: str, subject: str, at: datetime, detail: Mapping[str, object]) -> None:
        """Appends to the audit log."""
        ...

    async def unlink(self, account_id: str, issuer: str) -> bool:
        """Removes an account's identity at a provider; false where there is none such."""
        ...
