"""Accounts of people and programs, and what is signed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import BigInteger, Boolean, Column, Connection, Index, Table, Text, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from bothways.adapters.db.base import Database
from bothways.adapters.db.schema import metadata
from bothways.adapters.db.values import from_us, to_us
from bothways.domain.errors import InputError, Problem
from bothways.operations.access.accounts import Account, SignedIn
from bothways.operations.access.roles import Grant, Role

person = Table(
    "person",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("folded_name", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("grants", Text, nullable=False),
    Column("totp_secret", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("email", Text, nullable=False, server_default=""),
)
"""Accounts. They are disabled rather than removed, so that the audit log keeps its names."""

signin = Table(
    "signin",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("label", Text, nullable=False),
    Index("ix_signin_account_id", "account_id"),
)
"""Sessions, tokens and invitations, by a hash of what their holder knows."""


class People(Database):
    """Fulfils :class:`bothways.operations.access.accounts.AccountStore`."""

    async def add_account(self, account: Account) -> None:
        """Adds an account.

        Raises:
            InputError: the name is taken.
        """

        def change(connection: Connection) -> None:
            taken = connection.execute(
                select(person.c.account_id).where(person.c.folded_name == account.name.casefold())
            ).first()
            if taken is not None:
                raise _taken(account.name)
            try:
                connection.execute(insert(person), [_row(account)])
            except IntegrityError as error:
                raise _taken(account.name) from error

        await self._write(change)

    async def replace_account(self, account: Account) -> None:
        """Stores a changed account; its id and name stay."""

        def change(connection: Connection) -> None:
            connection.execute(update(person).where(person.c.account_id == account.account_id).values(_row(account)))

        await self._write(change)

    async def reseal(self, account_id: str, before: str, after: str) -> None:
        """Keeps a second factor under another key, unless it was changed meanwhile."""
        mine = (person.c.account_id == account_id) & (person.c.totp_secret == before)

        def change(connection: Connection) -> None:
            connection.execute(update(person).where(mine).values(totp_secret=after))

        await self._write(change)

    async def account_by_name(self, name: str) -> Account | None:
        """By name, ignoring case."""
        return await self._read(
            lambda c: _account(c.execute(select(person).where(person.c.folded_name == name.casefold())).one_or_none())
        )

    async def account(self, account_id: str) -> Account | None:
        """By id."""
        return await self._read(
            lambda c: _account(c.execute(select(person).where(person.c.account_id == account_id)).one_or_none())
        )

    async def accounts(self) -> Sequence[Account]:
        """All accounts by name."""
        rows = await self._read(lambda c: c.execute(select(person).order_by(person.c.folded_name)).all())
        return [found for row in rows if (found := _account(row)) is not None]

    async def open_session(self, session: SignedIn) -> None:
        """Keeps a session, and lets go of those that expired before it was opened."""
        row = {
            "token_hash": session.token_hash,
            "account_id": session.account_id,
            "purpose": session.purpose,
            "opened_us": to_us(session.opened_at),
            "expires_us": to_us(session.expires_at),
            "label": session.label,
        }

        def change(connection: Connection) -> None:
            connection.execute(delete(signin).where(signin.c.expires_us < row["opened_us"]))
            connection.execute(insert(signin), [row])

        await self._write(change)

    async def session(self, token_hash: str) -> SignedIn | None:
        """A session by the hash of its token, also an expired one."""
        row = await self._read(
            lambda c: c.execute(select(signin).where(signin.c.token_hash == token_hash)).one_or_none()
        )
        return None if row is None else _session(row)

    async def sessions(self, account_id: str) -> Sequence[SignedIn]:
        """An account's sessions, the latest first."""
        query = select(signin).where(signin.c.account_id == account_id).order_by(signin.c.opened_us.desc())
        return [_session(row) for row in await self._read(lambda c: c.execute(query).all())]

    async def close_session(self, token_hash: str) -> None:
        """Ends one session."""

        def change(connection: Connection) -> None:
            connection.execute(delete(signin).where(signin.c.token_hash == token_hash))

        await self._write(change)

    async def close_sessions(self, account_id: str) -> None:
        """Ends all sessions of an account."""

        def change(connection: Connection) -> None:
            connection.execute(delete(signin).where(signin.c.account_id == account_id))

        await self._write(change)


def _taken(name: str) -> InputError:
    return InputError([Problem("account: name", name, "a name that is not in use", "Choose another name.")])


def _row(account: Account) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "name": account.name,
        "folded_name": account.name.casefold(),
        "password_hash": account.password_hash,
        "grants": orjson.dumps([[grant.role.value, grant.scope] for grant in account.grants]).decode(),
        "totp_secret": account.totp_secret,
        "language": account.language,
        "disabled": account.disabled,
        "email": account.email,
    }


def _account(row: Any) -> Account | None:
    if row is None:
        return None
    grants = tuple(Grant(Role(role), scope) for role, scope in orjson.loads(row.grants))
    return Account(
        row.account_id, row.name, row.password_hash, grants, row.totp_secret, row.language, bool(row.disabled),
        row.email,
    )  # fmt: skip


def _session(row: Any) -> SignedIn:
    return SignedIn(
        row.token_hash, row.account_id, row.purpose, from_us(row.opened_us), from_us(row.expires_us), row.label
    )
