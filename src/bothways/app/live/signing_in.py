"""The ways to sign in beside name and password, as a configuration wants them."""

from __future__ import annotations

from collections.abc import Sequence

from bothways.adapters.db.store import SqlStore
from bothways.adapters.trust.openid import OpenIdConnect, ProviderSettings
from bothways.adapters.trust.passkeys import WebAuthnCeremonies
from bothways.app.live.config import Config
from bothways.domain.errors import Problems
from bothways.operations.access.accounts import Access
from bothways.operations.access.factors import SecondFactors
from bothways.operations.access.federation import Federation
from bothways.operations.access.own import Own
from bothways.operations.access.passkeys import Passkeys


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
