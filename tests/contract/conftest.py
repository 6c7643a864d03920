"""Servers that the contract tests start themselves."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[object]:
    """A PostgreSQL server for the session; skips only where the platform has no wheel of it."""
    module = _module("postgres_server")
    if module.installed() is None:
        pytest.skip("there is no PostgreSQL wheel on this platform")
    server = module.PostgresServer(fsync=False)
    try:
        yield server
    finally:
        server.close()
