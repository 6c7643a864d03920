"""Entity tags: what did not change is not sent again, and nobody overwrites what they have not seen."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from weakref import WeakValueDictionary

import orjson
from fastapi import Request, Response
from pydantic import BaseModel
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bothways.adapters.http.faults import Fault
from bothways.operations.desk.desk import Unknown

T = TypeVar("T")


def tag_of(value: object) -> str:
    """The tag of a representation: equal for equal values.

    >>> tag_of({"a": 1, "b": 2}) == tag_of({"b": 2, "a": 1})
    True
    """
    return _tag(orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS))


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError


def tagged(response: Response, value: T) -> T:
    """Puts the tag of what is read on the answer, so that a later write can name it; returns the value."""
    response.headers["etag"] = tag_of(value)
    return value


_writing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def replacing(request: Request, current: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Around a write that replaces something: refuses it where the caller did not see what is there now.

    Args:
        request: with ``If-Match`` (the tag of what is replaced) or ``If-None-Match: *`` (nothing may be there yet).
        current: reads what is there now, exactly as reading it answers; raises ``Unknown`` where nothing is.

    Raises:
        Fault: 412 where something else is there.
    """
    lock = _writing.setdefault(f"{id(request.app)} {request.url.path}", asyncio.Lock())
    async with lock:
        wanted, unwanted = request.headers.get("if-match"), request.headers.get("if-none-match")
        if wanted is not None or unwanted is not None:
            try:
                now = tag_of(await current())
            except Unknown:
                now = ""
            if (wanted is not None and not _among(wanted, now)) or (unwanted is not None and _among(unwanted, now)):
                raise Fault(
                    412, "Changed meanwhile", "What is there now is not what the request names; nothing was changed.",
                    "Read it again, decide again, and send its ETag as If-Match.", {"ETag": now} if now else None,
                )  # fmt: skip
        yield


def _among(header: str, tag: str) -> bool:
    """Whether a tag is among those of a header; ``*`` stands for anything that exists."""
    if not tag:
        return False
    return any(part.strip().removeprefix("W/") in {"*", tag} for part in header.split(","))


class Tags:
    """Gives each read of the API a tag, and answers 304 without a body where the caller has it already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        start: Message | None = None
        parts: list[bytes] = []

        async def through(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _can_be_tagged(message):
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                await _finish(start, b"".join(parts), known, send)

        await self._app(scope, receive, through)


def _can_be_tagged(message: Message) -> bool:
    kind = Headers(raw=message["headers"]).get("content-type", "")
    return message["status"] == 200 and kind.startswith("application/json")


async def _finish(start: Message, body: bytes, known: str, send: Send) -> None:
    headers = MutableHeaders(raw=start["headers"])
    tag = headers.setdefault("etag", _tag(body))
    headers.setdefault("cache-control", "private, no-cache")
    if known and _among(known, tag):
        start["status"] = 304
        for name in ("content-length", "content-type"):
            del headers[name]
        body = b""
    await send(start)
    await send({"type": "http.response.body", "body": body})
