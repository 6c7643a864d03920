"""What AC power stores, vehicle by vehicle: one efficiency per direction, or the losses of its charger at part load.

A converter that is on loses a part that is always there, so a little power stores next to nothing: per vehicle

    stored(p) = max(0, min_k(slope_k·p + intercept_k))        charging, p > 0
    stored(0) = 0
    stored(p) = −max_k((−p − intercept_k)/slope_k)            discharging, p < 0

with intercepts at or below 0 (:class:`bothways.battery.losses.EfficiencyCurve`). An efficiency is the case of one slope
and the intercept 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bothways.battery.losses import ChargerLosses, EfficiencyCurve
from bothways.domain.errors import DomainError

if TYPE_CHECKING:
    from bothways.planning.problem import Fleet, PlanProblem

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REST_KW = 1e-9
"""Power up to which a converter is off: rounding of a plan is no power [kW]."""

LEAST_OUT_KW = 0.01
"""Least power of a converter that discharges [kW]: with none at all it could not be told from one that is off."""

NONE = -1
"""In ``PartLoad.curve``: the vehicle's efficiencies hold at every power."""


@dataclass(frozen=True, eq=False)
class Segments:
    """One direction of all vehicles: out = min_k(slope_k·in + intercept_k) while on, 0 where that is below 0.

    Attributes:
        slope: shape ``(N, K)``, above 0; short curves repeat their last segment.
        intercept: shape ``(N, K)``, at or below 0 where it matters [kW].
    """

    slope: Floats
    intercept: Floats

    def out_kw(self, in_kw: Floats, vehicles: Ints) -> Floats:
        """Power that comes out [kW]; ``vehicles`` broadcasts against ``in_kw``, which is at least 0."""
        slope, intercept = self.slope[vehicles], self.intercept[vehicles]
        out = np.min(slope * in_kw[..., None] + intercept, axis=-1)
        return np.asarray(np.where(in_kw > REST_KW, np.maximum(out, 0.0), 0.0))

    def in_kw(self, out_kw: Floats, vehicles: Ints) -> Floats:
        """Power that must go in for an output above 0 [kW]; 0 for 0."""
        slope, intercept = self.slope[vehicles], self.intercept[vehicles]
        needed = np.max((out_kw[..., None] - intercept) / slope, axis=-1)
        return np.asarray(np.where(out_kw > REST_KW, needed, 0.0))

    def least_in_kw(self, out_kw: float = 0.0) -> Floats:
        """Power that must go in before that much comes out, ``(N,)`` [kW]."""
        return np.asarray(np.maximum(np.max((out_kw - self.intercept) / self.slope, axis=1), 0.0))


