"""Contactor, breakers and sources by Modbus TCP.

One connection reads and another one writes, so that no order queues behind a reading.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import Literal

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient

from bothways.adapters.switchgear.settings import (
    ModbusGearSettings,
    Number,
    SectionPart,
    Setting,
    SourcePart,
    SwitchPart,
)
from bothways.domain.errors import GatewayError
from bothways.operations.ports import Clock, SourceGauge, SwitchgearReading
from bothways.resilience.island.commands import Action, Command
from bothways.resilience.island.signals import GridReading, Mode, Position, SectionReading

_FLOWS_KW = 0.05
_LAST_BIT = 1e-9
_MOST_WORDS, _MOST_BITS = 120, 1000
_FAILURES = (ModbusException, OSError, TimeoutError)
Table = Literal["holding", "input"]


class _Line:
    """One connection; requests one after the other, each within a time, reconnecting when asked again."""

    def __init__(self, settings: ModbusGearSettings) -> None:
        self._settings = settings
        self._client: AsyncModbusTcpClient | None = None
        self._one = asyncio.Lock()

    async def _connected(self) -> AsyncModbusTcpClient:
        if self._client is None or not self._client.connected:
            self.close()
            settings = self._settings
            client = AsyncModbusTcpClient(
                settings.host, port=settings.port, timeout=settings.timeout_s, retries=0, reconnect_delay=0
            )
            if not await client.connect():
                client.close()
                msg = f"no connection to {settings.host}:{settings.port}"
                raise GatewayError(msg)
            self._client = client
        return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    async def bits(self, address: int, count: int) -> list[bool]:
        async with self._one:
            answer = await (await self._connected()).read_discrete_inputs(
                address, count=count, device_id=self._settings.device
            )
        if answer.isError():
            msg = f"discrete inputs {address} to {address + count - 1} cannot be read: {answer}"
            raise GatewayError(msg)
        return list(answer.bits[:count])

    async def registers(self, table: Table, address: int, count: int) -> list[int]:
        async with self._one:
            client = await self._connected()
            read = client.read_holding_registers if table == "holding" else client.read_input_registers
            answer = await read(address, count=count, device_id=self._settings.device)
        if answer.isError():
            msg = f"{table} registers {address} to {address + count - 1} cannot be read: {answer}"
            raise GatewayError(msg)
        return list(answer.registers)

    async def coil(self, address: int, *, on: bool) -> None:
        async with self._one:
            answer = await (await self._connected()).write_coil(address, on, device_id=self._settings.device)
        if answer.isError():
            msg = f"coil {address} cannot be written: {answer}"
            raise GatewayError(msg)

    async def write(self, setting: Setting, value: float, *, at_least: bool = False) -> None:
        # toward zero: never more than was asked for, in either direction; a floor is never lower than asked for
        steps = value / setting.scale
        raw = math.ceil(steps - _LAST_BIT) if at_least else int(steps)
        if not -0x8000 <= raw <= 0x7FFF:
            msg = f"{value:g} does not fit into register {setting.address}"
            raise GatewayError(msg)
        async with self._one:
            client = await self._connected()
            answer = await client.write_register(setting.address, raw & 0xFFFF, device_id=self._settings.device)
        if answer.isError():
            msg = f"register {setting.address} cannot be written: {answer}"
            raise GatewayError(msg)


class ModbusSwitchgear:
    """Fulfils ``Switchgear``.

    Args:
        settings: where everything lies.
        clock: gives the instants of readings.
    """

    def __init__(self, settings: ModbusGearSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._reader, self._writer = _Line(settings), _Line(settings)
        self._bits = _blocks(((address, 1) for address in _inputs(settings)), _MOST_BITS)
        self._registers = _plan(settings)
        self._kept: frozenset[str] | None = None

    def close(self) -> None:
        """Ends both connections."""
        self._reader.close()
        self._writer.close()

    # --- reading ------------------------------------------------------------------------------------------------------

    async def read(self) -> SwitchgearReading:
        """Everything, read anew in as few requests as its places allow; ``at`` is the instant of the first one."""
        at, seen, heard = self._clock.now(), _Seen(), False
        refused: GatewayError | None = None
        try:
            for address, count in self._bits:
                seen.bits.update(enumerate(await self._reader.bits(address, count), address))
                heard = True
            for table, address, count in self._registers:
                try:
                    found = await self._reader.registers(table, address, count)
                except GatewayError as error:  # one meter behind the address is out: what it measures is unknown
                    refused = error
                    continue
                heard = True
                seen.words.update(((table, address + k), word) for k, word in enumerate(found))
        except (GatewayError, *_FAILURES) as error:
            self._reader.close()
            if isinstance(error, GatewayError):
                raise
            msg = str(error) or type(error).__name__
            raise GatewayError(msg) from error
        if not heard:
            raise refused or GatewayError("the device was asked nothing")
        settings = self._settings
        return SwitchgearReading(
            at=at,
            main=seen.position(settings.main),
            sections={name: seen.section(part) for name, part in settings.sections.items()},
            sources={name: seen.source(part) for name, part in settings.sources.items()},
            grid=self._grid(seen),
            bus_pu=None if settings.bus_v is None else seen.number(settings.bus_v, settings.nominal_v),
            in_sync=None if settings.in_sync_input is None else seen.bits[settings.in_sync_input],
            loss_of_mains=settings.loss_of_mains_input is not None and seen.bits[settings.loss_of_mains_input],
            estop=settings.estop_input is not None and seen.bits[settings.estop_input],
            pv_kw=None if settings.pv is None else seen.number(settings.pv),
        )

    def _grid(self, seen: _Seen) -> GridReading | None:
        settings = self._settings
        if settings.street_hz is None:
            return None
        volts = [seen.number(number, settings.nominal_v) for number in settings.street_v]
        hertz = seen.number(settings.street_hz)
        known = tuple(volt for volt in volts if volt is not None)
        return GridReading(known, hertz) if hertz is not None and len(known) == len(volts) else None

    # --- commanding ---------------------------------------------------------------------------------------------------

    async def carry_out(self, command: Command) -> bool:
        """Writes one command; what is a rehearsal or for a person reaches no device."""
        if command.rehearsal or command.by_hand:
            return False
        try:
            return await self._write(command)
        except (GatewayError, *_FAILURES) as error:
            self._writer.close()
            if isinstance(error, GatewayError):
                raise
            msg = f"{command.device}: {str(error) or type(error).__name__}"
            raise GatewayError(msg) from error

    async def _write(self, command: Command) -> bool:
        switch = self._switch(command.device)
        if switch is not None:
            if switch.coil is None or command.action not in {Action.OPEN, Action.CLOSE}:
                return False
            await self._writer.coil(switch.coil, on=command.action is Action.CLOSE)
            return True
        source = self._settings.sources.get(command.device)
        return source is not None and await self._source(source, command)

    def _switch(self, device: str) -> SwitchPart | None:
        return self._settings.main if device == "main" else self._settings.sections.get(device)

    async def _source(self, source: SourcePart, command: Command) -> bool:
        write, action = self._writer, command.action
        if action is Action.TRIP:
            if source.trip_coil is not None:
                await write.coil(source.trip_coil, on=True)
            return await self._release(source) or source.trip_coil is not None
        if action is Action.RELEASE:
            return await self._release(source)
        if action is Action.FORM and source.form_coil is not None:
            if source.floor is not None:
                await write.write(source.floor, command.floor_kwh, at_least=True)
            if source.trip_coil is not None:
                await write.coil(source.trip_coil, on=False)
            await write.coil(source.form_coil, on=True)
            return True
        if action is Action.GIVE and source.setpoint is not None and source.lease is not None:
            if source.floor is not None:
                await write.write(source.floor, command.floor_kwh, at_least=True)
            await write.write(source.lease, command.lease_s)  # its end before the output itself
            if source.trip_coil is not None:
                await write.coil(source.trip_coil, on=False)
            if source.form_coil is not None:
                await write.coil(source.form_coil, on=False)
            await write.write(source.setpoint, command.output_kw)
            return True
        return False

    async def _release(self, source: SourcePart) -> bool:
        if source.form_coil is not None:
            await self._writer.coil(source.form_coil, on=False)
        if source.setpoint is not None:
            await self._writer.write(source.setpoint, 0.0)
        return source.form_coil is not None or source.setpoint is not None

    async def left_alone(self, after_s: float, keep: frozenset[str]) -> bool:
        """Says which sections stay, where that has changed, and then how long the device may wait."""
        watchdog = self._settings.watchdog
        if watchdog is None:
            return False
        try:
            if keep != self._kept and after_s > 0.0:
                self._kept = None
                for name, section in self._settings.sections.items():
                    if section.keep_coil is not None:
                        await self._writer.coil(section.keep_coil, on=name in keep)
                self._kept = keep
            await self._writer.write(watchdog, after_s)
        except (GatewayError, *_FAILURES) as error:
            self._writer.close()
            self._kept = None  # a device that begins anew knows none
            if isinstance(error, GatewayError):
                raise
            msg = f"watchdog: {str(error) or type(error).__name__}"
            raise GatewayError(msg) from error
        return True

    async def answers(self, device: str) -> bool:
        """Whether the device is configured for commands and its address answers."""
        switch, source = self._switch(device), self._settings.sources.get(device)
        wired = switch is not None and switch.coil is not None
        if not wired and (source is None or (source.form_coil is None and source.setpoint is None
                                             and source.trip_coil is None)):  # fmt: skip
            return False
        try:
            await self.read()
        except GatewayError:
            return False
        return True


class _Seen:
    """Bits and registers of one reading, by address."""

    def __init__(self) -> None:
        self.bits: dict[int, bool] = {}
        self.words: dict[tuple[Table, int], int] = {}

    def number(self, place: Number, nominal: float = 1.0) -> float | None:
        """The number in its unit; ``None`` where the device holds none."""
        raw = [self.words.get((place.table, place.address + k), -1) for k in range(place.count)]
        if min(raw) < 0:
            return None  # its meter does not answer
        kind = AsyncModbusTcpClient.DATATYPE[place.type.upper()]
        value = AsyncModbusTcpClient.convert_from_registers(raw, kind)
        found = float(value) * place.scale / nominal if isinstance(value, int | float) else math.nan
        return found if math.isfinite(found) else None

    def position(self, part: SwitchPart) -> Position:
        """Feedback of a switch; contacts that contradict each other are none."""
        opened = None if part.open_input is None else self.bits[part.open_input]
        closed = None if part.closed_input is None else self.bits[part.closed_input]
        if opened is None and closed is None:
            return Position.UNKNOWN
        if opened is not None and closed is not None and opened == closed:
            return Position.UNKNOWN
        return Position.OPEN if opened or closed is False else Position.CLOSED

    def section(self, part: SectionPart) -> SectionReading:
        """A breaker with its load."""
        found = [self.number(number) for number in part.phase_kw]
        known = [max(0.0, kw) for kw in found if kw is not None]
        load = (known[0], known[1], known[2]) if len(known) == 3 else None
        return SectionReading(self.position(part), load)

    def source(self, part: SourcePart) -> SourceGauge:
        """A source: it forms by its contact, gives or takes by its measured power; unmeasured is not known."""
        power = None if part.power is None else self.number(part.power)
        mode = None
        if part.forming_input is not None and self.bits[part.forming_input]:
            mode = Mode.FORMING
        elif power is not None:
            mode = Mode.GIVING if power > _FLOWS_KW else Mode.CHARGING if power < -_FLOWS_KW else Mode.OFF
        elif part.forming_input is not None and part.setpoint is None:  # it forms, or it does nothing
            mode = Mode.OFF
        available = part.available_input is None or self.bits[part.available_input]
        energy = None if part.energy is None else self.number(part.energy)
        return SourceGauge(mode, power, energy, available)


def _inputs(settings: ModbusGearSettings) -> set[int]:
    parts: list[SwitchPart] = [settings.main, *settings.sections.values()]
    found = {settings.loss_of_mains_input, settings.estop_input, settings.in_sync_input}
    for part in parts:
        found |= {part.open_input, part.closed_input}
    for source in settings.sources.values():
        found |= {source.forming_input, source.available_input}
    return {address for address in found if address is not None}


def _plan(settings: ModbusGearSettings) -> list[tuple[Table, int, int]]:
    """Requests for all numbers, meter by meter, so that one that is out takes no other one along."""
    groups: list[Sequence[Number | None]] = [
        [*settings.street_v, settings.street_hz],
        [settings.bus_v],
        [settings.pv],
        *(section.phase_kw for section in settings.sections.values()),
        *([source.power, source.energy] for source in settings.sources.values()),
    ]
    tables: tuple[Table, ...] = ("holding", "input")
    return [
        (table, *block)
        for group in groups
        for table in tables
        for block in _blocks(((n.address, n.count) for n in group if n is not None and n.table == table), _MOST_WORDS)
    ]


def _blocks(places: Iterable[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Requests that cover all places: neighbours are read together; nothing is read that was not named.

    >>> _blocks([(0, 1), (1, 2), (100, 1)], 120)
    [(0, 3), (100, 1)]
    """
    blocks: list[tuple[int, int]] = []
    for address, count in sorted(places):
        if blocks:
            first, length = blocks[-1]
            together = max(length, address + count - first)
            if address <= first + length and together <= most:
                blocks[-1] = (first, together)
                continue
        blocks.append((address, count))
    return blocks
