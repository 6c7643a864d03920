"""The second factor of an account: setting it up, recovery codes for a lost phone, turning it off."""

from __future__ import annotations

import base64
import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bothways.operations.access.accounts import Access, Account, SignInRefused, recovery_hash
from bothways.operations.access.tries import keys_of
from bothways.operations.access.ways import WayStore

CODES = 10
_SET_UP_LIFE = timedelta(minutes=10)
_MOST_PENDING = 1000


@dataclass(frozen=True, slots=True)
class SetUp:
    """A second factor that is being set up.

    Attributes:
        secret: to type into an authenticator, base 32.
        address: the same for a QR code (``otpauth:``).
    """

    secret: str
    address: str


class SecondFactors:
    """The use cases; each works on the account of the session that asks, which must be fresh.

    Args:
        access: sign-in.
        store: where recovery codes are kept.
    """

    def __init__(self, access: Access, store: WayStore) -> None:
        self._access, self._store = access, store
        self._pending: OrderedDict[str, tuple[SetUp, datetime]] = OrderedDict()

    async def begin(self, token: str) -> SetUp:
        """Makes a secret; nothing changes until its first right code.

        Raises:
            SignInAgain: the session is not fresh.
            InputError: there is no key by which the secret could be kept.
        """
        account = await self._access.fresh(token)
        secret = self._access.factor.new_secret()
        self._access.factor.sealed(secret, account.account_id)  # said before anybody scans a code in vain
        made = SetUp(secret, self._access.factor.address(secret, account.name))
        self._pending[account.account_id] = (made, self._access.clock.now())
        self._pending.move_to_end(account.account_id)
        while len(self._pending) > _MOST_PENDING:
            self._pending.popitem(last=False)
        return made

    def pending(self, account_id: str) -> SetUp | None:
        """What is being set up, for showing it again after a wrong code."""
        found, since = self._pending.get(account_id, (None, None))
        if since is None or self._access.clock.now() - since > _SET_UP_LIFE:
            return None
        return found

    async def confirm(self, token: str, code: str) -> list[str]:
        """Turns the second factor on with the first right code; returns recovery codes, which are shown this once.

        Raises:
            SignInAgain: the session is not fresh.
            SignInRefused: the code is not right, or nothing is being set up.
            InputError: there is no key by which the secret could be kept.
        """
        account = await self._access.fresh(token)
        found = self.pending(account.account_id)
        keys = keys_of(f"factor of {account.name}")
        await self._access.tries.begin(keys)
        if found is None or not self._access.factor.verify(found.secret, code, self._access.clock.now()):
            raise SignInRefused
        await self._access.tries.good(keys)
        sealed = self._access.factor.sealed(found.secret, account.account_id)
        await self._access.use_code(account, code)
        del self._pending[account.account_id]
        await self._access.store.replace_account(replace(account, totp_secret=sealed))
        await self._note(account, "second factor turned on")
        return await self._new_codes(account)

    async def renew_codes(self, token: str) -> list[str]:
        """New recovery codes; those before work no more.

        Raises:
            SignInAgain: the session is not fresh.
            SignInRefused: the account has no second factor.
        """
        account = await self._access.fresh(token)
        if not account.totp_secret:
            raise SignInRefused
        await self._note(account, "recovery codes renewed")
        return await self._new_codes(account)

    async def turn_off(self, token: str) -> None:
        """Removes the second factor and its recovery codes.

        Raises:
            SignInAgain: the session is not fresh.
        """
        await self.remove(await self._access.fresh(token), "themselves")

    async def remove(self, account: Account, who: str) -> None:
        """The same by an administrator, for a person who lost phone and codes; whoever asks was checked before."""
        await self._access.store.replace_account(replace(account, totp_secret=""))
        await self._store.keep_recovery(account.account_id, [])
        await self._store.note("second factor turned off", account.name, self._access.clock.now(), {"who": who})

    async def codes_left(self, account_id: str) -> int:
        """How many recovery codes are unused."""
        return await self._store.recovery_left(account_id)

    async def _new_codes(self, account: Account) -> list[str]:
        codes = [_code() for _ in range(CODES)]
        await self._store.keep_recovery(account.account_id, [recovery_hash(account.account_id, one) for one in codes])
        return codes

    async def _note(self, account: Account, kind: str) -> None:
        await self._store.note(kind, account.name, self._access.clock.now(), {"who": account.name})


def _code() -> str:
    """80 random bits in four groups."""
    letters = base64.b32encode(secrets.token_bytes(10)).decode()
    return "-".join(letters[at : at + 4] for at in range(0, 16, 4))
