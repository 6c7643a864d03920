"""A simulated yard behind a real Modbus server: for drills through real sockets, and for tests of the adapter."""

from __future__ import annotations

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from bothways.adapters.switchgear.settings import (
    ModbusGearSettings,
    Number,
    SectionPart,
    Setting,
    SourcePart,
    SwitchPart,
)
from bothways.adapters.switchgear.yard import Yard
from bothways.resilience.island.commands import Action, Command
from bothways.resilience.island.signals import Mode, Position
from bothways.resilience.island.site import IslandSite

NOMINAL_V = 230.0
_SECTION, _SOURCE, _EACH = 16, 160, 4
_READ_INPUTS, _READ_HOLDING, _READ_WORDS, _WRITE_COIL, _WRITE_REGISTER = 2, 3, 4, 5, 6
_KEEP, _WATCHDOG = 96, 8
_BITS, _WORDS = 512, 512


def gear_settings(site: IslandSite, port: int, chargers: frozenset[str] = frozenset()) -> ModbusGearSettings:
    """Where everything of a served yard lies.

    Args:
        site: the building.
        port: of the server.
        chargers: sources whose output is told by OCPP: here they have contacts and a meter only.
    """
    sections = {
        section.section_id: SectionPart(
            coil=_SECTION + k,
            open_input=_SECTION + 2 * k,
            closed_input=_SECTION + 2 * k + 1,
            phase_kw=tuple(Number(address=_SECTION + 3 * k + p, type="uint16", scale=0.001) for p in range(3)),
            keep_coil=_KEEP + k,
        )
        for k, section in enumerate(site.sections)
    }
    sources = {}
    for j, source in enumerate(site.sources):
        at, told = _SOURCE + _EACH * j, source.source_id not in chargers
        sources[source.source_id] = SourcePart(
            form_coil=at if source.grid_forming else None,
            trip_coil=at + 1,
            forming_input=at,
            available_input=at + 1,
            power=Number(address=at, type="int16", scale=0.01),
            energy=Number(address=at + 1, type="uint16", scale=0.01) if told else None,
            setpoint=Setting(address=at, scale=0.01) if told else None,
            lease=Setting(address=at + 1) if told else None,
            floor=Setting(address=at + 2, scale=0.01) if told else None,
        )
    return ModbusGearSettings(
        host="127.0.0.1",
        port=port,
        nominal_v=NOMINAL_V,
        main=SwitchPart(coil=0, open_input=0, closed_input=1),
        sections=sections,
        sources=sources,
        street_v=tuple(Number(address=p, type="uint16", scale=0.1) for p in range(3)),
        street_hz=Number(address=3, type="uint16", scale=0.01),
        bus_v=Number(address=4, type="uint16", scale=0.1),
        pv=Number(address=5, type="uint16", scale=0.01),
        estop_input=2,
        watchdog=Setting(address=_WATCHDOG),
    )


