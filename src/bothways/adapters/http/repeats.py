"""Idempotency keys: a request that is sent again under its key is answered as the first time, and not done twice.

What is remembered is encrypted with a key made of the caller's own session and the idempotency key, neither of which
is stored: a stolen database opens no token that an answer once showed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import orjson
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bothways.adapters.db.answers import Claim
from bothways.adapters.http.faults import MEDIA_TYPE, Fault, body
from bothways.adapters.http.session import Caller, caller
from bothways.domain.errors import StoreError
from bothways.operations.access.accounts import token_hash
from bothways.operations.ports import Clock

_log = structlog.get_logger("bothways.http")
HEADER = "idempotency-key"
KEPT = timedelta(hours=48)
LEAST, LONGEST = 8, 200
_KEPT_HEADERS = ("content-type", "location", "etag", "link")


class AnswerStore(Protocol):
    """Durable memory of answers by account and the key's hash."""

    async def claim(self, account_id: str, key_hash: str, claim: Claim, at_us: int, forget_us: int) -> Claim | None:
        """Takes a key that nobody used, or returns what it was used for; forgets what is older than ``forget_us``."""
        ...

    async def answered(self, account_id: str, key_hash: str, status: int, sealed: bytes) -> None:
        """Keeps the answer."""
        ...

    async def unclaim(self, account_id: str, key_hash: str) -> None:
        """Lets go of a key under which nothing was done."""
        ...


class Repeats:
    """Remembers what was done under which key.

    Args:
        app: the application.
        store: where answers are kept.
        clock: by which they are forgotten.
    """

    def __init__(self, app: ASGIApp, store: AnswerStore, clock: Clock) -> None:
        self._app, self._store, self._clock = app, store, clock
        self._running: set[tuple[str, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        key = Headers(scope=scope).get(HEADER) if scope["type"] == "http" else None
        if key is None or scope["method"] in {"GET", "HEAD", "OPTIONS"} or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        try:
            asking = await caller(Request(scope, receive))
        except Fault:  # whoever is not signed in, or forges, is told so by the route, unless it is open to all
            await self._app(scope, receive, send)
            return
        try:
            _check(key)
        except Fault as fault:
            await _refused(fault)(scope, receive, send)
            return
        content = await _whole(receive)
        if content is None:
            return
        place = (asking.account.account_id, hashlib.sha256(key.encode()).hexdigest())
        if place in self._running:
            await _refused(_busy())(scope, receive, send)
            return
        self._running.add(place)
        try:
            await self._once(_Once(place, asking, key, content), scope, receive, send)
        except StoreError as error:
            away = Fault(503, "The store is away", str(error), "Send it again soon.", {"Retry-After": "5"})
            await _refused(away)(scope, receive, send)
        finally:
            self._running.discard(place)

    async def _once(self, once: _Once, scope: Scope, receive: Receive, send: Send) -> None:
        now = self._clock.now()
        mine = Claim(token_hash(once.asking.token), once.fingerprint(scope))
        at = int(now.timestamp() * 1e6)
        found = await self._store.claim(*once.place, mine, at, at - KEPT // timedelta(microseconds=1))
        if found is not None:
            await _again(once, mine, found)(scope, receive, send)
            return
        answer = _Answer()
        await self._app(scope, once.receiver(receive), answer.take)
        try:
            if answer.status < 400:
                await self._store.answered(*once.place, answer.status, once.seal(answer))
            elif answer.status < 500:  # an error of the caller's: nothing was done
                await self._store.unclaim(*once.place)
        except StoreError as error:  # it was done: that is what the caller must hear
            _log.error("an answer could not be kept", path=scope["path"], error=str(error))
        for message in answer.messages:
            await send(message)


class _Answer:
    """An answer while it is made."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def take(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"]) if self.messages else 500

    def packed(self) -> bytes:
        headers = Headers(raw=self.messages[0]["headers"])
        kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
        content = b"".join(message.get("body", b"") for message in self.messages[1:])
        return orjson.dumps([self.status, kept, content.decode()])


@dataclass(frozen=True, slots=True)
class _Once:
    """One request under its key."""

    place: tuple[str, str]
    asking: Caller
    key: str
    content: bytes

    def _secret(self, use: bytes) -> bytes:
        return hmac.digest(self.asking.token.encode(), use + self.key.encode(), "sha256")

    def fingerprint(self, scope: Scope) -> str:
        """Of method, address and body; keyed, because a body may hold a password."""
        parts = [scope["method"].encode(), scope["path"].encode(), scope["query_string"], self.content]
        return hmac.new(self._secret(b"request "), orjson.dumps([part.hex() for part in parts]), "sha256").hexdigest()

    def seal(self, answer: _Answer) -> bytes:
        nonce = os.urandom(12)
        return nonce + AESGCM(self._secret(b"answer ")).encrypt(nonce, answer.packed(), None)

    def unseal(self, sealed: bytes) -> Response:
        plain = AESGCM(self._secret(b"answer ")).decrypt(sealed[:12], sealed[12:], None)
        status, headers, content = orjson.loads(plain)
        return Response(content, status, {**headers, "idempotency-replayed": "true"})

    def receiver(self, receive: Receive) -> Receive:
        """What the application reads: the body once, then whatever still comes."""
        left = [self.content]

        async def again() -> Message:
            if left:
                return {"type": "http.request", "body": left.pop(), "more_body": False}
            return await receive()

        return again


def _again(once: _Once, mine: Claim, found: Claim) -> Response:
    """The answer to a key that was used before."""
    if found.session_hash != mine.session_hash:
        said = "is not finished" if not found.status else f"was answered with {found.status}"
        return _refused(
            Fault(
                409, "Done under another session", f"This key was used in another session; that request {said}.",
                "Look whether it was done; for something new, take a new key.",
            )
        )  # fmt: skip
    if found.fingerprint != mine.fingerprint:
        return _refused(
            Fault(422, "Another request", "This key belongs to another request.", "Take a new key for a new request.")
        )
    if not found.status:
        return _refused(
            Fault(
                409, "Outcome not known", "The server failed or stopped while it did this; it may be done or not.",
                "Read the object to see, then take a new key.",
            )
        )  # fmt: skip
    try:
        return once.unseal(found.sealed)
    except InvalidTag:  # pragma: no cover - the session's hash above is of the very token that seals
        return _refused(_busy())


def _check(key: str) -> None:
    if not LEAST <= len(key) <= LONGEST or not key.isascii() or not key.isprintable():
        allowed = f"An Idempotency-Key has {LEAST} to {LONGEST} printable ASCII characters."
        raise Fault(400, "No such key", allowed, "Use a random UUID, a new one for each new request.")


def _busy() -> Fault:
    detail = "The same request is being worked on."
    return Fault(409, "Not finished", detail, "Send it again in a moment.", {"Retry-After": "1"})


def _refused(fault: Fault) -> JSONResponse:
    content = body(fault.status, fault.title, fault.detail, fault.remedy)
    return JSONResponse(content, fault.status, fault.headers, media_type=MEDIA_TYPE)


async def _whole(receive: Receive) -> bytes | None:
    """The body; how long it may be is bounded before. ``None`` where the caller went away."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
