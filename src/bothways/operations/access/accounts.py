"""Accounts, sign-in and sessions: the rules. Hashing and storage come through ports."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from bothways.domain.errors import BothwaysError, Problems
from bothways.operations.access.roles import Actor, Grant
from bothways.operations.ports import Clock

LEAST_PASSWORD = 12
SESSION_LIFE = timedelta(hours=12)
INVITATION_LIFE = timedelta(days=3)
_FREE_TRIES = 5
_LONGEST_WAIT_S = 900.0
_LONGEST_NAME_WAIT_S = 30.0  # whoever guesses from elsewhere must not keep a person out who has to stop a site
_FORGOTTEN_S = 3600.0
_REMEMBERED = 10_000
_AT_ONCE = 2
_WAITING = 16
_CODE_LIFE = timedelta(minutes=2)


class SignInRefused(BothwaysError):  # noqa: N818 - read as a sentence where it is raised
    """Name, password or second factor are wrong, or it was tried too often. Says no more than that on purpose."""

    def __init__(self, wait_s: float = 0.0) -> None:
        self.wait_s = wait_s
        text = "The name, the password or the code is not right."
        super().__init__(f"{text} Try again in {wait_s:.0f} s." if wait_s > 0.0 else text)


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
        self._failures: OrderedDict[str, tuple[int, datetime]] = OrderedDict()
        self._used_codes: dict[tuple[str, str], datetime] = {}
        self._hashing = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    @property
    def store(self) -> AccountStore:
        """Where accounts are kept."""
        return self._store

    @property
    def clock(self) -> Clock:
        """By which sessions end and waiting times run."""
        return self._clock

    async def create(self, name: str, password: str | None, grants: Sequence[Grant]) -> Account:
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
        problems.raise_if_any()
        hashed = "" if password is None else await asyncio.to_thread(self._hasher.hash, password)
        account = Account(secrets.token_hex(8), name, hashed, tuple(grants))
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

    async def sign_in(self, name: str, password: str, code: str = "", *, source: str = "") -> tuple[Account, str]:
        """Checks name, password and, where one is set, the one-time code; returns the account and a session token.

        Wrong tries make the next ones wait, by name and by ``source`` (an address): 5 are free, then 2, 4, 8 … s. A
        try counts as wrong from its beginning, so that many at once are no way around that. Hashing is done beside
        the event loop, two at a time: nobody who guesses delays what runs a site.

        Raises:
            SignInRefused: not right, too early after wrong tries, or too many try at once.
        """
        keys = [f"name:{name.casefold()}", *([f"source:{source}"] if source else [])]
        wait = max(self._wait_s(key) for key in keys)
        if wait > 0.0 or self._waiting >= _WAITING:
            raise SignInRefused(max(wait, 1.0))
        for key in keys:
            self._count(key)
        account = await self._store.account_by_name(name)
        right = await self._verify("" if account is None else account.password_hash, password)
        if account is None or not right or account.disabled or not self._code_right(account, code):
            raise SignInRefused
        for key in keys:
            self._failures.pop(key, None)
        return account, await self.open(account, "session", SESSION_LIFE)

    async def _verify(self, password_hash: str, password: str) -> bool:
        self._waiting += 1
        try:
            async with self._hashing:
                return await asyncio.to_thread(self._hasher.verify, password_hash, password)
        finally:
            self._waiting -= 1

    def _code_right(self, account: Account, code: str) -> bool:
        if not account.totp_secret:
            return True
        now = self._clock.now()
        self._used_codes = {key: at for key, at in self._used_codes.items() if now - at < _CODE_LIFE}
        used = (account.account_id, code.replace(" ", ""))
        if used in self._used_codes or not self._factor.verify(account.totp_secret, code, now):
            return False
        self._used_codes[used] = now
        return True

    def _count(self, key: str) -> None:
        """Notes a try; old ones are forgotten, and the memory is bounded."""
        now = self._clock.now()
        count, last = self._failures.pop(key, (0, now))
        fresh = (now - last).total_seconds() < _FORGOTTEN_S
        self._failures[key] = (count + 1 if fresh else 1, now)
        while len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)

    def _wait_s(self, key: str) -> float:
        count, last = self._failures.get(key, (0, self._clock.now()))
        if count < _FREE_TRIES:
            return 0.0
        longest = _LONGEST_WAIT_S if key.startswith("source:") else _LONGEST_NAME_WAIT_S
        pause = min(longest, 2.0 ** (count - _FREE_TRIES + 1))
        return max(0.0, pause - (self._clock.now() - last).total_seconds())

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

    async def invite(self, name: str, grants: Sequence[Grant]) -> tuple[Account, str]:
        """Creates an account without password and returns the token of its invitation link."""
        account = await self.create(name, None, grants)
        return account, await self.open(account, "invitation", INVITATION_LIFE)

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

    async def enable_second_factor(self, account: Account, secret: str, code: str) -> Account:
        """Turns the second factor on after its first right code.

        Raises:
            SignInRefused: the code is not right.
        """
        if not self._factor.verify(secret, code, self._clock.now()):
            raise SignInRefused
        changed = replace(account, totp_secret=secret)
        await self._store.replace_account(changed)
        return changed

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
