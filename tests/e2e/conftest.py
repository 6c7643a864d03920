"""Servers that end-to-end tests share with the contract tests."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[object]:
    """A PostgreSQL server for the session; skips only where the platform has no wheel of it."""
    path = Path(__file__).resolve().parents[1] / "contract" / "postgres_server.py"
    spec = importlib.util.spec_from_file_location("postgres_server", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if module.installed() is None:
        pytest.skip("there is no PostgreSQL wheel on this platform")
    server = module.PostgresServer(fsync=False)
    try:
        yield server
    finally:
        server.close()
