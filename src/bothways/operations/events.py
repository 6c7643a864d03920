"""What happened at charging stations, in one vocabulary for every protocol version.

An event carries two instants: ``at`` is the station's clock, ``received_at`` the server's. Units have been converged at
the adapter: power [kW], energy [kWh], current [A], voltage [V], state of charge as a fraction. Signs follow the
architecture: a positive power charges the vehicle.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

TransactionKind = Literal["started", "updated", "ended"]


class EvseKey(NamedTuple):
    """One EVSE of one station; in OCPP 1.6 the connector id stands for the EVSE id."""

    station_id: str
    evse_id: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value.

    Attributes:
        at: instant of measurement by the station's clock.
        measurand: OCPP's name, such as ``Energy.Active.Import.Register``.
        value: in ``unit``; import and export measurands are both at least 0 where the station is sound.
        unit: ``kW``, ``kWh``, ``kvar``, ``kvarh``, ``A``, ``V``, ``Hz``, ``fraction``, ``degC``, or the station's own.
        phase: ``""`` for the sum, else ``L1``, ``L1-N``, …
        context: why it was taken, such as ``Sample.Periodic`` or ``Transaction.Begin``.
        location: where, such as ``Outlet`` or ``EV``.
        signed: the signed meter value as the station sent it, ``""`` where there was none.
    """

    at: datetime
    measurand: str
    value: float
    unit: str
    phase: str = ""
    context: str = "Sample.Periodic"
    location: str = "Outlet"
    signed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationEvent:
    """Something a station said.

    Attributes:
        station_id: which station.
        at: when it happened, by the station's clock; the server's where the station gave none.
        received_at: when the server read it.
        flags: what was wrong with the form of the message, in words; empty for a sound one.
        raw: the message as received, kept where ``flags`` is not empty.
    """

    station_id: str
    at: datetime
    received_at: datetime
    flags: tuple[str, ...] = ()
    raw: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted(StationEvent):
    """The station started, or announced itself when asked to."""

    protocol: str
    vendor: str
    model: str
    serial: str = ""
    firmware: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged(StationEvent):
    """A connector changed its state.

    Attributes:
        evse_id: 0 for the station as a whole.
        status: ``Available``, ``Occupied``, ``Reserved``, ``Unavailable`` or ``Faulted``.
        detail: the protocol's own word (``SuspendedEV``) and the vendor's error, for people.
    """

    evse_id: int
    connector_id: int
    status: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionChanged(StationEvent):
    """A transaction started, went on or ended.

    Attributes:
        kind: ``started``, ``updated`` or ``ended``.
        transaction_id: the station's id in 2.x. In 1.6 the store gives it: ``""`` on ``started``.
        evse_id: 0 where an update did not name it.
        seq_no: the station's counter within the transaction; ``None`` in 1.6.
        trigger: why the station spoke.
        offline: whether it happened while the station had no connection.
        id_token: who asked for it, ``""`` where unknown.
        charging_state: ``Charging``, ``EVConnected``, ``SuspendedEV``, ``SuspendedEVSE``, ``Idle`` or ``""``.
        reason: why it ended.
        meter_start_kwh: register at the start, where the protocol carries it apart from the samples (1.6).
        meter_stop_kwh: register at the end, likewise.
        samples: values that came along.
    """

    kind: TransactionKind
    transaction_id: str
    evse_id: int
    connector_id: int = 1
    seq_no: int | None = None
    trigger: str = ""
    offline: bool = False
    id_token: str = ""
    charging_state: str = ""
    reason: str = ""
    meter_start_kwh: float | None = None
    meter_stop_kwh: float | None = None
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterValuesReceived(StationEvent):
    """Values outside of a transaction event; ``transaction_id`` is ``""`` where none was named."""

    evse_id: int
    transaction_id: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingNeedsReceived(StationEvent):
    """What the vehicle said it needs and allows (2.x); ``None`` where it said nothing.

    Attributes:
        evse_id: where the vehicle is connected.
        energy_transfer: mode that the vehicle asks for, such as ``AC_BPT``.
        departure: when it wants to leave.
        soc: state of charge now, 0…1.
        capacity_kwh: usable capacity [kWh].
        energy_target_kwh: energy it wants to take [kWh]; negative is energy it wants to give.
        energy_min_kwh: least energy it must take [kWh].
        energy_max_kwh: most it can take [kWh].
        v2x_min_kwh: energy it may take before it leaves the range in which discharge is permitted [kWh].
        v2x_max_kwh: likewise at the top [kWh].
        charge_kw: greatest charging power [kW].
        discharge_kw: greatest discharging power as a positive number [kW].
        min_charge_kw: smallest charging power other than 0 [kW].
        min_discharge_kw: smallest discharging power other than 0 [kW].
    """

    evse_id: int
    energy_transfer: str
    departure: datetime | None = None
    soc: float | None = None
    capacity_kwh: float | None = None
    energy_target_kwh: float | None = None
    energy_min_kwh: float | None = None
    energy_max_kwh: float | None = None
    v2x_min_kwh: float | None = None
    v2x_max_kwh: float | None = None
    charge_kw: float | None = None
    discharge_kw: float | None = None
    min_charge_kw: float | None = None
    min_discharge_kw: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKept(StationEvent):
    """Any other message that must not be lost: security events, reports, alarms, firmware and log states."""

    action: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionChanged(StationEvent):
    """The station's connection came or went; said by the gateway, not by the station."""

    connected: bool
    protocol: str = ""
    remote: str = ""
