"""The ports: what the live use cases need from the outside. Adapters fulfil them, contract tests hold them to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bothways.domain.timegrid import TimeGrid
from bothways.operations.events import EvseKey, Sample, StationEvent
from bothways.operations.orders import CommandResult, Composite, PowerOrder, SafeProfile, StationCommand
from bothways.operations.stations import DriverNeed, EvseRecord, GridPermission, StationRecord
from bothways.resilience.island.commands import Command
from bothways.resilience.island.signals import GridReading, Mode, Position, SectionReading


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that an event is durable.

    Attributes:
        new: False where the same event was stored before; nothing was counted twice.
        transaction_id: the transaction's id, given by the store where the protocol asks the server for one.
        missing: sequence numbers of the transaction that have not arrived yet.
    """

    new: bool
    transaction_id: str = ""
    missing: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line of the audit log; ``number`` grows with each."""

    number: int
    at: datetime
    kind: str
    subject: str
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A transaction as stored.

    Attributes:
        energy_import_kwh: energy into the vehicle so far [kWh]; register differences where registers exist.
        energy_export_kwh: energy out of the vehicle so far [kWh].
        missing: sequence numbers that never arrived.
        connector_id: connector of the EVSE.
        charging_state: the latest that the station said, ``""`` where it said none.
        reason: why it ended.
        last_at: the latest instant that the station spoke of.
        flags: what a person should look at, in words: a register that started anew, a sequence number used twice.
    """

    station_id: str
    transaction_id: str
    evse_id: int
    id_token: str
    started_at: datetime | None
    ended_at: datetime | None
    energy_import_kwh: float
    energy_export_kwh: float
    missing: tuple[int, ...] = ()
    connector_id: int = 1
    charging_state: str = ""
    reason: str = ""
    last_at: datetime | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompatibilityRow:
    """One row of the compatibility register (R55): a vehicle at a charger by a connector, sourced and dated.

    Attributes:
        vehicle: make and model.
        charger: vendor and model, as in ``StationRecord.model``.
        connector: ``CHAdeMO``, ``CCS`` or ``AC``.
        uses: what works: ``V2L``, ``V2H``, ``V2B``, ``V2G``; empty for a pair known not to discharge.
        discharge_kw: greatest discharging power [kW].
        warranty: what the maker's warranty says of discharging.
        minimum_a: smallest charging current [A].
        resumes: whether charging goes on after a pause; ``None`` where unknown.
        source: where this is from.
        as_of: when it was found so.
    """

    vehicle: str
    charger: str
    connector: str
    uses: tuple[str, ...]
    discharge_kw: float
    source: str
    as_of: datetime
    warranty: str = ""
    minimum_a: float = 6.0
    resumes: bool | None = None


@dataclass(frozen=True, slots=True)
class Latch:
    """A latched emergency stop (R57).

    Attributes:
        scope: what stands still: a site, or a station.
        at: when it was pressed or said.
        cause: what happened, in words.
        device: which input or command.
        party: who is responsible.
    """

    scope: str
    at: datetime
    cause: str
    device: str = ""
    party: str = ""


