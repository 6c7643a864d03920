"""Second factors and other ways to sign in: recovery codes, passkeys, identities at other providers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, LargeBinary, Table, Text, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from bothways.adapters.db.base import Database
from bothways.adapters.db.schema import metadata
from bothways.adapters.db.values import from_us, optional_from_us, optional_us, to_us
from bothways.domain.errors import InputError, Problem
from bothways.operations.access.ways import Identity, Passkey

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("code_hash", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Index("ix_recovery_code_account_id", "account_id"),
)
"""Unused recovery codes, by a hash of what their holder keeps."""

passkey = Table(
    "passkey",
    metadata,
    Column("credential_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("label", Text, nullable=False),
    Column("added_us", BigInteger, nullable=False),
    Column("used_us", BigInteger),
    Index("ix_passkey_account_id", "account_id"),
)
"""Public keys of authenticators."""

identity = Table(
    "identity",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("linked_us", BigInteger, nullable=False),
    Index("ix_identity_account_id", "account_id"),
)
"""Who somebody is at an OpenID provider."""


class Factors(Database):
    """Fulfils :class:`bothways.operations.access.ways.WayStore`."""

    async def keep_recovery(self, account_id: str, hashes: Sequence[str]) -> None:
        """Replaces an account's recovery codes."""
        table = recovery_code

        def change(connection: Connection) -> None:
            connection.execute(delete(table).where(table.c.account_id == account_id))
            if hashes:
                connection.execute(insert(table), [{"code_hash": one, "account_id": account_id} for one in hashes])

        await self._write(change)

    async def use_recovery(self, account_id: str, code_hash: str) -> bool:
        """Uses a recovery code up; false where there is none such."""
        table = recovery_code
        mine = (table.c.account_id == account_id) & (table.c.code_hash == code_hash)
        return await self._write(lambda c: bool(c.execute(delete(table).where(mine)).rowcount))

    async def recovery_left(self, account_id: str) -> int:
        """How many recovery codes are unused."""
        table = recovery_code
        query = select(table.c.code_hash).where(table.c.account_id == account_id)
        return len(await self._read(lambda c: c.execute(query).all()))

    async def add_passkey(self, added: Passkey) -> None:
        """Keeps a passkey.

        Raises:
            InputError: it is registered already.
        """
        row = {
            "credential_id": added.credential_id, "account_id": added.account_id, "public_key": added.public_key,
            "sign_count": added.sign_count, "label": added.label, "added_us": to_us(added.added_at),
            "used_us": optional_us(added.used_at),
        }  # fmt: skip

        def change(connection: Connection) -> None:
            if connection.execute(select(passkey).where(passkey.c.credential_id == added.credential_id)).first():
                raise _taken("passkey", added.label)
            connection.execute(insert(passkey), [row])

        await self._write(change)

    async def passkey(self, credential_id: str) -> Passkey | None:
        """One passkey."""
        query = select(passkey).where(passkey.c.credential_id == credential_id)
        row = await self._read(lambda c: c.execute(query).one_or_none())
        return None if row is None else _passkey(row)

    async def passkeys(self, account_id: str) -> Sequence[Passkey]:
        """An account's passkeys, by age."""
        query = select(passkey).where(passkey.c.account_id == account_id).order_by(passkey.c.added_us)
        return [_passkey(row) for row in await self._read(lambda c: c.execute(query).all())]

    async def passkey_used(self, credential_id: str, sign_count: int, at: datetime) -> None:
        """Notes a use."""
        mine = passkey.c.credential_id == credential_id

        def change(connection: Connection) -> None:
            connection.execute(update(passkey).where(mine).values(sign_count=sign_count, used_us=to_us(at)))

        await self._write(change)

    async def remove_passkey(self, account_id: str, credential_id: str) -> bool:
        """Removes a passkey of an account; false where there is none such."""
        mine = (passkey.c.account_id == account_id) & (passkey.c.credential_id == credential_id)
        return await self._write(lambda c: bool(c.execute(delete(passkey).where(mine)).rowcount))

    async def link(self, linked: Identity) -> None:
        """Keeps an identity.

        Raises:
            InputError: it belongs to an account already.
        """
        row = {
            "issuer": linked.issuer, "subject": linked.subject, "account_id": linked.account_id,
            "email": linked.email, "linked_us": to_us(linked.linked_at),
        }  # fmt: skip

        def change(connection: Connection) -> None:
            mine = (identity.c.issuer == linked.issuer) & (identity.c.subject == linked.subject)
            if connection.execute(select(identity).where(mine)).first():
                raise _taken("identity", linked.issuer)
            try:
                connection.execute(insert(identity), [row])
            except IntegrityError as error:  # pragma: no cover - one writer asks first
                raise _taken("identity", linked.issuer) from error

        await self._write(change)

    async def identity(self, issuer: str, subject: str) -> Identity | None:
        """Whose identity this is."""
        query = select(identity).where(identity.c.issuer == issuer, identity.c.subject == subject)
        row = await self._read(lambda c: c.execute(query).one_or_none())
        return None if row is None else _identity(row)

    async def identities(self, account_id: str) -> Sequence[Identity]:
        """An account's identities."""
        query = select(identity).where(identity.c.account_id == account_id).order_by(identity.c.linked_us)
        return [_identity(row) for row in await self._read(lambda c: c.execute(query).all())]

    async def unlink(self, account_id: str, issuer: str) -> bool:
        """Removes an account's identity at a provider; false where there is none such."""
        mine = (identity.c.account_id == account_id) & (identity.c.issuer == issuer)
        return await self._write(lambda c: bool(c.execute(delete(identity).where(mine)).rowcount))


def _taken(kind: str, name: str) -> InputError:
    return InputError([Problem(kind, name, "one that no account has yet", "Remove it from the other account first.")])


def _passkey(row: Any) -> Passkey:
    return Passkey(
        row.credential_id, row.account_id, bytes(row.public_key), row.sign_count, row.label, from_us(row.added_us),
        optional_from_us(row.used_us),
    )  # fmt: skip


def _identity(row: Any) -> Identity:
    return Identity(row.issuer, row.subject, row.account_id, row.email, from_us(row.linked_us))
