"""Accounts, sign-in and sessions: the rules. Hashing and storage come through ports."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from bothways.domain.errors import BothwaysError, Problems
from bothways.operations.access.roles import Actor, Grant
from bothways.operations.access.tries import SignInRefused as SignInRefused  # noqa: PLC0414 - told to others from here
from bothways.operations.access.tries import Tries, keys_of
from bothways.operations.ports import Clock

LEAST_PASSWORD = 12
FRESH = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)
INVITATION_LIFE = timedelta(days=3)
_AT_ONCE = 2
_WAITING = 16
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_CODE_LIFE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Account:
    """A person or a program that can sign in.

    Attributes:
        account_id: unique, never reused.
        name: what the person types.
        password_hash: by the hasher's own format; ``""`` for accounts that only use tokens or were only invited.
        grants: what it may do.
        totp_secret: second factor, ``""`` for none.
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


class AccountStore(Protocol):
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


def token_hash(token: str) -> str:
    """How a token is stored. A plain digest suffices: tokens carry 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def recovery_hash(account_id: str, code: str) -> str:
    """How a recovery code is stored, however it is written. A plain digest suffices: codes carry 80 random bits."""
    plain = "".join(letter for letter in code.upper() if letter.isalnum())
    return token_hash(f"recovery:{account_id}:{plain}")


class SignInAgain(BothwaysError):  # noqa: N818 - read as a sentence where it is raised
    """This needs a sign-in with name and password, or a passkey, a short while ago."""

    def __init__(self) -> None:
        super().__init__(f"this needs a sign-in within the last {FRESH.seconds // 60} minutes")


class Access:
    """Signs people and programs in and out.

    Args:
        store: accounts and sessions.
        hasher: for passwords.
        factor: for one-time codes.
        clock: time.
    """

    def __init__(self, store: AccountStore, hasher: PasswordHasher, factor: SecondFactor, clock: Clock) -> None:
        self._store = store
        self._hasher = hasher
        self._factor = factor
        self._clock = clock
        self.tries = Tries(clock)
        self._used_codes: dict[tuple[str, str], datetime] = {}
        self._hashing = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    @property
    def store(self) -> AccountStore:
        """Where accounts are kept."""
        return self._store

    @property
    def factor(self) -> SecondFactor:
        """One-time codes."""
        return self._factor

    @property
    def clock(self) -> Clock:
        """By which sessions end and waiting times run."""
        return self._clock

    async def create(self, name: str, password: str | None, grants: Sequence[Grant], email: str = "") -> Account:
        """Creates an account.

        Raises:
            InputError: a name that is empty or taken, or a password that is too short or holds the name.
        """
        problems = Problems(at="account")
        if not 2 <= len(name.strip()) <= 64 or name != name.strip() or not name.isprintable():
            problems.add("name", name, "2 to 64 printable characters, no spaces at the ends", "Choose another name.")
        elif await self._store.account_by_name(name) is not None:
            problems.add("name", name, "a name that is not in use", "Choose another name.")
        if password is not None:
            _check_password(problems, name, password)
        if email and not _EMAIL.fullmatch(email):
            problems.add("email", email, "an address such as ada@example.org, or nothing", "Correct the address.")
        problems.raise_if_any()
        hashed = "" if password is None else await asyncio.to_thread(self._hasher.hash, password)
        account = Account(secrets.token_hex(8), name, hashed, tuple(grants), email=email)
        await self._store.add_account(account)
        return account

    async def set_password(self, account: Account, password: str) -> Account:
        """Gives an account a password and ends its sessions.

        Raises:
            InputError: a password that is too short or holds the name.
        """
        problems = Problems(at="account")
        _check_password(problems, account.name, password)
        problems.raise_if_any()
        changed = replace(account, password_hash=await asyncio.to_thread(self._hasher.hash, password))
        await self._store.replace_account(changed)
        await self._store.close_sessions(account.account_id)
        return changed

    async def sign_in(
        self, name: str, password: str, code: str = "", *, source: str = "", label: str = ""
    ) -> tuple[Account, str]:
        """Checks name, password and, where one is set, the one-time code; returns the account and a session token.

        Wrong tries make the next ones wait, by name and by ``source`` (an address): 5 are free, then 2, 4, 8 … s. A
        try counts as wrong from its beginning, so that many at once are no way around that. Hashing is done beside
        the event loop, two at a time: nobody who guesses delays what runs a site.

        Raises:
            SignInRefused: not right, too early after wrong tries, or too many try at once.
        """
        keys = keys_of(name, source)
        if self._waiting >= _WAITING:
            raise SignInRefused(1.0)
        self.tries.begin(keys)
        account = await self._store.account_by_name(name)
        right = await self._verify("" if account is None else account.password_hash, password)
        if account is None or not right or account.disabled or not await self._code_right(account, code):
            raise SignInRefused
        self.tries.good(keys)
        return account, await self.open(account, "session", SESSION_LIFE, label)

    async def _verify(self, password_hash: str, password: str) -> bool:
        self._waiting += 1
        try:
            async with self._hashing:
                return await asyncio.to_thread(self._hasher.verify, password_hash, password)
        finally:
            self._waiting -= 1

    async def _code_right(self, account: Account, code: str) -> bool:
        if not account.totp_secret:
            return True
        if self._time_code_right(account, code):
            return True
        return await self._store.use_recovery(account.account_id, recovery_hash(account.account_id, code))

    def _time_code_right(self, account: Account, code: str) -> bool:
        now = self._clock.now()
        self._used_codes = {key: at for key, at in self._used_codes.items() if now - at < _CODE_LIFE}
        used = (account.account_id, code.replace(" ", ""))
        if used in self._used_codes or not self._factor.verify(account.totp_secret, code, now):
            return False
        self._used_codes[used] = now
        return True

    async def open(self, account: Account, purpose: str, life: timedelta, label: str = "") -> str:
        """Opens a session and returns its token, which is not stored anywhere."""
        token = secrets.token_urlsafe(32)
        now = self._clock.now()
        await self._store.open_session(SignedIn(token_hash(token), account.account_id, purpose, now, now + life, label))
        return token

    async def open_token(self, by: str, life: timedelta, label: str) -> str:
        """A token for a program, with the rights of the account whose session ``by`` is.

        Raises:
            SignInRefused: ``by`` is no session; a token makes no further tokens, or a leaked one would live for ever.
        """
        account = await self.actor(by, frozenset({"session"}))
        if account is None:
            raise SignInRefused
        return await self.open(account, "token", life, label)

    async def actor(self, token: str, purposes: frozenset[str] = frozenset({"session", "token"})) -> Account | None:
        """The account behind a token, ``None`` where it is unknown, expired, revoked or disabled."""
        session = await self._store.session(token_hash(token))
        if session is None or session.purpose not in purposes or session.expires_at <= self._clock.now():
            return None
        account = await self._store.account(session.account_id)
        return None if account is None or account.disabled else account

    async def invite(self, name: str, grants: Sequence[Grant], email: str = "") -> tuple[Account, str]:
        """Creates an account without password and returns the token of its invitation link."""
        account = await self.create(name, None, grants, email)
        return account, await self.open(account, "invitation", INVITATION_LIFE)

    async def invite_again(self, account: Account) -> str:
        """A new invitation of an account, for a lost link or password; the one before ends, and so do its sessions."""
        await self._store.close_sessions(account.account_id)
        return await self.open(account, "invitation", INVITATION_LIFE)

    async def accept(self, token: str, password: str) -> Account:
        """Uses an invitation, once, to set the first password.

        Raises:
            SignInRefused: not a valid invitation.
            InputError: an unsuitable password; the invitation stays valid.
        """
        account = await self.actor(token, frozenset({"invitation"}))
        if account is None:
            raise SignInRefused
        changed = await self.set_password(account, password)
        await self._store.close_session(token_hash(token))
        return changed

    async def check_password(self, account: Account, password: str) -> None:
        """Whether a password is the account's; wrong ones count like wrong tries to sign in.

        Raises:
            SignInRefused: it is not, or it was tried too often.
        """
        keys = keys_of(account.name)
        self.tries.begin(keys)
        if not await self._verify(account.password_hash, password):
            raise SignInRefused
        self.tries.good(keys)

    async def fresh(self, token: str) -> Account:
        """The account whose session was opened by signing in a short while ago: for what a found phone must not do.

        Raises:
            SignInAgain: a token for programs, or a session that is older.
        """
        session = await self._store.session(token_hash(token))
        account = await self.actor(token, frozenset({"session"}))
        if session is None or account is None or self._clock.now() - session.opened_at > FRESH:
            raise SignInAgain
        return account

    async def sign_out(self, token: str) -> None:
        """Ends a session."""
        await self._store.close_session(token_hash(token))


def _check_password(problems: Problems, name: str, password: str) -> None:
    if len(password) < LEAST_PASSWORD:
        allowed = f"at least {LEAST_PASSWORD} characters"
        problems.add("password", f"{len(password)} characters", allowed, "Use a passphrase of several words.")
    if len(password) > 256:
        problems.add("password", f"{len(password)} characters", "at most 256 characters", "Use a shorter passphrase.")
    if len(name) >= 4 and name.casefold() in password.casefold():
        problems.add("password", "contains the name", "a password without the name", "Leave the name out of it.")
