"""Health, readiness and metrics, for supervisors rather than people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from bothways.adapters.http.faults import Fault
from bothways.adapters.http.session import caller
from bothways.operations.access.roles import Action

_THIS_MACHINE = frozenset({"127.0.0.1", "::1"})
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")


async def _may_know(request: Request) -> bool:
    """Whoever is on this machine, not sent by a proxy; from elsewhere an account that may see all sites."""
    local = request.client is not None and request.client.host in _THIS_MACHINE
    if local and not any(name in request.headers for name in _FORWARDED):
        return True
    try:
        return (await caller(request)).actor.may(Action.SITE_VIEW)
    except Fault:
        return False


def health_router(lacking: Callable[[], Sequence[str]], registry: CollectorRegistry) -> APIRouter:
    """Routes ``/healthz``, ``/readyz`` and ``/metrics``.

    Args:
        lacking: what is missing until the system can do its work, in words; empty when it is ready.
        registry: the metrics.
    """
    router = APIRouter(tags=["supervision"], include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz(request: Request) -> JSONResponse:
        """Whether it does its work, and to whom may know what is missing if not."""
        missing = list(lacking())
        told: dict[str, object] = {"ready": not missing}
        if await _may_know(request):
            told["missing"] = missing
        return JSONResponse(told, 503 if missing else 200)

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        """Metrics in Prometheus' text format; they tell who is at home, so not to everybody."""
        if not await _may_know(request):
            raise Fault(
                401, "Not signed in", "From elsewhere this needs a token.", "Give one of an account for all sites.",
                {"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
