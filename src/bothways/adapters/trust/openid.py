"""An OpenID provider by the authorisation code flow with PKCE (RFC 6749, RFC 7636, OpenID Connect Core 1.0)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx
import structlog
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

from bothways.domain.errors import InputError, Problem
from bothways.operations.access.accounts import SignInRefused
from bothways.operations.access.federation import Claims

_log = structlog.get_logger("bothways.signin")
_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]
_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})
_KNOWN_S = 3600.0
_KEYS_S = 60.0
_AWAY_S = 20.0  # so long nobody waits again for a provider that does not answer
_LEEWAY_S = 60
_TIMEOUT_S = 10.0
_LONGEST = 1 << 18


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """How bothways is registered at a provider.

    Attributes:
        issuer: its address; the description lies at ``/.well-known/openid-configuration`` below it.
        client_id: by which it knows this server.
        client_secret: ``""`` for a public client, which PKCE alone protects.
        label: what people call it.
    """

    issuer: str
    client_id: str
    client_secret: str = ""
    label: str = ""


class OpenIdConnect:
    """One provider; fulfils :class:`bothways.operations.access.federation.OpenIdProvider`.

    Args:
        settings: how this server is registered there.
        seconds: a clock that only runs forward, by which what is known of the provider becomes old.

    Raises:
        InputError: an issuer that is not reached by TLS.
    """

    def __init__(self, settings: ProviderSettings, seconds: Callable[[], float] = time.monotonic) -> None:
        _secure("openid.issuer", settings.issuer)
        self._settings, self._seconds = settings, seconds
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._away_at: float | None = None
        self._lock = asyncio.Lock()

    @property
    def label(self) -> str:
        """What people call it."""
        return self._settings.label or urlsplit(self._settings.issuer).netloc

    async def address(self, redirect: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to sign in.

        Raises:
            SignInRefused: the provider cannot be reached.
        """
        described = await self._described()
        return str(
            prepare_grant_uri(
                described["authorization_endpoint"], self._settings.client_id, "code", redirect_uri=redirect,
                scope="openid email", state=state, nonce=nonce, code_challenge_method="S256",
                code_challenge=create_s256_code_challenge(verifier),
            )
        )  # fmt: skip

    async def claims(self, redirect: str, code: str, nonce: str, verifier: str) -> Claims:
        """Exchanges the code, and checks signature, issuer, audience, age and nonce of the token that comes for it.

        Raises:
            SignInRefused: anything does not fit.
        """
        described = await self._described()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        try:
            token = await self._exchange(described["token_endpoint"], form)
            id_token = token["id_token"]
            decoded = await self._decoded(id_token, described["jwks_uri"])
            told = CodeIDToken(
                decoded.claims, decoded.header,
                options={
                    "iss": {"essential": True, "value": self._settings.issuer},
                    "aud": {"essential": True, "value": self._settings.client_id},
                },
                params={
                    "nonce": nonce, "client_id": self._settings.client_id, "access_token": token.get("access_token"),
                },
            )  # fmt: skip
            told.validate(leeway=_LEEWAY_S)
            subject, email = told["sub"], told.get("email")
        except Exception as error:  # whatever of it does not fit, nobody is signed in
            self._say(error)
            raise SignInRefused from error
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise SignInRefused
        address = email if isinstance(email, str) and len(email) <= 255 else ""
        return Claims(self._settings.issuer, subject, address, email_verified=told.get("email_verified") is True)

    def _say(self, error: Exception) -> None:
        """For the log: people are told no more than that it did not work."""
        _log.warning("a provider's answer was refused", issuer=self._settings.issuer, error=repr(error)[:300])

    async def _exchange(self, endpoint: str, form: dict[str, str]) -> dict[str, Any]:
        settings = self._settings
        if settings.client_secret:
            auth = httpx.BasicAuth(_quoted(settings.client_id), _quoted(settings.client_secret))
            return await _json("POST", endpoint, data=form, auth=auth)
        return await _json("POST", endpoint, data={**form, "client_id": settings.client_id})

    async def _decoded(self, id_token: str, address: str) -> jwt.Token:
        """The token with its signature checked; keys are read again once where they may have been changed."""
        async with self._lock:
            now = self._seconds()
            if self._keys is not None:
                try:
                    return jwt.decode(id_token, self._keys[1], algorithms=_ALGORITHMS)
                except Exception:
                    if now - self._keys[0] < _KEYS_S:
                        raise
            keys = KeySet.import_key_set(await _json("GET", address))  # type: ignore[arg-type]
            self._keys = (now, keys)
            return jwt.decode(id_token, keys, algorithms=_ALGORITHMS)

    async def _described(self) -> dict[str, Any]:
        async with self._lock:
            now = self._seconds()
            if self._away_at is not None and now - self._away_at < _AWAY_S:
                raise SignInRefused
            if self._metadata is None or now - self._metadata[0] > _KNOWN_S:
                issuer = self._settings.issuer
                try:
                    found = await _json("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                    good = found["issuer"] == issuer
                    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                        _secure(name, str(found[name]))
                except (httpx.HTTPError, ValueError, KeyError, TypeError, InputError) as error:
                    self._away_at = now
                    self._say(error)
                    raise SignInRefused from error
                if not good:  # somebody else's description
                    raise SignInRefused
                self._metadata = (now, found)
            return self._metadata[1]


async def _json(method: str, address: str, **more: Any) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) as client:
        answer = await client.request(method, address, headers={"accept": "application/json"}, **more)
    answer.raise_for_status()
    if len(answer.content) > _LONGEST:
        msg = "the provider's answer is too long"
        raise ValueError(msg)
    content = answer.json()
    if not isinstance(content, dict):
        msg = "the provider's answer is no object"
        raise TypeError(msg)
    return content


def _quoted(text: str) -> str:
    """As RFC 6749 2.3.1 wants it within HTTP Basic."""
    return quote_plus(text)


def _secure(where: str, address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _THIS_MACHINE):
        raise InputError([Problem(where, address, "an address that begins with https://", "Give the secure address.")])