@dataclass(frozen=True, eq=False)
class PartLoad:
    """Losses at part load of some vehicles.

    Attributes:
        curves: losses of kinds of chargers with their vehicles; stand-by is not part of a plan.
        curve: which of them each vehicle has, ``(N,)``; −1 where its efficiencies hold at every power.
    """

    curves: tuple[ChargerLosses, ...]
    curve: Ints

    def __post_init__(self) -> None:
        curve = np.asarray(self.curve)
        if curve.ndim != 1 or np.any(curve < NONE) or np.any(curve >= len(self.curves)):
            msg = f"part load: curve must hold one number per vehicle, −1…{len(self.curves) - 1}"
            raise DomainError(msg)

    def __eq__(self, other: object) -> bool:
        """Equal kinds of chargers at equal vehicles."""
        if not isinstance(other, PartLoad) or len(self.curves) != len(other.curves):
            return False
        same = all(_same(one, two) for one, two in zip(self.curves, other.curves, strict=True))
        return same and np.array_equal(self.curve, other.curve)

    __hash__ = None  # type: ignore[assignment]

    @property
    def has(self) -> NDArray[np.bool_]:
        """Which vehicles have losses at part load, ``(N,)``."""
        return np.asarray(self.curve != NONE)

    def of(self, vehicles: Ints) -> PartLoad:
        """The same for some of the vehicles."""
        return replace(self, curve=self.curve[vehicles])

    @property
    def standby_kw(self) -> Floats:
        """What each vehicle and its charger draw while they are ready to feed back and idle, ``(N,)`` [kW]."""
        each = np.array([0.0, *(item.standby_kw for item in self.curves)])
        return np.asarray(each[self.curve + 1])

    @cached_property
    def _tables(self) -> tuple[Segments, Segments]:
        return _stacked([c.charge for c in self.curves]), _stacked([c.discharge for c in self.curves])

    def at_full_power(self, fleet: Fleet) -> Fleet:
        """The fleet with the efficiencies that its losses leave at full power; who stores nothing then cannot charge.

        With them, what a step moves at most, and so what is in reach, is exact.
        """
        charge, discharge, into, out = self.limits_at_full_power(
            fleet.charge_kw, fleet.discharge_kw, fleet.charge_efficiency, fleet.discharge_efficiency
        )
        return replace(
            fleet, charge_kw=charge, discharge_kw=discharge, charge_efficiency=into, discharge_efficiency=out,
            min_charge_kw=np.minimum(fleet.min_charge_kw, charge),
        )  # fmt: skip

    def limits_at_full_power(
        self, charge_kw: Floats, discharge_kw: Floats, charge_efficiency: Floats, discharge_efficiency: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """The same for columns: greatest powers [kW] and efficiencies at them, ``(N,)`` each."""
        has = self.has
        if not has.any():
            return charge_kw, discharge_kw, charge_efficiency, discharge_efficiency
        number = np.maximum(self.curve, 0)
        charge, discharge = self._tables
        stored = charge.out_kw(charge_kw, number)
        able = has & (stored > REST_KW)
        taken = discharge.in_kw(discharge_kw, number)
        gives = has & (discharge_kw > LEAST_OUT_KW)
        return (
            np.where(has & ~able, 0.0, charge_kw),
            np.where(has & ~gives, 0.0, discharge_kw),
            np.where(able, stored / np.where(able, charge_kw, 1.0), charge_efficiency),
            np.where(gives, discharge_kw / np.where(gives, taken, 1.0), discharge_efficiency),
        )

    def segments(self, charge_efficiency: Floats, discharge_efficiency: Floats) -> tuple[Segments, Segments]:
        """Both directions of every vehicle, those without losses with their efficiencies, ``(N,)`` each."""
        if not self.curves:
            return _line(charge_efficiency), _line(discharge_efficiency)
        has, number = self.has, np.maximum(self.curve, 0)
        found = []
        for table, efficiency in zip(self._tables, (charge_efficiency, discharge_efficiency), strict=True):
            slope = np.where(has[:, None], table.slope[number], efficiency[:, None])
            found.append(Segments(slope, np.where(has[:, None], table.intercept[number], 0.0)))
        return found[0], found[1]


def _same(one: ChargerLosses, two: ChargerLosses) -> bool:
    sides = ((one.charge, two.charge), (one.discharge, two.discharge))
    return one.standby_kw == two.standby_kw and all(
        np.array_equal(a.input_kw, b.input_kw) and np.array_equal(a.loss_kw, b.loss_kw) for a, b in sides
    )


def _line(efficiency: Floats) -> Segments:
    return Segments(efficiency[:, None], np.zeros((efficiency.shape[0], 1)))


def _stacked(curves: list[EfficiencyCurve]) -> Segments:
    """Segments of several curves in one table, as wide as the longest."""
    parts = [curve.segments() for curve in curves]
    most = max((slopes.size for slopes, _ in parts), default=1)
    padded = [[np.pad(part, (0, most - part.size), mode="edge") for part in pair] for pair in parts]
    if not padded:
        return Segments(np.ones((0, most)), np.zeros((0, most)))
    return Segments(np.stack([pair[0] for pair in padded]), np.stack([pair[1] for pair in padded]))


def stored_change_kwh(
    power_kw: Floats, charge_efficiency: Floats, discharge_efficiency: Floats, step_h: float
) -> Floats:
    """Change of stored energy in a step [kWh] for AC power [kW]: Δ·ηc·p for p > 0, Δ·p/ηd below.

    The efficiencies must broadcast against ``power_kw``.
    """
    return np.asarray(step_h * np.where(power_kw > 0.0, power_kw * charge_efficiency, power_kw / discharge_efficiency))


def ac_power_kw(change_kwh: Floats, charge_efficiency: Floats, discharge_efficiency: Floats, step_h: float) -> Floats:
    """AC power [kW] that changes the stored energy by ``change_kwh`` in one step; inverse of ``stored_change_kwh``."""
    rate = np.asarray(change_kwh) / step_h
    return np.asarray(np.where(rate > 0.0, rate / charge_efficiency, rate * discharge_efficiency))


def stored_by(problem: PlanProblem, power_kw: Floats, vehicles: Ints) -> Floats:
    """Change of stored energy in a step [kWh] that AC power makes, losses at part load included.

    Args:
        problem: what is asked.
        power_kw: AC power, positive charges [kW].
        vehicles: whose; broadcasts against ``power_kw``.
    """
    fleet = problem.fleet
    if problem.part_load is None:
        into, out = fleet.charge_efficiency[vehicles], fleet.discharge_efficiency[vehicles]
        return stored_change_kwh(power_kw, into, out, problem.step_h)
    charge, discharge = problem.segments
    stored = charge.out_kw(np.maximum(power_kw, 0.0), vehicles)
    return np.asarray(problem.step_h * (stored - discharge.in_kw(np.maximum(-power_kw, 0.0), vehicles)))


def power_for(problem: PlanProblem, change_kwh: Floats, vehicles: Ints) -> Floats:
    """AC power [kW] that changes stored energy by ``change_kwh`` in one step; inverse of :func:`stored_by`.

    Less taken out than the converter itself needs gives no power.
    """
    fleet = problem.fleet
    if problem.part_load is None:
        into, out = fleet.charge_efficiency[vehicles], fleet.discharge_efficiency[vehicles]
        return ac_power_kw(change_kwh, into, out, problem.step_h)
    rate = np.asarray(change_kwh) / problem.step_h
    charge, discharge = problem.segments
    taken = charge.in_kw(np.maximum(rate, 0.0), vehicles)
    return np.asarray(taken - discharge.out_kw(np.maximum(-rate, 0.0), vehicles))


def least_charge_kwh(problem: PlanProblem) -> Floats:
    """What a step at the smallest charging power stores, ``(N,)`` [kWh]; 0 where any power will do."""
    fleet = problem.fleet
    if problem.part_load is None:
        return fleet.least_charge_kw * fleet.charge_efficiency * problem.step_h
    return stored_by(problem, fleet.least_charge_kw, np.arange(fleet.size))