@dataclass(frozen=True, slots=True)
class SiteReading:
    """One reading of the site's meter.

    Attributes:
        at: instant of measurement.
        power_kw: import minus export at the grid connection [kW].
        phase_kw: the same by phase, empty where unknown.
        pv_kw: production [kW], at least 0; ``None`` where not metered.
    """

    at: datetime
    power_kw: float
    phase_kw: tuple[float, ...] = ()
    pv_kw: float | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """Published or forecast prices over a grid; arrays as tuples of length ``grid.periods`` [currency/kWh]."""

    grid: TimeGrid
    import_price: tuple[float, ...]
    export_price: tuple[float, ...]
    co2_kg_per_kwh: tuple[float, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class SourceGauge:
    """What is fed back or measured at one source of an island; ``None`` where it is not.

    Attributes:
        mode: what it does, by its own contact or controller; needed of every source that can form a grid.
        output_kw: measured output [kW], positive toward the building.
        energy_kwh: stored energy, or what the fuel gives [kWh].
        available: whether the device says that it could feed now.
    """

    mode: Mode | None = None
    output_kw: float | None = None
    energy_kwh: float | None = None
    available: bool = True


@dataclass(frozen=True, slots=True)
class SwitchgearReading:
    """What contactor, breakers, sources and relays of a building show; devices that are left out are unknown.

    Attributes:
        at: when it was read.
        main: feedback of the main contactor.
        sections: breakers with their loads, by the section's id.
        sources: by the source's id.
        grid: the street's side of the contactor; ``None`` where its meter does not answer.
        bus_pu: voltage on the building's side, fraction of nominal; ``None`` where not measured.
        in_sync: what a synchronism relay says; ``None`` where there is none.
        loss_of_mains: a relay reports that the mains are lost.
        estop: the emergency stop or fire alarm is active.
        pv_kw: output of PV [kW]; ``None`` where not measured.
    """

    at: datetime
    main: Position
    sections: Mapping[str, SectionReading]
    sources: Mapping[str, SourceGauge]
    grid: GridReading | None = None
    bus_pu: float | None = None
    in_sync: bool | None = None
    loss_of_mains: bool = False
    estop: bool = False
    pv_kw: float | None = None


class Clock(Protocol):
    """Time, real or accelerated."""

    def now(self) -> datetime:
        """The instant, aware, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits for so many seconds of this clock."""
        ...


class Intake(Protocol):
    """Where a gateway brings what stations say. Every method returns only when the fact is durable."""

    async def receive(self, event: StationEvent) -> Receipt:
        """Stores the event, then tells the live site of it."""
        ...

    async def authorize(self, station_id: str, id_token: str) -> str:
        """Whether this token may charge here: ``Accepted``, ``Blocked``, ``Expired``, ``Invalid``."""
        ...


class StationRegistry(Protocol):
    """Stations, their credentials and their registration."""

    async def station(self, station_id: str) -> StationRecord | None:
        """What is known of a station, or ``None`` for an unknown one."""
        ...

    async def stations(self, site_id: str | None = None) -> Sequence[StationRecord]:
        """All stations, of one site or of all."""
        ...

    async def verify(self, station_id: str, secret: bytes) -> bool:
        """Whether the secret is the station's, in constant time."""
        ...

    async def accept(self, station_id: str, at: datetime, model: str) -> None:
        """Records that the station was accepted; survives reconnects and restarts."""
        ...


class Store(Protocol):
    """Durable memory of the live system."""

    async def append(self, event: StationEvent) -> Receipt:
        """Stores one event and returns after the commit. The same event again changes nothing."""
        ...

    async def transactions(
        self,
        *,
        station_id: str | None = None,
        evse_id: int | None = None,
        id_token: str | None = None,
        stations: Collection[str] | None = None,
        tokens: Collection[str] | None = None,
        open_only: bool = False,
        since: datetime | None = None,
        before: tuple[str, str] | None = None,
        limit: int = 1000,
    ) -> Sequence[TransactionRow]:
        """Transactions, the latest first; ``stations`` and ``tokens`` keep those of any of either.

        ``before`` names the station and id of a transaction after which the list goes on.
        """
        ...

    async def samples(self, evse: EvseKey, measurand: str, start: datetime, end: datetime) -> Sequence[Sample]:
        """Values of one measurand with ``start <= at < end``, in time's order."""
        ...

    async def need(self, need: DriverNeed) -> None:
        """Keeps a driver's need."""
        ...

    async def needs(self, holders: Sequence[str]) -> Mapping[str, DriverNeed]:
        """The latest need of each holder that stated one."""
        ...

    async def permission(self, site_id: str) -> GridPermission:
        """The site's grid connection on paper; everything is missing where nothing was recorded."""
        ...

    async def permit(self, permission: GridPermission, at: datetime) -> None:
        """Records a site's grid connection, and says so in the audit log."""
        ...

    async def add_station(self, record: StationRecord, secret_hash: str) -> None:
        """Adds a station, or raises ``InputError`` where the id exists or existed before."""
        ...

    async def note(self, kind: str, subject: str, at: datetime, detail: Mapping[str, object]) -> None:
        """Appends to the audit log."""
        ...


class ChargerGateway(Protocol):
    """Chargers, whatever they speak."""

    def connected(self) -> frozenset[str]:
        """Stations with a live connection."""
        ...

    async def set_power(self, order: PowerOrder, evse: EvseRecord) -> CommandResult:
        """Puts a setpoint on the wire, rounded toward zero; refuses what the station cannot be told safely."""
        ...

    async def set_safe_profile(self, profile: SafeProfile) -> CommandResult:
        """Leaves a profile at the station that holds when the server is silent."""
        ...

    async def composite(self, evse: EvseKey) -> Composite | None:
        """Asks the station what it holds to now; ``None`` where it cannot say."""
        ...

    async def start(self, evse: EvseKey, id_token: str) -> CommandResult:
        """Asks the station to start a transaction."""
        ...

    async def stop(self, station_id: str, transaction_id: str) -> CommandResult:
        """Asks the station to end a transaction."""
        ...

    async def command(self, station_id: str, command: StationCommand) -> CommandResult:
        """Asks the station for what a person wants of it, in its own protocol version."""
        ...

    async def call(self, station_id: str, action: str, payload: Mapping[str, object]) -> Mapping[str, object]:
        """Sends any request of the station's protocol version; for administration.

        Raises:
            GatewayError: where the station is offline, did not answer, or answered with an error.
        """
        ...


class Switchgear(Protocol):
    """The devices that make a building an island: contactor, breakers, batteries, generators, contacts of chargers."""

    async def read(self) -> SwitchgearReading:
        """What they show now, all read anew.

        Raises:
            GatewayError: the devices cannot be read.
        """
        ...

    async def carry_out(self, command: Command) -> bool:
        """Puts one command on the wire; returns whether the device took it. Only feedback shows that it acted.

        A rehearsal and what is to be done by hand never reach a device, and a command that could not be delivered at
        once is dropped, never sent later.

        Raises:
            GatewayError: the device cannot be reached.
        """
        ...

    async def answers(self, device: str) -> bool:
        """Whether the device can be reached now, without touching it: what a drill exercises."""
        ...

    async def left_alone(self, after_s: float, keep: frozenset[str]) -> bool:
        """What it does by itself once it has heard nothing for ``after_s`` seconds: it opens all sections but ``keep``.

        To be told again within that time; 0 ends it. Returns whether there is a switchgear that watches.

        Raises:
            GatewayError: it cannot be reached.
        """
        ...


class MeterSource(Protocol):
    """The site's meter."""

    def readings(self) -> AsyncIterator[SiteReading]:
        """Readings as they come, each with its own instant; a consumer judges their age."""
        ...


class SignalSource(Protocol):
    """Prices and CO₂."""

    async def prices(self, grid: TimeGrid) -> Prices:
        """Prices over the grid.

        Raises:
            InputError: where the source does not cover it or its units are not plausible.
        """
        ...
