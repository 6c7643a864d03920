"""The site's meter by Modbus TCP, by registers or by SunSpec models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient

from bothways.adapters.meters.gauge import Gauge, heed_cancellation, pauses
from bothways.adapters.meters.settings import ModbusSettings, Register
from bothways.adapters.meters.sunspec import Block, Read, SunSpecError, find_inverter, find_meter
from bothways.operations.ports import Clock, SiteReading

_COUNT = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "int64": 4, "uint64": 4, "float32": 2, "float64": 4}
_REST = 30
"""Readings without the inverter after it did not answer."""
_FAILURES = (ModbusException, SunSpecError, OSError, asyncio.TimeoutError, ValueError)


class ModbusMeter:
    """Fulfils ``MeterSource``: asks the device at a steady pace and reconnects with growing pauses.

    Attributes:
        gauge: conversion and plausibility, with what it noticed.
        problem: why the device cannot be read now, ``""`` where it can.
    """

    def __init__(self, settings: ModbusSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._meter: Block | None = None
        self._inverter: Block | None = None
        self._rest = 0
        self.gauge = Gauge(settings.unit, settings.positive, settings.connection_kw)
        self.problem = ""

    async def readings(self) -> AsyncIterator[SiteReading]:
        """Readings, each with the instant at which it was asked for. Goes on for ever; silence is a failing device."""
        waits = pauses()
        while True:
            settings = self._settings
            client = AsyncModbusTcpClient(
                settings.host, port=settings.port, timeout=settings.timeout_s, retries=0, reconnect_delay=0
            )
            try:
                if not await client.connect():
                    msg = f"no connection to {settings.host}:{settings.port}"
                    raise ConnectionError(msg)
                while True:
                    at = self._clock.now()
                    reading = await self._read(client, at)
                    heed_cancellation()
                    self.problem, waits = "", pauses()
                    if reading is not None:
                        yield reading
                    await self._clock.sleep(settings.interval_s)
            except _FAILURES as error:
                self.problem = f"{type(error).__name__}: {error}"
            finally:
                client.close()
            heed_cancellation()
            await self._clock.sleep(next(waits))

    async def _read(self, client: AsyncModbusTcpClient, at: datetime) -> SiteReading | None:
        if self._settings.sunspec:
            total, phases, produced = await self._sunspec(client)
        else:
            total, phases, produced = await self._registers(client)
        power = None if total is None else self.gauge.kw(total)
        if power is None:
            return None
        by_phase = [None if value is None else self.gauge.kw(value) for value in phases]
        known = tuple(value for value in by_phase if value is not None)
        pv = None if produced is None else self.gauge.production(produced)
        return SiteReading(at, power, known if len(known) == 3 else (), pv)

    async def _registers(
        self, client: AsyncModbusTcpClient
    ) -> tuple[float | None, Sequence[float | None], float | None]:
        settings = self._settings
        assert settings.power is not None  # noqa: S101 - checked where the settings were made
        total = await self._number(client, settings.power)
        phases = [await self._number(client, register) for register in settings.phases]
        produced = None if settings.pv is None else await self._number(client, settings.pv)
        return total, phases, produced

    async def _number(self, client: AsyncModbusTcpClient, register: Register) -> float:
        count = _COUNT[register.type]
        read = client.read_holding_registers if register.table == "holding" else client.read_input_registers
        answer = await read(register.address, count=count, device_id=self._settings.device)
        if answer.isError():
            msg = f"register {register.address} cannot be read: {answer}"
            raise ModbusException(msg)
        kind = client.DATATYPE[register.type.upper()]
        value = client.convert_from_registers(answer.registers, kind, word_order=register.words)
        if not isinstance(value, int | float):
            msg = f"register {register.address} holds no number"
            raise ModbusException(msg)
        return float(value) * register.scale

    async def _sunspec(self, client: AsyncModbusTcpClient) -> tuple[float | None, Sequence[float | None], float | None]:
        read = _reader(client, self._settings.device)
        if self._meter is None:
            self._meter = await find_meter(read)
        total, *phases = self._meter.powers(await read(self._meter.address, self._meter.length))
        return total, phases, await self._inverter_power(client)

    async def _inverter_power(self, client: AsyncModbusTcpClient) -> float | None:
        """Production of the inverter; where it does not answer (they sleep at night) it is left alone for a while."""
        device = self._settings.pv_device
        if device is None:
            return None
        if self._rest > 0:
            self._rest -= 1
            return None
        read = _reader(client, device)
        try:
            if self._inverter is None:
                self._inverter = await find_inverter(read)
            (power,) = self._inverter.powers(await read(self._inverter.address, self._inverter.length))
        except (SunSpecError, ModbusException):
            self._rest = _REST
            return None
        return power


def _reader(client: AsyncModbusTcpClient, device: int) -> Read:
    async def read(address: int, count: int) -> Sequence[int]:
        answer = await client.read_holding_registers(address, count=count, device_id=device)
        if answer.isError():
            msg = f"registers {address} to {address + count - 1} of device {device} cannot be read"
            raise SunSpecError(msg)
        return answer.registers

    return read
