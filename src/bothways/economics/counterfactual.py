"""What the same stays would have drawn without control: the reference against which savings are told. Pure.

Uncontrolled charging begins at plug-in with full power and ends when the vehicle holds what it really left with; it
never discharges. What was discharged and charged again in reality is therefore not drawn at all in the reference:

    E = taken - given / (eta_c eta_d)

with energies at the AC side, so that both ways leave the same energy in the battery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid

Floats = NDArray[np.float64]
Register = Sequence[tuple[datetime, float]]
_APART_S = 1e-6


@dataclass(frozen=True, slots=True)
class MeteredStay:
    """A vehicle's stay as metered.

    Attributes:
        begins: plug-in.
        ends: plug-out, or the present where it is still there.
        charge_kw: full charging power of charger and vehicle [kW].
        taken: readings of the register of energy into the vehicle [kWh], in order of time; only differences count.
        given: likewise, out of the vehicle.
        wear_per_kwh: what wear of its battery costs [currency/kWh out of the vehicle]; ``None`` where nobody said.
    """

    begins: datetime
    ends: datetime
    charge_kw: float
    taken: Register = ()
    given: Register = ()
    wear_per_kwh: float | None = None

    def __post_init__(self) -> None:
        if not (self.ends >= self.begins and self.charge_kw > 0.0):
            msg = f"a stay ends after it begins and charges with some power, not {self}"
            raise DomainError(msg)

    @property
    def taken_kwh(self) -> float:
        """Energy into the vehicle [kWh]."""
        return _rise(self.taken)

    @property
    def given_kwh(self) -> float:
        """Energy out of the vehicle [kWh]."""
        return _rise(self.given)


def metered_kwh(stay: MeteredStay, grid: TimeGrid) -> tuple[Floats, Floats]:
    """Energy into and out of the vehicle per interval, evenly between two readings.

    Args:
        stay: the stay.
        grid: the intervals; what was metered outside of them is left out.

    Returns:
        ``(taken, given)``, each of shape ``(periods,)`` [kWh].
    """
    return _spread(stay.taken, grid), _spread(stay.given, grid)


def uncontrolled_kwh(stay: MeteredStay, grid: TimeGrid, eta_c: float, eta_d: float) -> Floats:
    """Energy that the same stay would have drawn without control, per interval.

    A stay that took more than full power allows is given the power that it showed.

    Args:
        stay: the stay.
        grid: the intervals.
        eta_c: charging efficiency.
        eta_d: discharging efficiency.

    Returns:
        Shape ``(periods,)`` [kWh].

    >>> from datetime import UTC, timedelta
    >>> start = datetime(2026, 6, 1, 18, tzinfo=UTC)
    >>> def at(h): return start + timedelta(hours=h)
    >>> stay = MeteredStay(at(0.5), at(12), 10.0, [(at(8), 0.0), (at(10), 15.0)])
    >>> uncontrolled_kwh(stay, TimeGrid(start, timedelta(hours=1), 4), 0.9, 0.9).tolist()
    [5.0, 10.0, 0.0, 0.0]
    """
    if not (0.0 < eta_c <= 1.0 and 0.0 < eta_d <= 1.0):
        msg = f"efficiencies lie in (0, 1], not {eta_c} and {eta_d}"
        raise DomainError(msg)
    energy = max(0.0, stay.taken_kwh - stay.given_kwh / (eta_c * eta_d))
    hours = (stay.ends - stay.begins).total_seconds() / 3600.0
    if energy <= 0.0 or hours <= 0.0:
        return np.zeros(grid.periods)
    power = max(stay.charge_kw, energy / hours)
    first = (stay.begins - grid.start).total_seconds() / 3600.0
    edges = np.arange(grid.periods + 1) * grid.step_h
    within = np.clip(edges, first, first + energy / power) - first
    return np.asarray(np.diff(within) * power, dtype=np.float64)


def energy_cost(net_kwh: Floats, import_price: Floats, export_price: Floats) -> float:
    """Import less export at prices per interval [currency].

    Args:
        net_kwh: at the site's meter, positive imports, shape ``(T,)`` [kWh].
        import_price: shape ``(T,)`` [currency/kWh].
        export_price: shape ``(T,)`` [currency/kWh].
    """
    bought, sold = np.maximum(net_kwh, 0.0), np.maximum(-net_kwh, 0.0)
    return float(bought @ import_price - sold @ export_price)


def _rise(register: Register) -> float:
    return max(0.0, register[-1][1] - register[0][1]) if len(register) > 1 else 0.0


def _spread(register: Register, grid: TimeGrid) -> Floats:
    if len(register) < 2:
        return np.zeros(grid.periods)
    at = np.array([(moment - grid.start).total_seconds() for moment, _ in register])
    at += _APART_S * np.arange(at.size)  # a register that rises within an instant rises in the interval it begins
    value = np.maximum.accumulate(np.array([reading for _, reading in register], dtype=np.float64))
    edges = np.arange(grid.periods + 1) * grid.step_h * 3600.0
    return np.asarray(np.diff(np.interp(edges, at, value)), dtype=np.float64)
