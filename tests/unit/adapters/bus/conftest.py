"""A NATS server for the tests of the bus."""

from collections.abc import Iterator

import pytest
from nats_server import BINARY, NatsServer


@pytest.fixture(scope="session")
def nats_running() -> Iterator[NatsServer]:
    """One server for the session; tests keep apart by the prefix of their names."""
    if not BINARY.exists():
        pytest.skip("there is no NATS server on this platform")
    server = NatsServer()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def nats_own() -> Iterator[NatsServer]:
    """A server of the test's own, to be stopped and started."""
    if not BINARY.exists():
        pytest.skip("there is no NATS server on this platform")
    server = NatsServer()
    try:
        yield server
    finally:
        server.close()
