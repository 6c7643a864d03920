"""What every answer carries, whoever made it: security headers; a problem document where nobody foresaw an error."""

from __future__ import annotations

import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bothways.adapters.http.faults import MEDIA_TYPE, body

_log = structlog.get_logger("bothways.http")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}
_TLS_ONLY = "max-age=31536000"


class Guard:
    """The outermost layer.

    Args:
        app: what is guarded.
        secure: whether people reach it by TLS alone, and browsers may remember that.
    """

    def __init__(self, app: ASGIApp, *, secure: bool = False) -> None:
        self._app, self._secure = app, secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def dressed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self._dress(scope, message)
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        except Exception as error:
            _log.exception("a request failed", path=scope["path"], error=repr(error))
            if begun:
                raise
            detail = f"This is a defect of bothways ({type(error).__name__}); it was logged."
            content = body(500, "Internal error", detail, "Try again later; tell the maintainers if it stays.")
            await JSONResponse(content, 500, media_type=MEDIA_TYPE)(scope, receive, dressed)

    def _dress(self, scope: Scope, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        if self._secure:
            headers.setdefault("strict-transport-security", _TLS_ONLY)
        if scope["path"].startswith("/api/"):
            headers.setdefault("cache-control", "no-store")
