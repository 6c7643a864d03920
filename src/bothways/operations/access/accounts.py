"""Accounts, sign-in and sessions: the rules. Hashing and storage come through ports."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from bothways.domain.errors import BothwaysError, Problems
from bothways.operations.access.ports import Account as Account  # noqa: PLC0414 - these are told to others from here
from bothways.operations.access.ports import AccountStore, SecondFactor
from bothways.operations.access.ports import PasswordHasher as PasswordHasher  # noqa: PLC0414
from bothways.operations.access.ports import SignedIn as SignedIn  # noqa: PLC0414
from bothways.operations.access.roles import Grant
from bothways.operations.access.tries import FREE, Tries, keys_of, network_of
from bothways.operations.access.tries import SignInRefused as SignInRefused  # noqa: PLC0414
from bothways.operations.ports import Clock

LEAST_PASSWORD = 12
FRESH = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=12)
INVITATION_LIFE = timedelta(days=3)
_AT_ONCE = 2
_WAITING = 16
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_CODE_LIFE = timedelta(minutes=2)


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
        self.tries = Tries(store, clock)
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
        check_password(account.name, password)
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
        counts = await self.tries.begin(keys)
        account = await self._store.account_by_name(name)
        right = await self._verify("" if account is None else account.password_hash, password)
        if account is None or not right or account.disabled or not await self._code_right(account, code):
            await self._tell_wrong(counts, account, source)
            raise SignInRefused
        await self.tries.good(keys)
        way = "password and code" if account.totp_secret else "password"
        return account, await self.admit(account, way, source, label)

    async def admit(self, account: Account, way: str, source: str, label: str) -> str:
        """Opens a session for somebody who has just shown who they are, and notes that in the audit log.

        Args:
            account: who it is.
            way: by which they signed in.
            source: the address they come from; the log keeps only its network.
            label: their browser.

        Returns:
            The session's token.
        """
        token = await self.open(account, "session", SESSION_LIFE, label)
        detail = {"who": account.name, "way": way, "network": network_of(source), "browser": label}
        told = {name: text for name, text in detail.items() if text}
        await self._store.note("signed in", account.name, self._clock.now(), told)
        return token

    async def _tell_wrong(self, counts: Mapping[str, int], account: Account | None, source: str) -> None:
        """Notes when somebody begins to have to wait: one line each, so that guessing does not fill the log."""
        by_name = account is not None and any(key.startswith("name:") and n == FREE for key, n in counts.items())
        by_source = any(key.startswith("source:") and n == FREE for key, n in counts.items())
        if by_name or by_source:
            subject = account.name if account is not None and by_name else ""
            detail = {"tries": FREE, "network": network_of(source)}
            await self._store.note("wrong sign-ins", subject, self._clock.now(), detail)

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
        if await self._time_code_right(account, code):
            return True
        return await self._store.use_recovery(account.account_id, recovery_hash(account.account_id, code))

    async def _time_code_right(self, account: Account, code: str) -> bool:
        """Whether it is right now and was not used before, here or in another process."""
        now = self._clock.now()
        secret = self._factor.opened(account.totp_secret, account.account_id)
        if not secret or not self._factor.verify(secret, code, now):
            return False
        return await self.use_code(account, code)

    async def use_code(self, account: Account, code: str) -> bool:
        """Uses a one-time code up; false where it was used already."""
        now = self._clock.now()
        used = token_hash(f"code:{account.account_id}:{code.replace(' ', '')}")
        return await self._store.use_once(used, now, now + _CODE_LIFE)

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
        check_password(account.name, password)
        now = self._clock.now()
        if not await self._store.use_once(f"invitation:{token_hash(token)}", now, now + INVITATION_LIFE):
            raise SignInRefused  # two who open it at the same time do not both set a password
        return await self.set_password(account, password)

    async def check_password(self, account: Account, password: str) -> None:
        """Whether a password is the account's; wrong ones count like wrong tries to sign in.

        Raises:
            SignInRefused: it is not, or it was tried too often.
        """
        keys = keys_of(account.name)
        await self.tries.begin(keys)
        if not await self._verify(account.password_hash, password):
            raise SignInRefused
        await self.tries.good(keys)

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


def check_password(name: str, password: str) -> None:
    """Returns, or tells every fault of a password.

    Raises:
        InputError: a password that is too short or too long or holds the name.
    """
    problems = Problems(at="account")
    _check_password(problems, name, password)
    problems.raise_if_any()


def _check_password(problems: Problems, name: str, password: str) -> None:
    if len(password) < LEAST_PASSWORD:
        allowed = f"at least {LEAST_PASSWORD} characters"
        problems.add("password", f"{len(password)} characters", allowed, "Use a passphrase of several words.")
    if len(password) > 256:
        problems.add("password", f"{len(password)} characters", "at most 256 characters", "Use a shorter passphrase.")
    if len(name) >= 4 and name.casefold() in password.casefold():
        problems.add("password", "contains the name", "a password without the name", "Leave the name out of it.")
