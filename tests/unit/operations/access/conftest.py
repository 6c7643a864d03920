"""Accounts in memory, for tests of the rules."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bothways.adapters.trust.passwords import Argon2Hasher, TimeCodes
from bothways.domain.errors import InputError, Problem
from bothways.operations.access.accounts import Access
from bothways.operations.access.tries import counted, waiting_s


class MemoryAccounts:
    """Fulfils the AccountStore port with dictionaries."""

    def __init__(self):
        self.by_id = {}
        self.by_token = {}
        self.codes, self.keys, self.linked, self.noted = {}, {}, {}, []
        self.counts, self.used = {}, {}

    async def add_account(self, account):
        if await self.account_by_name(account.name) is not None:
            raise InputError([Problem("name", account.name, "a free name", "Choose another.")])
        self.by_id[account.account_id] = account

    async def replace_account(self, account):
        self.by_id[account.account_id] = account

    async def account_by_name(self, name):
        return next((a for a in self.by_id.values() if a.name.casefold() == name.casefold()), None)

    async def account(self, account_id):
        return self.by_id.get(account_id)

    async def accounts(self):
        return sorted(self.by_id.values(), key=lambda account: account.name)

    async def open_session(self, session):
        self.by_token[session.token_hash] = session

    async def session(self, token_hash):
        return self.by_token.get(token_hash)

    async def sessions(self, account_id):
        return [s for s in self.by_token.values() if s.account_id == account_id]

    async def close_session(self, token_hash):
        self.by_token.pop(token_hash, None)

    async def close_sessions(self, account_id):
        self.by_token = {key: s for key, s in self.by_token.items() if s.account_id != account_id}

    async def keep_recovery(self, account_id, hashes):
        self.codes[account_id] = set(hashes)

    async def use_recovery(self, account_id, code_hash):
        found = code_hash in self.codes.get(account_id, ())
        if found:
            self.codes[account_id].remove(code_hash)
        return found

    async def recovery_left(self, account_id):
        return len(self.codes.get(account_id, ()))

    async def add_passkey(self, added):
        self.keys[added.credential_id] = added

    async def passkey(self, credential_id):
        return self.keys.get(credential_id)

    async def passkeys(self, account_id):
        return [key for key in self.keys.values() if key.account_id == account_id]

    async def passkey_used(self, credential_id, sign_count, at):
        self.keys[credential_id] = replace(self.keys[credential_id], sign_count=sign_count, used_at=at)

    async def remove_passkey(self, account_id, credential_id):
        return self.keys.pop(credential_id, None) is not None

    async def link(self, linked):
        self.linked[linked.issuer, linked.subject] = linked

    async def identity(self, issuer, subject):
        return self.linked.get((issuer, subject))

    async def identities(self, account_id):
        return [one for one in self.linked.values() if one.account_id == account_id]

    async def unlink(self, account_id, issuer):
        before = len(self.linked)
        self.linked = {k: v for k, v in self.linked.items() if (v.account_id, v.issuer) != (account_id, issuer)}
        return len(self.linked) < before

    async def begin_try(self, keys, at_s):
        wait = max((waiting_s(key, *self.counts[key], at_s) for key in keys if key in self.counts), default=0.0)
        if wait > 0.0:
            return wait, {}
        for key in keys:
            self.counts[key] = (counted(*self.counts.get(key, (0, at_s)), at_s), at_s)
        return 0.0, {key: self.counts[key][0] for key in keys}

    async def forget_tries(self, keys):
        for key in keys:
            self.counts.pop(key, None)

    async def use_once(self, what, now, until):
        self.used = {name: ends for name, ends in self.used.items() if ends >= now}
        return self.used.setdefault(what, until) is until

    async def note(self, kind, subject, at, detail):
        self.noted.append((kind, subject, dict(detail)))


class Clock:
    """A clock that tests move."""

    def __init__(self, at):
        self.at = at

    def now(self):
        return self.at

    async def sleep(self, seconds):
        raise AssertionError("the rules of access never sleep")


@pytest.fixture
def clock():
    return Clock(datetime(2026, 5, 4, 7, 0, tzinfo=UTC))


@pytest.fixture
def access(clock):
    return Access(MemoryAccounts(), Argon2Hasher(fast=True), TimeCodes(), clock)
