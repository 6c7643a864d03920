"""Looks at the bus without changing anything on it: for checks before a start."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import nats
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from bothways.adapters.bus.connection import BUS_ERRORS, said
from bothways.adapters.bus.names import Names
from bothways.adapters.bus.options import BusOptions, dialling

PATIENCE_S = 3


@dataclass(frozen=True, slots=True)
class BusLook:
    """What was seen of the bus.

    Attributes:
        server: name and version of the server that answered.
        encrypted: whether TLS protects the connection.
        round_trip_ms: from here to the server and back [ms].
        made: whether an installation of this name has used it before.
    """

    server: str
    encrypted: bool
    round_trip_ms: float
    made: bool


async def look_at(options: BusOptions) -> BusLook | str:
    """Connects once, asks for JetStream, and leaves.

    Args:
        options: settings.

    Returns:
        What was seen, or in words what is wrong.

    Raises:
        InputError: files that the settings name cannot be used.
    """
    how = dialling(options)
    heard: list[Exception] = []

    async def note(error: Exception) -> None:
        heard.append(error)

    try:
        async with asyncio.timeout(PATIENCE_S):  # the library itself tries again and again
            client = await nats.connect(
                name="bothways doctor", allow_reconnect=False, connect_timeout=PATIENCE_S, error_cb=note, **how
            )
    except (*BUS_ERRORS, ValueError) as error:
        return f"no connection ({said(heard[-1] if heard else error)})"
    try:
        began = time.perf_counter()
        await client.flush(timeout=PATIENCE_S)
        took_ms = (time.perf_counter() - began) * 1000.0
        jetstream = client.jetstream(timeout=PATIENCE_S)
        try:
            await jetstream.account_info()
        except (NatsError, TimeoutError) as error:
            return f"it answers, but JetStream does not: start the servers with -js ({said(error)})"
        try:
            await jetstream.stream_info(Names(options.prefix).events)
            made = True
        except NotFoundError:
            made = False
        server = f"NATS {client.connected_server_version}"
        return BusLook(server, "tls" in how, took_ms, made)
    except BUS_ERRORS as error:
        return f"it broke off ({said(error)})"
    finally:
        with suppress(*BUS_ERRORS):
            await client.close()
