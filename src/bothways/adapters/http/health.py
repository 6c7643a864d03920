"""Health, readiness and metrics, for supervisors rather than people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


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
    async def readyz() -> JSONResponse:
        """Whether it does its work, and what is missing if not."""
        missing = list(lacking())
        return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
