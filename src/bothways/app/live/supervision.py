"""What a process that serves no people still answers: health, readiness and metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from bothways.adapters.http import faults
from bothways.adapters.http.health import health_router
from bothways.operations.access.accounts import Access


def supervision(access: Access, lacking: Callable[[], Sequence[str]], registry: CollectorRegistry) -> FastAPI:
    """An application with ``/healthz``, ``/readyz`` and ``/metrics`` alone.

    Args:
        access: for tokens of those who ask from elsewhere.
        lacking: what is missing until the process can do its work, in words.
        registry: metrics.
    """
    app = FastAPI(title="bothways", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.access = access
    faults.install(app)
    app.include_router(health_router(lacking, registry))
    return app
