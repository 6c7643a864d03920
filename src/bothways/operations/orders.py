"""What the live system asks of a charger, and what the charger made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bothways.domain.errors import DomainError
from bothways.operations.events import EvseKey


@dataclass(frozen=True, slots=True)
class PowerOrder:
    """A setpoint for one EVSE. Zero means zero: neither direction.

    Attributes:
        evse: which outlet.
        power_kw: positive charges, negative discharges [kW, AC side].
        transaction_id: the transaction it is meant for; an order never outlives it.
        valid_for_s: seconds after which the station falls back to its safe profile.
        phases: number of phases to use, 0 for the station's own choice.
        phase_to_use: the one phase for single-phase charging, 0 for the station's own choice.
    """

    evse: EvseKey
    power_kw: float
    transaction_id: str
    valid_for_s: float
    phases: int = 0
    phase_to_use: int = 0

    def __post_init__(self) -> None:
        if not math.isfinite(self.power_kw):
            msg = f"order for {self.evse}: power_kw must be finite, not {self.power_kw}"
            raise DomainError(msg)
        if not (math.isfinite(self.valid_for_s) and self.valid_for_s > 0.0):
            msg = f"order for {self.evse}: valid_for_s must be above 0, not {self.valid_for_s}"
            raise DomainError(msg)


@dataclass(frozen=True, slots=True)
class SafeProfile:
    """What a station does when it hears nothing: charge within a limit, never discharge.

    Attributes:
        station_id: which station.
        charge_kw: most that each EVSE may charge with [kW].
        station_kw: most that the whole station may take [kW]; ``inf`` for no limit of its own.
    """

    station_id: str
    charge_kw: float
    station_kw: float = math.inf


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The answer to an order.

    Attributes:
        accepted: whether the station said yes. Acceptance is not actuation: only a meter shows that.
        status: the station's word, or ``offline``, ``timeout``, ``unsupported``, ``refused``, ``superseded``.
        commanded_kw: what was put on the wire after rounding toward zero; ``nan`` where nothing was sent.
        at: when the answer came.
        detail: for people.
    """

    accepted: bool
    status: str
    commanded_kw: float
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Composite:
    """What the station says it will hold to now.

    Attributes:
        limit_kw: most it will charge with [kW]; ``None`` where it did not say.
        discharge_limit_kw: most it will discharge with, at most 0 [kW]; ``None`` where it did not say.
        setpoint_kw: setpoint in force [kW]; ``None`` where it did not say.
    """

    limit_kw: float | None = None
    discharge_limit_kw: float | None = None
    setpoint_kw: float | None = None


CommandKind = Literal["reset", "unlock", "availability", "trigger", "diagnostics"]
TRIGGERS = ("boot", "heartbeat", "status", "meter_values", "firmware_status", "log_status")
"""Messages that a station can be asked for, in the platform's own words."""


@dataclass(frozen=True, slots=True)
class StationCommand:
    """What a person asks of a station, whatever it speaks.

    Attributes:
        kind: what to do.
        evse_id: at which EVSE, 0 for the whole station.
        connector_id: at which connector of the EVSE, for ``unlock``.
        at_once: for ``reset``: without waiting until nobody charges.
        operative: for ``availability``: whether it may be used.
        message: for ``trigger``: one of :data:`TRIGGERS`.
        location: for ``diagnostics``: where the station uploads its log to.
    """

    kind: CommandKind
    evse_id: int = 0
    connector_id: int = 1
    at_once: bool = False
    operative: bool = True
    message: str = ""
    location: str = ""