class YardServer:
    """Serves a yard. A street meter that is lost answers as a gateway does whose device is silent.

    Args:
        yard: what is served.
    """

    def __init__(self, yard: Yard) -> None:
        self._yard = yard
        self._floor: dict[str, float] = {}
        self._lease: dict[str, float] = {}
        self._keep: set[str] = set()
        self._server: ModbusTcpServer | None = None

    async def start(self, port: int) -> None:
        """Listens on this machine."""
        blocks = (
            [SimData(0, values=[False] * _BITS, datatype=DataType.BITS)],
            [SimData(0, values=[False] * _BITS, datatype=DataType.BITS)],
            [SimData(0, values=[0] * _WORDS, datatype=DataType.REGISTERS)],
            [SimData(0, values=[0] * _WORDS, datatype=DataType.REGISTERS)],
        )
        device = SimDevice(1, blocks, action=self._act)
        self._server = ModbusTcpServer([device], address=("127.0.0.1", port))
        await self._server.serve_forever(background=True)

    async def stop(self) -> None:
        """Ends it."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]

    async def _act(
        self, function: int, start: int, address: int, count: int, registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:  # fmt: skip
        del count
        if self._yard.unreachable:
            return ExcCodes.DEVICE_FAILURE
        if values is None:
            return self._read(function, start, address, registers)
        if function == _WRITE_COIL:
            return None if self._coil(address, on=bool(values[0])) else ExcCodes.DEVICE_BUSY
        if function == _WRITE_REGISTER:
            self._register(address, int(values[0]))
            return None
        return ExcCodes.ILLEGAL_FUNCTION

    # --- what it shows ------------------------------------------------------------------------------------------------

    def _read(self, function: int, start: int, address: int, registers: list[int]) -> ExcCodes | None:
        shown = self._yard.shown()
        if function == _READ_INPUTS:
            bits = self._bits()
            for k in range(len(registers)):
                registers[k] = sum(1 << b for b in range(16) if bits.get(16 * (start + k) + b))
            return None
        if function == _READ_WORDS:
            if shown.grid is None and address <= 3:
                return ExcCodes.GATEWAY_NO_RESPONSE
            for place, value in self._words().items():
                if start <= place < start + len(registers):
                    registers[place - start] = value & 0xFFFF
        return None

    def _bits(self) -> dict[int, bool]:
        shown = self._yard.shown()
        bits = {
            0: shown.main is Position.OPEN,
            1: shown.main is Position.CLOSED,
            2: shown.estop,
        }
        for k, section in enumerate(shown.sections):
            bits[_SECTION + 2 * k] = section.position is Position.OPEN
            bits[_SECTION + 2 * k + 1] = section.position is Position.CLOSED
        for j, source in enumerate(shown.sources):
            bits[_SOURCE + _EACH * j] = source.mode is Mode.FORMING
            bits[_SOURCE + _EACH * j + 1] = source.available
        return bits

    def _words(self) -> dict[int, int]:
        shown = self._yard.shown()
        volts = shown.grid.voltage_pu if shown.grid is not None else (0.0, 0.0, 0.0)
        words = {p: round(10.0 * NOMINAL_V * volts[p]) for p in range(3)}
        words[3] = 0 if shown.grid is None else round(100.0 * shown.grid.frequency_hz)
        words[4] = round(10.0 * NOMINAL_V * (shown.bus_pu or 0.0))
        words[5] = round(100.0 * shown.pv_kw)
        for k, section in enumerate(shown.sections):
            for p, kw in enumerate(section.phase_kw or (0.0, 0.0, 0.0)):
                words[_SECTION + 3 * k + p] = round(1000.0 * kw)
        for j, source in enumerate(shown.sources):
            words[_SOURCE + _EACH * j] = round(100.0 * source.output_kw)
            words[_SOURCE + _EACH * j + 1] = round(100.0 * (source.energy_kwh or 0.0))
        return words

    # --- what it takes ------------------------------------------------------------------------------------------------

    def _coil(self, address: int, *, on: bool) -> bool:
        site = self._yard.site
        if address == 0:
            return self._yard.take(Command("main", Action.CLOSE if on else Action.OPEN))
        if _SECTION <= address < _SECTION + len(site.sections):
            name = site.sections[address - _SECTION].section_id
            return self._yard.take(Command(name, Action.CLOSE if on else Action.OPEN))
        if _KEEP <= address < _KEEP + len(site.sections):
            name = site.sections[address - _KEEP].section_id
            (self._keep.add if on else self._keep.discard)(name)
            return True
        j, what = divmod(address - _SOURCE, _EACH)
        name = site.sources[j].source_id
        if what == 0:
            action = Action.FORM if on else Action.RELEASE
            if not on and self._yard.shown().sources[j].mode is not Mode.FORMING:
                return True  # nothing to end
            return self._yard.take(Command(name, action, floor_kwh=self._floor.get(name, 0.0)))
        return self._yard.take(Command(name, Action.TRIP)) if on else True

    def _register(self, address: int, raw: int) -> None:
        if address == _WATCHDOG:
            self._yard.watch(float(raw), frozenset(self._keep))
            return
        j, what = divmod(address - _SOURCE, _EACH)
        name = self._yard.site.sources[j].source_id
        value = raw - 0x10000 if raw >= 0x8000 else raw
        if what == 2:
            self._floor[name] = 0.01 * value
        elif what == 1:
            self._lease[name] = float(value)
        elif value == 0:
            self._yard.take(Command(name, Action.RELEASE))
        else:
            floor, lease = self._floor.get(name, 0.0), self._lease.get(name, 0.0)
            self._yard.take(Command(name, Action.GIVE, 0.01 * value, floor_kwh=floor, lease_s=lease))
