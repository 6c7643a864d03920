"""What people do with their own account: see where they are signed in, end sessions, change the password, language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bothways.domain.errors import Problems
from bothways.operations.access.accounts import SESSION_LIFE, Access, Account, SignedIn, token_hash
from bothways.operations.access.ways import WayStore


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A session or token of one's own.

    Attributes:
        session_id: names it in lists, and opens nothing.
        purpose: ``session`` in a browser, ``token`` for a program.
        label: the browser, or what the token was called.
        current: whether it is the one that asks.
    """

    session_id: str
    purpose: str
    label: str
    opened_at: datetime
    expires_at: datetime
    current: bool


class Own:
    """The use cases.

    Args:
        access: sign-in.
        store: for the audit log.
    """

    def __init__(self, access: Access, store: WayStore) -> None:
        self._access, self._store = access, store

    async def sessions(self, account: Account, token: str) -> list[OwnSession]:
        """Where the account is signed in, the latest first."""
        return [
            OwnSession(
                _name(item), item.purpose, item.label, item.opened_at, item.expires_at, item.token_hash == mine
            )
            for mine in [token_hash(token)]
            for item in await self._open(account)
        ]  # fmt: skip

    async def end(self, account: Account, session_id: str) -> bool:
        """Ends one session or token; false where there is none such."""
        found = [item for item in await self._open(account) if _name(item) == session_id]
        for item in found:
            await self._access.store.close_session(item.token_hash)
            await self._note("session ended", account, {"label": item.label, "purpose": item.purpose})
        return bool(found)

    async def end_others(self, account: Account, token: str) -> int:
        """Ends everything but the session that asks; returns how many."""
        others = [item for item in await self._open(account) if item.token_hash != token_hash(token)]
        for item in others:
            await self._access.store.close_session(item.token_hash)
        await self._note("other sessions ended", account, {"count": len(others)})
        return len(others)

    async def change_password(self, token: str, current: str, new: str, label: str = "") -> tuple[Account, str]:
        """Sets a new password, ends every session and token, and opens one new session for whoever did it.

        Raises:
            SignInAgain: the session is not fresh; only asked of accounts that have no password yet.
            SignInRefused: the current password is not right, or no session asks.
            InputError: an unsuitable new password.
        """
        account = await self._access.actor(token, frozenset({"session"}))
        if account is None or not account.password_hash:
            account = await self._access.fresh(token)
        else:
            await self._access.check_password(account, current)
        changed = await self._access.set_password(account, new)
        await self._note("password changed", changed, {})
        return changed, await self._access.open(changed, "session", SESSION_LIFE, label)

    async def speak(self, account: Account, language: str, languages: Sequence[str]) -> None:
        """Sets the language of the screens.

        Raises:
            InputError: a language that there is not.
        """
        problems = Problems(at="language")
        if language not in languages:
            problems.add("", language, ", ".join(languages), "Choose one of them.")
        problems.raise_if_any()
        await self._access.store.replace_account(replace(account, language=language))

    async def _open(self, account: Account) -> list[SignedIn]:
        now = self._access.clock.now()
        found = await self._access.store.sessions(account.account_id)
        return [item for item in found if item.expires_at > now and item.purpose != "invitation"]

    async def _note(self, kind: str, account: Account, detail: dict[str, object]) -> None:
        await self._store.note(kind, account.name, self._access.clock.now(), {"who": account.name, **detail})


def _name(session: SignedIn) -> str:
    return token_hash(session.token_hash)[:16]
