"""The ways to sign in beside name and password, as a configuration wants them, and the keys of second factors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from bothways.adapters.db.store import SqlStore
from bothways.adapters.trust.keys import SecretKeys, is_sealed
from bothways.adapters.trust.openid import OpenIdConnect, ProviderSettings
from bothways.adapters.trust.passkeys import WebAuthnCeremonies
from bothways.app.live.config import Config, load_config
from bothways.app.live.stations import with_store
from bothways.domain.errors import InputError, Problems
from bothways.operations.access.accounts import Access
from bothways.operations.access.factors import SecondFactors
from bothways.operations.access.federation import Federation
from bothways.operations.access.own import Own
from bothways.operations.access.passkeys import Passkeys

_log = structlog.get_logger("bothways.access")


def keys_of(config: Config, *, make: bool = False) -> SecretKeys:
    """The keys that seal second factors.

    Args:
        config: names the file; a configuration that was not read from a file has keys for this process alone.
        make: whether a missing file may be made although several processes have to share it.
    """
    path = config.server.secrets_key
    return SecretKeys(None if path is None else Path(path), make=make or not config.bus.url)


async def seal_all(store: SqlStore, keys: SecretKeys, *, anew: bool = False) -> int:
    """Seals the second factors that an earlier version kept in the clear; returns how many it changed.

    Args:
        store: where accounts are.
        keys: by which.
        anew: also those that an earlier key sealed.
    """
    changed = 0
    for account in await store.accounts():
        kept = account.totp_secret
        if not kept or (is_sealed(kept) and not (anew and not keys.current(kept))):
            continue
        secret = keys.open(kept, account.account_id)
        if not secret:
            continue
        try:
            sealed = keys.seal(secret, account.account_id)
        except InputError as error:
            _log.error("second factors stay in the clear", error=str(error))
            return changed
        await store.reseal(account.account_id, kept, sealed)
        changed += 1
    return changed


def keep_key(path: Path, *, rotate: bool) -> None:
    """Makes the file of keys where it is missing, or puts a new key first; seals what another key or none sealed.

    A server that runs reads the file again by itself.
    """
    config = load_config(path)
    keys = keys_of(config, make=True)
    file = Path(config.server.secrets_key or "")
    made = not file.exists()
    if made or rotate:
        keys.renew()

    async def work(store: SqlStore) -> int:
        return await seal_all(store, keys, anew=True)

    changed = with_store(config, work)
    print(f"{file}: {'made' if made else 'a new key seals from now on' if rotate else 'is there already'}")
    print(f"  second factors sealed by it just now: {changed}")
    print("  keep a copy apart from copies of the database: one opens the other")


def ways_to_sign_in(access: Access, store: SqlStore, config: Config) -> Sequence[object]:
    """Second factors, passkeys and OpenID providers, for the application's ``services``.

    Raises:
        InputError: a provider that is not reached by TLS, or two of one name.
    """
    names = [part.id for part in config.openid]
    problems = Problems(at="openid")
    if len(set(names)) != len(names):
        problems.add("id", ", ".join(names), "names that differ", "Give each provider its own name.")
    problems.raise_if_any()
    providers = {
        part.id: OpenIdConnect(ProviderSettings(part.issuer, part.client_id, part.client_secret, part.label))
        for part in config.openid
    }
    return (
        Own(access, store),
        SecondFactors(access, store),
        Passkeys(access, store, WebAuthnCeremonies()),
        Federation(access, store, providers),
    )
