"""What a page may load and run; ``docs/adr/0006-content-security-policy.md`` gives the reason of each exception."""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MARK = "x-nicegui-content"


def page_policy(nonce: str) -> str:
    """The policy of an interactive page, whose own scripts carry ``nonce``.

    >>> "script-src 'self' 'nonce-abc' 'unsafe-eval'" in page_policy("abc")
    True
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def with_nonce(html: bytes, nonce: str) -> bytes:
    """The page with the nonce on each of its scripts.

    Contents cannot bring scripts of their own: texts and elements are embedded with every ``<`` escaped.

    >>> with_nonce(b"<p>a</p><script defer>b</script>", "abc")
    b'<p>a</p><script nonce="abc" defer>b</script>'
    """
    return html.replace(b"<script", b'<script nonce="' + nonce.encode() + b'"')


class PagePolicy:
    """Gives every interactive page its policy and its scripts their nonce; lets everything else pass."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        parts: list[bytes] = []

        async def through(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _MARK in Headers(raw=message["headers"]):
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            parts.append(message.get("body", b""))
            if message.get("more_body", False):
                return
            nonce = secrets.token_urlsafe(18)
            page = with_nonce(b"".join(parts), nonce)
            headers = MutableHeaders(raw=start["headers"])
            headers["content-length"] = str(len(page))
            headers["content-security-policy"] = page_policy(nonce)
            await send(start)
            await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, through)
