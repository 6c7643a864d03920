"""What administrators do with accounts: see them, invite somebody, change roles, send somebody away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bothways.domain.errors import Problems
from bothways.operations.access.accounts import Access, Account
from bothways.operations.access.roles import EVERYTHING, Action, Actor, Grant, Role
from bothways.operations.desk.desk import Desk, Unknown

_TOKEN = re.compile(r"token:[\x21-\x7e]{1,36}")
MOST_GRANTS = 50


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as administrators see it."""

    account_id: str
    name: str
    email: str
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

    async def account(self, actor: Actor, account_id: str) -> AccountView:
        """One account.

        Raises:
            Unknown: no such account.
        """
        return _view(await self._account(actor, account_id))

    async def invite(
        self, actor: Actor, name: str, wanted: Sequence[tuple[str, str]], email: str = ""
    ) -> tuple[AccountView, str]:
        """Creates an account without password, and the token of its invitation, valid for three days.

        Args:
            actor: who invites.
            name: what the person types.
            wanted: roles with their scopes.
            email: by which a provider may open the account; ``""`` for none.

        Raises:
            InputError: a name that is taken, an unknown role, or a scope that does not fit.
        """
        actor.require(Action.ACCOUNT_MANAGE)
        grants = self._grants(wanted)
        account, token = await self._access.invite(name.strip(), grants, email.strip())
        detail = {"who": actor.name, "grants": [f"{grant.role} {grant.scope}" for grant in grants]}
        await self._desk.record("account invited", account.name, detail)
        return _view(account), token

    async def invite_again(self, actor: Actor, account_id: str) -> str:
        """A new invitation for somebody who lost the link or the password; every session of the account ends.

        Raises:
            Unknown: no such account.
            InputError: the account is disabled, or the actor's own.
        """
        account = await self.other(actor, account_id)
        problems = Problems(at="account")
        if account.disabled:
            problems.add("", account.name, "an account that is not disabled", "Enable it first.")
        problems.raise_if_any()
        token = await self._access.invite_again(account)
        await self._desk.record("account invited again", account.name, {"who": actor.name})
        return token

    async def change_grants(self, actor: Actor, account_id: str, wanted: Sequence[tuple[str, str]]) -> AccountView:
        """Replaces what an account may do; holds from its next request on.

        Raises:
            Unknown: no such account.
            InputError: a role or scope that does not fit, or the actor's own account.
        """
        account = await self.other(actor, account_id)
        changed = replace(account, grants=tuple(self._grants(wanted)))
        await self._access.store.replace_account(changed)
        detail = {"who": actor.name, "grants": [f"{grant.role} {grant.scope}" for grant in changed.grants]}
        await self._desk.record("account's roles changed", account.name, detail)
        return _view(changed)

    async def disable(self, actor: Actor, account_id: str) -> None:
        """Ends all sessions of an account and lets it sign in no more.

        Raises:
            Unknown: no such account.
            InputError: the actor's own account.
        """
        account = await self.other(actor, account_id)
        await self._access.store.replace_account(replace(account, disabled=True))
        await self._access.store.close_sessions(account_id)
        await self._desk.record("account disabled", account.name, {"who": actor.name})

    async def enable(self, actor: Actor, account_id: str) -> None:
        """Lets a disabled account sign in again.

        Raises:
            Unknown: no such account.
            InputError: the actor's own account.
        """
        account = await self.other(actor, account_id)
        await self._access.store.replace_account(replace(account, disabled=False))
        await self._desk.record("account enabled", account.name, {"who": actor.name})

    async def other(self, actor: Actor, account_id: str) -> Account:
        """An account that is not the actor's own, for what administrators do to it elsewhere.

        Raises:
            Unknown: no such account.
            InputError: the actor's own account.
        """
        actor.require(Action.ACCOUNT_MANAGE)
        problems = Problems(at="account")
        if account_id == actor.account_id:  # the last administrator must not shut everybody out
            problems.add("", actor.name, "somebody else's account", "Ask another administrator.")
        problems.raise_if_any()
        return await self._account(actor, account_id)

    async def _account(self, actor: Actor, account_id: str) -> Account:
        actor.require(Action.ACCOUNT_MANAGE)
        account = await self._access.store.account(account_id)
        if account is None:
            msg = "there is no such account"
            raise Unknown(msg)
        return account

    def _grants(self, wanted: Sequence[tuple[str, str]]) -> list[Grant]:
        problems = Problems(at="invitation")
        if not 1 <= len(wanted) <= MOST_GRANTS:
            problems.add("grants", len(wanted), f"1 to {MOST_GRANTS} roles", "Say what the person is to do.")
        for role, scope in wanted:
            self._check_grant(role, scope.strip(), problems)
        problems.raise_if_any()
        return [Grant(Role(role), scope.strip()) for role, scope in dict.fromkeys(wanted)]

    def _check_grant(self, role: str, scope: str, problems: Problems) -> None:
        if role not in list(Role):
            problems.add("role", role, ", ".join(Role), "Choose one of them.")
        site = scope.removeprefix("site:")
        if scope.startswith("site:") and site not in self._desk.site_ids():
            problems.add("scope", scope, f"a site: {', '.join(self._desk.site_ids())}", "Correct the site's name.")
        elif role == Role.DRIVER and not _TOKEN.fullmatch(scope):
            problems.add("scope", scope, "token: and the number of the driver's card", "State the card.")
        elif scope != EVERYTHING and not scope.startswith("site:") and not _TOKEN.fullmatch(scope):
            problems.add("scope", scope, "site:NAME, token:CARD or *", "Say what the role reaches.")


def _view(account: Account) -> AccountView:
    return AccountView(
        account_id=account.account_id,
        name=account.name,
        email=account.email,
        grants=account.grants,
        disabled=account.disabled,
        invited=not account.password_hash,
        second_factor=bool(account.totp_secret),
    )
