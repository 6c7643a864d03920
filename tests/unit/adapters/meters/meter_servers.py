"""Devices and brokers on free ports, for tests of meters."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiomqtt
from amqtt.broker import Broker
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


class QuickClock:
    """The machine's instants; pauses are short."""

    def now(self) -> datetime:
        return datetime.now(tz=UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.02))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def modbus_server(port: int, *devices: tuple[int, int, list[int]]) -> AsyncIterator[None]:
    """A Modbus server; each device is its id, first register and registers."""
    simulated = [
        SimDevice(number, [SimData(first, values=registers, datatype=DataType.REGISTERS)])
        for number, first, registers in devices
    ]
    running = ModbusTcpServer(simulated, address=("127.0.0.1", port))
    await running.serve_forever(background=True)
    try:
        yield
    finally:
        await running.shutdown()


@asynccontextmanager
async def broker(port: int) -> AsyncIterator[None]:
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    running = Broker(config)
    await running.start()
    try:
        yield
    finally:
        await running.shutdown()


async def publish(port: int, *messages: tuple[str, str], retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        for topic, payload in messages:
            await client.publish(topic, payload, retain=retain)
