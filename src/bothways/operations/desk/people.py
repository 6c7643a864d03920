"""What administrators do with accounts: see them, invite somebody, send somebody away."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bothways.domain.errors import Problems
from bothways.operations.access.accounts import Access, Account
from bothways.operations.access.roles import EVERYTHING, Action, Actor, Grant, Role
from bothways.operations.desk.desk import Desk, Unknown

_TOKEN = re.compile(r"token:[\x21-\x7e]{1,36}")


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as administrators see it."""

    account_id: str
    name: str
    grants: tuple[Grant, ...]
    disabled: bool
    invited: bool
    second_factor: bool


class People:
    """The use cases; every method checks that the actor may manage accounts."""

    def __init__(self, access: Access, desk: Desk) -> None:
        self._access, self._desk = access, desk

    async def accounts(self, actor: Actor) -> list[AccountView]:
        """All accounts, by name."""
        actor.require(Action.ACCOUNT_MANAGE)
        return [_view(item) for item in await self._access.store.accounts()]

    async def invite(self, actor: Actor, name: str, role: str, scope: str) -> str:
        """Creates an account without password and returns the token of its invitation, valid for three days.

        Raises:
            InputError: a name that is taken, an unknown role, or a scope that does not fit.
        """
        actor.require(Action.ACCOUNT_MANAGE)
        grant = self._grant(role, scope.strip())
        account, token = await self._access.invite(name.strip(), [grant])
        detail = {"who": actor.name, "role": role, "scope": grant.scope}
        await self._desk.record("account invited", account.name, detail)
        return token

    async def disable(self, actor: Actor, account_id: str) -> None:
        """Ends all sessions of an account and lets it sign in no more.

        Raises:
            Unknown: no such account.
            InputError: the actor's own account.
        """
        actor.require(Action.ACCOUNT_MANAGE)
        problems = Problems(at="account")
        if account_id == actor.account_id:
            problems.add("", actor.name, "somebody else's account", "Ask another administrator.")
        problems.raise_if_any()
        account = await self._access.store.account(account_id)
        if account is None:
            msg = "there is no such account"
            raise Unknown(msg)
        await self._access.store.replace_account(replace(account, disabled=True))
        await self._access.store.close_sessions(account_id)
        await self._desk.record("account disabled", account.name, {"who": actor.name})

    def _grant(self, role: str, scope: str) -> Grant:
        problems = Problems(at="invitation")
        if role not in list(Role):
            problems.add("role", role, ", ".join(Role), "Choose one of them.")
        site = scope.removeprefix("site:")
        if scope.startswith("site:") and site not in self._desk.site_ids():
            problems.add("scope", scope, f"a site: {', '.join(self._desk.site_ids())}", "Correct the site's name.")
        elif role == Role.DRIVER and not _TOKEN.fullmatch(scope):
            problems.add("scope", scope, "token: and the number of the driver's card", "State the card.")
        elif scope != EVERYTHING and not scope.startswith("site:") and not _TOKEN.fullmatch(scope):
            problems.add("scope", scope, "site:NAME, token:CARD or *", "Say what the role reaches.")
        problems.raise_if_any()
        return Grant(Role(role), scope)


def _view(account: Account) -> AccountView:
    return AccountView(
        account_id=account.account_id,
        name=account.name,
        grants=account.grants,
        disabled=account.disabled,
        invited=not account.password_hash,
        second_factor=bool(account.totp_secret),
    )
