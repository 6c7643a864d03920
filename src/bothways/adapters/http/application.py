"""The web application: API, supervision, and the headers that every answer carries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry

import bothways
from bothways.adapters.http import faults, people, session, sites
from bothways.adapters.http.health import health_router
from bothways.adapters.http.limits import BodyLimit, Watchers
from bothways.operations.access.accounts import Access
from bothways.operations.desk.desk import Desk

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_API_POLICY = "default-src 'none'; frame-ancestors 'none'"


def build_application(
    access: Access,
    desk: Desk,
    lacking: Callable[[], Sequence[str]],
    registry: CollectorRegistry,
    *,
    secure_cookies: bool,
) -> FastAPI:
    """The application on the given use cases.

    Args:
        access: sign-in.
        desk: what people can do.
        lacking: what is missing until the system is ready, in words.
        registry: metrics.
        secure_cookies: whether cookies are only sent over TLS.
    """
    app = FastAPI(
        title="bothways",
        version=bothways.__version__,
        summary="Energy both ways between vehicles, buildings and the grid.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.access = access
    app.state.desk = desk
    app.state.secure_cookies = secure_cookies
    app.state.watchers = Watchers()
    faults.install(app)
    for router in (session.router, sites.router, people.router):
        app.include_router(router, prefix="/api/v1")
    app.include_router(health_router(lacking, registry))

    @app.middleware("http")
    async def headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        answer = await call(request)
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
        if request.url.path.startswith("/api/"):
            answer.headers.setdefault("content-security-policy", _API_POLICY)
            answer.headers.setdefault("cache-control", "no-store")
        return answer

    app.add_middleware(BodyLimit)
    return app
