"""The web application: API, supervision, and the layers around them.

Adding to the API
-----------------

1. A use case lives in ``operations/desk``: a class that takes the desk (and what else it needs), whose methods take the
   :class:`Actor` first and check its rights. Screens and API call the same methods.
2. A router is a small module beside this one::

       router = APIRouter(tags=["sites"])

       @router.get("/sites/{site_id}/savings", summary="What was saved")
       async def savings(request: Request, asking: Asking, site_id: str, page: Paging) -> list[SavingView]:
           '''One sentence on meaning and units [kWh].'''
           found = await Savings(desk_of(request)).of(asking.actor, site_id)
           return page.of(found, key=lambda item: (item.day.isoformat(),))

   * ``Asking`` is who asks (401 and CSRF are settled); ``desk_of(request)`` the desk; what ``server.py`` puts into
     ``services`` comes back by its class: ``service_of(request, Kind)``.
   * Every list takes ``page: Paging`` and returns ``page.of(items, key=…)``; where the store sorts and cuts itself,
     read ``page.limit + 1`` rows after ``page.after`` and return ``page.cut(rows, key=…)``.
   * Bodies derive from ``session.Body`` (unknown keys are refused); answers are frozen dataclasses of the use cases.
   * Raise what the use cases raise: ``Unknown`` is 404, ``NotAllowed`` 403, ``InputError`` 422, ``DomainError`` 409,
     ``GatewayError`` 502; ``faults.Fault`` says anything else, with a remedy.
   * A write that replaces something: ``openapi_extra=takes_if_match()``, and
     ``async with replacing(request, lambda: <read it>):`` around the use case; its read returns
     ``tagged(response, it)``.
   * ETags of reads, ``Idempotency-Key`` of writes, security headers and problem documents come by themselves.

3. Its line in :data:`ROUTERS` below; its tests in ``tests/unit/adapters/http``; schemathesis tries it by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

import bothways
from bothways.adapters.http import (
    accounts,
    driving,
    faults,
    guests,
    installations,
    island,
    overrides,
    own,
    people,
    queues,
    records,
    session,
    sites,
    stations,
)
from bothways.adapters.http.description import describe, open_to_all
from bothways.adapters.http.guard import Guard
from bothways.adapters.http.health import health_router
from bothways.adapters.http.limits import BodyLimit, Watchers
from bothways.adapters.http.repeats import AnswerStore, Repeats
from bothways.adapters.http.tags import Tags
from bothways.operations.access.accounts import Access
from bothways.operations.desk.desk import Desk

_PREFIX = "/api/v1"
ROUTERS = (
    session.router,
    own.router,
    accounts.router,
    sites.router,
    people.router,
    driving.router,
    guests.router,
    queues.router,
    stations.router,
    island.router,
    overrides.router,
    records.router,
    installations.router,
)
"""Every router of the API; a new one is one more name here."""


def build_application(
    access: Access,
    desk: Desk,
    lacking: Callable[[], Sequence[str]],
    registry: CollectorRegistry,
    *,
    secure_cookies: bool,
    answers: AnswerStore,
    services: Sequence[object] = (),
    public_url: str = "",
) -> FastAPI:
    """The application on the given use cases.

    Args:
        access: sign-in.
        desk: what people can do.
        lacking: what is missing until the system is ready, in words.
        registry: metrics.
        secure_cookies: whether cookies are only sent over TLS.
        answers: memory of what was done under which idempotency key.
        services: further use cases, found by their class with ``service_of``.
        public_url: where browsers reach the server; ``""`` for what each request says.
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
    app.state.services = {type(item): item for item in services}
    app.state.secure_cookies = secure_cookies
    app.state.watchers = Watchers()
    app.state.public_url = public_url.rstrip("/")
    faults.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix=_PREFIX)
    app.include_router(health_router(lacking, registry))
    describe(app, open_to_all(ROUTERS, _PREFIX))
    app.add_middleware(Tags)  # the last added is the outermost
    app.add_middleware(Repeats, store=answers, clock=access.clock)
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, secure=secure_cookies)
    return app
