"""One EVSE of a virtual station: its vehicle, its meter, its transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from bothways.adapters.simulated.profiles import InForce
from bothways.adapters.simulated.vehicle import VirtualVehicle


@dataclass(slots=True)
class Transaction:
    """A transaction as the station keeps it.

    Attributes:
        local_id: the station's own id; in 2.x the one on the wire.
        server_id: 1.6: the id that the server gave, 0 until it did.
        seq_no: number of the next event.
        remote_start_id: of the server's request that started it, ``None`` where the driver did.
        offline: whether it started without a connection.
    """

    local_id: str
    token: str
    started_at: datetime
    meter_start_wh: int
    offline: bool = False
    server_id: int = 0
    seq_no: int = 0
    remote_start_id: int | None = None
    charging_state: str = "EVConnected"

    def next_seq(self) -> int:
        """Takes the next sequence number."""
        number = self.seq_no
        self.seq_no += 1
        return number


@dataclass(slots=True)
class Outlet:
    """An EVSE with one connector.

    Attributes:
        evse_id: from 1.
        charge_kw: greatest charging power [kW].
        discharge_kw: greatest discharging power [kW]; 0 for one-way.
        phases: 1 to 3.
        voltage_v: phase to neutral [V].
        import_wh: meter register, into the vehicle [Wh].
        export_wh: meter register, out of the vehicle [Wh].
        power_kw: power that flows now [kW], positive charges.
        transfer_allowed: energy transfer modes that the server allowed; empty where it said nothing.
        finished: whether the vehicle that is plugged in had its transaction.
        retiring: whether the outlet becomes unavailable when its transaction ends.
        fault: ``""``, or the fault on demand: ``faulted``, ``frozen_meter``, ``deaf`` (accepts profiles, does nothing).
    """

    evse_id: int
    charge_kw: float
    discharge_kw: float = 0.0
    phases: int = 3
    voltage_v: float = 230.0
    import_wh: float = 0.0
    export_wh: float = 0.0
    power_kw: float = 0.0
    available: bool = True
    vehicle: VirtualVehicle | None = None
    transaction: Transaction | None = None
    transfer_allowed: tuple[str, ...] = ()
    fault: str = ""
    in_force: InForce | None = None
    authorized: bool = False
    finished: bool = False
    retiring: bool = False
    _frozen: tuple[float, float, float] = field(default=(0.0, 0.0, 0.0))

    @property
    def can_discharge_kw(self) -> float:
        """Discharging power that EVSE, vehicle and server allow together [kW]."""
        if self.vehicle is None or (self.transfer_allowed and not any("BPT" in mode for mode in self.transfer_allowed)):
            return 0.0
        return min(self.discharge_kw, self.vehicle.discharge_kw)

    @property
    def status(self) -> str:
        """Availability in OCPP 2's words."""
        if self.fault == "faulted":
            return "Faulted"
        if not self.available:
            return "Unavailable"
        return "Occupied" if self.vehicle is not None else "Available"

    def live(self, hours: float, target_kw: float) -> None:
        """Lets power flow for ``hours`` [h] towards a target [kW] and counts it."""
        if hours <= 0.0:  # a clock that stands still, or was set back
            return
        vehicle = self.vehicle
        runs = vehicle is not None and self.transaction is not None and self.authorized and self.fault != "faulted"
        if vehicle is None or not runs:
            self.power_kw = 0.0
            return
        self.power_kw = vehicle.step(target_kw, hours)
        energy_wh = self.power_kw * hours * 1000.0
        if energy_wh >= 0.0:
            self.import_wh += energy_wh
        else:
            self.export_wh -= energy_wh

    def charging_state(self) -> str:
        """State of the transaction in OCPP 2's words."""
        if self.vehicle is None:
            return "Idle"
        if not self.authorized:
            return "EVConnected"
        if abs(self.power_kw) > 1e-3:
            return "Charging"
        if self.vehicle.full or self.vehicle.asleep:
            return "SuspendedEV"
        return "SuspendedEVSE"

    def reading(self) -> tuple[float, float, float]:
        """Import register [Wh], export register [Wh] and power [kW], as the meter shows them."""
        if self.fault == "frozen_meter":
            return self._frozen
        self._frozen = (self.import_wh, self.export_wh, self.power_kw)
        return self._frozen
