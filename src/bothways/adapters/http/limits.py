"""What a request may weigh, and how many may watch: bounds that hold before anybody is signed in."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bothways.adapters.http.faults import MEDIA_TYPE, Fault, body

LONGEST_BODY = 1 << 20
WATCHERS = 500
WATCHERS_EACH = 20


class _TooLong(Exception):  # noqa: N818 - ends the reading of a body, nobody sees it
    """More came than a body may hold."""


class BodyLimit:
    """Refuses requests whose body is longer than the API ever needs, without reading it to its end.

    Args:
        app: what is protected.
        longest: bytes of a body.
    """

    def __init__(self, app: ASGIApp, longest: int = LONGEST_BODY) -> None:
        self._app, self._longest = app, longest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdigit() or len(length) > 12 or int(length) > self._longest:
            await self._refuse(scope, receive, send)
            return
        came, begun, over = 0, False, False

        async def counted() -> Message:
            nonlocal came, over
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._longest:
                over = True
                raise _TooLong
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            if over and not begun:  # what the application makes of a body that breaks off
                return
            begun = True
            await send(message)

        with contextlib.suppress(_TooLong):
            await self._app(scope, counted, noted)
        if over and not begun:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = f"A body holds at most {self._longest} bytes."
        answer = JSONResponse(body(413, "Too long", text, "Send less at once."), 413, media_type=MEDIA_TYPE)
        answer.headers["connection"] = "close"
        await answer(scope, receive, send)


class Watchers:
    """Counts who watches live values, all together and by account."""

    def __init__(self) -> None:
        self._by_account: Counter[str] = Counter()

    def check(self, account_id: str) -> None:
        """Returns where one more may watch.

        Raises:
            Fault: 429 where there are too many.
        """
        if self._by_account.total() >= WATCHERS or self._by_account[account_id] >= WATCHERS_EACH:
            detail = "Too many watch live values now."
            raise Fault(429, "Too many watchers", detail, "Close another page, or try again.", {"Retry-After": "10"})

    @contextlib.contextmanager
    def watching(self, account_id: str) -> Iterator[None]:
        """Counts one watcher for as long as it watches."""
        self._by_account[account_id] += 1
        try:
            yield
        finally:
            self._by_account[account_id] -= 1
            if self._by_account[account_id] <= 0:
                del self._by_account[account_id]
