"""Passkeys: an authenticator signs a challenge after it has made sure of the person, so one is both factors at once."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from bothways.domain.errors import Problems
from bothways.operations.access.accounts import Access, Account, SignInRefused
from bothways.operations.access.tries import keys_of
from bothways.operations.access.ways import Passkey, WayStore

_CHALLENGE_LIFE = timedelta(minutes=5)
_MOST = 20
_USED = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where people reach the server: passkeys belong to one host name.

    Attributes:
        origin: scheme, host and port, as the browser says it.
    """

    origin: str

    @property
    def host(self) -> str:
        """The host name alone.

        >>> Place("https://energy.example:8443").host
        'energy.example'
        """
        return self.origin.split("://", 1)[-1].rsplit(":", 1)[0]


class Ceremonies(Protocol):
    """WebAuthn's messages and signatures. What does not fit raises ``SignInRefused``."""

    def registration(self, place: Place, account: Account, challenge: bytes, known: Sequence[str]) -> Mapping[str, Any]:
        """What a browser needs to make a passkey."""
        ...

    def registered(self, place: Place, challenge: bytes, answer: Mapping[str, Any]) -> tuple[str, bytes, int]:
        """Checks the browser's answer: credential id, public key, count."""
        ...

    def question(self, place: Place, challenge: bytes) -> Mapping[str, Any]:
        """What a browser needs to sign in."""
        ...

    def credential_id(self, answer: Mapping[str, Any]) -> str:
        """Which passkey an answer is of."""
        ...

    def answered(self, place: Place, challenge: bytes, passkey: Passkey, answer: Mapping[str, Any]) -> int:
        """Checks the browser's answer: the new count."""
        ...


class Passkeys:
    """The use cases.

    Args:
        access: sign-in.
        store: where public keys are kept.
        ceremonies: WebAuthn.
    """

    def __init__(self, access: Access, store: WayStore, ceremonies: Ceremonies) -> None:
        self._access, self._store, self._ceremonies = access, store, ceremonies
        self._secret = secrets.token_bytes(32)
        self._used: OrderedDict[str, None] = OrderedDict()

    async def of(self, account_id: str) -> Sequence[Passkey]:
        """An account's passkeys."""
        return await self._store.passkeys(account_id)

    async def begin(self, token: str, place: Place) -> tuple[str, Mapping[str, Any]]:
        """A ticket, and what the browser needs to make a passkey.

        Raises:
            SignInAgain: the session is not fresh.
            InputError: the account has too many already.
        """
        account = await self._access.fresh(token)
        known = [item.credential_id for item in await self._store.passkeys(account.account_id)]
        problems = Problems(at="passkey")
        if len(known) >= _MOST:
            problems.add("", f"{len(known)} passkeys", f"at most {_MOST}", "Remove one that is not used any more.")
        problems.raise_if_any()
        challenge = secrets.token_bytes(32)
        ticket = self._ticket(challenge, account.account_id, place)
        return ticket, self._ceremonies.registration(place, account, challenge, known)

    async def finish(self, token: str, place: Place, ticket: str, label: str, answer: Mapping[str, Any]) -> Passkey:
        """Keeps the passkey that the browser made.

        Raises:
            SignInAgain: the session is not fresh.
            SignInRefused: the answer does not fit.
            InputError: the passkey is registered already.
        """
        account = await self._access.fresh(token)
        challenge = self._challenge(ticket, account.account_id, place)
        credential_id, public_key, count = self._ceremonies.registered(place, challenge, answer)
        now = self._access.clock.now()
        made = Passkey(credential_id, account.account_id, public_key, count, label.strip()[:64] or "passkey", now)
        await self._store.add_passkey(made)
        self._use_up(ticket)
        await self._store.note("passkey added", account.name, now, {"label": made.label})
        return made

    async def remove(self, token: str, credential_id: str) -> bool:
        """Removes a passkey of one's own; false where there is none such.

        Raises:
            SignInAgain: the session is not fresh.
        """
        account = await self._access.fresh(token)
        removed = await self._store.remove_passkey(account.account_id, credential_id)
        if removed:
            await self._store.note("passkey removed", account.name, self._access.clock.now(), {})
        return removed

    def question(self, place: Place) -> tuple[str, Mapping[str, Any]]:
        """A ticket, and what the browser needs to sign in. Nothing is kept for it, so that nobody can fill a memory."""
        challenge = secrets.token_bytes(32)
        return self._ticket(challenge, "", place), self._ceremonies.question(place, challenge)

    async def sign_in(
        self, place: Place, ticket: str, answer: Mapping[str, Any], *, source: str = "", label: str = ""
    ) -> tuple[Account, str]:
        """Opens a session for whoever's passkey signed the challenge.

        Raises:
            SignInRefused: it does not fit, or it was tried too often.
        """
        keys = keys_of(source=source)
        await self._access.tries.begin(keys)
        challenge = self._challenge(ticket, "", place)
        passkey = await self._store.passkey(self._ceremonies.credential_id(answer))
        account = None if passkey is None else await self._access.store.account(passkey.account_id)
        if passkey is None or account is None or account.disabled:
            raise SignInRefused
        count = self._ceremonies.answered(place, challenge, passkey, answer)
        self._use_up(ticket)
        await self._access.tries.good(keys)
        await self._store.passkey_used(passkey.credential_id, count, self._access.clock.now())
        return account, await self._access.admit(account, "passkey", source, label)

    def _ticket(self, challenge: bytes, account_id: str, place: Place) -> str:
        ends = (self._access.clock.now() + _CHALLENGE_LIFE).timestamp()
        said = json.dumps([challenge.hex(), account_id, place.origin, ends]).encode()
        return base64.urlsafe_b64encode(hmac.digest(self._secret, said, "sha256") + said).decode()

    def _challenge(self, ticket: str, account_id: str, place: Place) -> bytes:
        """The challenge of a ticket that this process gave, for this account and place, that is neither old nor used.

        Raises:
            SignInRefused: any other ticket.
        """
        try:
            content = base64.urlsafe_b64decode(ticket.encode())
        except ValueError as error:
            raise SignInRefused from error
        mac, said = content[:32], content[32:]
        if not hmac.compare_digest(mac, hmac.digest(self._secret, said, "sha256")) or ticket in self._used:
            raise SignInRefused
        challenge, whose, where, ends = json.loads(said)
        now: datetime = self._access.clock.now()
        if (whose, where) != (account_id, place.origin) or now.timestamp() > ends:
            raise SignInRefused
        return bytes.fromhex(challenge)

    def _use_up(self, ticket: str) -> None:
        self._used[ticket] = None
        while len(self._used) > _USED:
            self._used.popitem(last=False)
