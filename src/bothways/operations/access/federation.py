"""Signing in through an OpenID provider.

A provider says who somebody is, never what they may do: an identity opens an account that exists already, and that

* it was linked to before, by the person who was signed in, or with the invitation of that account;
* or that carries the same e-mail address, verified by the provider, and that nobody has signed in to yet.

Who fits no account is sent away. An account with a password or a passkey is never taken over by an e-mail address.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Protocol

from bothways.operations.access.accounts import Access, Account, SignInRefused
from bothways.operations.access.tries import keys_of
from bothways.operations.access.ways import Identity, WayStore

_FLOW_LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a provider says of a person."""

    issuer: str
    subject: str
    email: str = ""
    email_verified: bool = False


class OpenIdProvider(Protocol):
    """One provider, by the code flow with PKCE. What does not fit raises ``SignInRefused``."""

    @property
    def label(self) -> str:
        """What people call it."""
        ...

    async def address(self, redirect: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to sign in."""
        ...

    async def claims(self, redirect: str, code: str, nonce: str, verifier: str) -> Claims:
        """Exchanges the code, and checks the token that comes for it."""
        ...


@dataclass(frozen=True, slots=True)
class Flow:
    """One sign-in on its way; it lies sealed in the browser that began it.

    Attributes:
        account_id: of the signed-in person who links an identity, ``""`` otherwise.
        invitation: token of an invitation that is taken up, ``""`` otherwise.
    """

    provider: str
    redirect: str
    state: str
    nonce: str
    verifier: str
    account_id: str
    invitation: str
    ends: float


class Federation:
    """The use cases.

    Args:
        access: sign-in.
        store: where identities are kept.
        providers: by the name that stands in addresses.
    """

    def __init__(self, access: Access, store: WayStore, providers: Mapping[str, OpenIdProvider]) -> None:
        self._access, self._store, self._providers = access, store, dict(providers)
        self._secret = secrets.token_bytes(32)

    def ways(self) -> list[tuple[str, str]]:
        """Providers: name and label."""
        return [(name, provider.label) for name, provider in self._providers.items()]

    async def of(self, account_id: str) -> Sequence[Identity]:
        """An account's identities."""
        return await self._store.identities(account_id)

    async def begin(self, name: str, redirect: str, *, session: str = "", invitation: str = "") -> tuple[str, str]:
        """Where the browser goes, and what it keeps until it comes back.

        Args:
            name: of the provider.
            redirect: where it comes back to.
            session: token of the session that links an identity to its account; must be fresh.
            invitation: token of an invitation that is taken up.

        Raises:
            SignInRefused: no such provider or invitation.
            SignInAgain: the session is not fresh.
        """
        provider = self._providers.get(name)
        if provider is None:
            raise SignInRefused
        account_id = (await self._access.fresh(session)).account_id if session else ""
        if invitation and await self._access.actor(invitation, frozenset({"invitation"})) is None:
            raise SignInRefused
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        ends = (self._access.clock.now() + _FLOW_LIFE).timestamp()
        flow = Flow(name, redirect, state, nonce, verifier, account_id, invitation, ends)
        return await provider.address(redirect, state, nonce, verifier), self._seal(flow)

    async def finish(
        self, sealed: str, state: str, code: str, *, source: str = "", label: str = ""
    ) -> tuple[Account, str]:
        """The account that the identity opens, and its new session; an identity that was to be linked is linked.

        Raises:
            SignInRefused: the answer is not for this browser, or opens no account.
        """
        keys = keys_of(source=source)
        await self._access.tries.begin(keys)
        flow = self._unseal(sealed)
        provider = self._providers.get(flow.provider)
        if provider is None or not state or not hmac.compare_digest(state.encode(), flow.state.encode()):
            raise SignInRefused
        claims = await provider.claims(flow.redirect, code, flow.nonce, flow.verifier)
        account = await self._account(flow, claims)
        if account is None or account.disabled:
            raise SignInRefused
        await self._access.tries.good(keys)
        return account, await self._access.admit(account, f"provider {claims.issuer}", source, label)

    async def unlink(self, token: str, issuer: str) -> bool:
        """Ends the link of one's own account with a provider; false where there is none.

        Raises:
            SignInAgain: the session is not fresh.
        """
        account = await self._access.fresh(token)
        gone = await self._store.unlink(account.account_id, issuer)
        if gone:
            await self._store.note("identity unlinked", account.name, self._access.clock.now(), {"issuer": issuer})
        return gone

    async def _account(self, flow: Flow, claims: Claims) -> Account | None:
        known = await self._store.identity(claims.issuer, claims.subject)
        wanted = await self._wanted(flow)
        if known is not None:
            if wanted is not None and wanted.account_id != known.account_id:
                return None  # somebody else's: neither is handed over
            return await self._access.store.account(known.account_id)
        account = wanted or await self._by_email(claims)
        if account is None or account.disabled:
            return None
        now = self._access.clock.now()
        await self._store.link(Identity(claims.issuer, claims.subject, account.account_id, claims.email, now))
        if not flow.account_id:  # taken up: whatever invitation there was has been used
            for session in await self._access.store.sessions(account.account_id):
                if session.purpose == "invitation":
                    await self._access.store.close_session(session.token_hash)
        await self._store.note("identity linked", account.name, now, {"issuer": claims.issuer, "email": claims.email})
        return account

    async def _wanted(self, flow: Flow) -> Account | None:
        """Whom the flow was begun for."""
        if flow.account_id:
            return await self._access.store.account(flow.account_id)
        if flow.invitation:
            return await self._access.actor(flow.invitation, frozenset({"invitation"}))
        return None

    async def _by_email(self, claims: Claims) -> Account | None:
        """The one account with a verified address to which nobody has signed in yet."""
        if not claims.email or not claims.email_verified:
            return None
        same = [one for one in await self._access.store.accounts() if one.email.casefold() == claims.email.casefold()]
        if len(same) != 1 or same[0].password_hash:
            return None
        ways = [*await self._store.passkeys(same[0].account_id), *await self._store.identities(same[0].account_id)]
        return None if ways else same[0]

    def _seal(self, flow: Flow) -> str:
        said = json.dumps(asdict(flow)).encode()
        return base64.urlsafe_b64encode(hmac.digest(self._secret, said, "sha256") + said).decode()

    def _unseal(self, sealed: str) -> Flow:
        try:
            content = base64.urlsafe_b64decode(sealed.encode())
        except ValueError as error:
            raise SignInRefused from error
        if not hmac.compare_digest(content[:32], hmac.digest(self._secret, content[32:], "sha256")):
            raise SignInRefused
        flow = Flow(**json.loads(content[32:]))
        if self._access.clock.now().timestamp() > flow.ends:
            raise SignInRefused
        return flow
