"""Remaining capacity and resistance of one battery or of a fleet, from state of charge and temperature over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bothways.battery import kernels
from bothways.battery.laws import DAY_HIGH, DAY_LOW, DAYS, FEC, KELVIN
from bothways.battery.models import AgeingModel
from bothways.domain.errors import DomainError, Problems

Floats = NDArray[np.float64]

HOURS_PER_YEAR = 8760.0
"""Hours of the year in which ``years`` are counted (365 days)."""

COLDEST_C, HOTTEST_C = -60.0, 100.0
"""Cell temperatures accepted [°C]."""

_KELVIN_C = (200.0, 380.0)
"""Numbers that no cell has in °C, and every cell in kelvin."""

_SLACK = 1e-6
_SHOWN = 20


@dataclass(frozen=True, eq=False)
class AgeingState:
    """Everything that ageing must remember between two pieces of a profile.

    Attributes:
        model_key: the cell it belongs to; a state of one cell means nothing to another.
        values: shape ``(N, STATE_SIZE)``, laid out as in :mod:`bothways.battery.laws`.
    """

    model_key: str
    values: Floats

    @classmethod
    def new(cls, model: AgeingModel, count: int = 1) -> AgeingState:
        """State of ``count`` new batteries."""
        values = np.zeros((count, kernels.STATE_SIZE))
        values[:, DAY_LOW], values[:, DAY_HIGH] = 2.0, -1.0
        return cls(model.key, values)

    @property
    def count(self) -> int:
        """Number of batteries N."""
        return int(self.values.shape[0])

    @property
    def years(self) -> Floats:
        """Age, shape ``(N,)`` [years of 365 days]."""
        return np.asarray(self.values[:, DAYS] / 365.0)

    @property
    def full_equivalent_cycles(self) -> Floats:
        """Throughput, shape ``(N,)`` [full equivalent cycles of the new battery]."""
        return self.values[:, FEC].copy()

    def battery(self, n: int) -> AgeingState:
        """State of battery ``n`` alone."""
        return AgeingState(self.model_key, self.values[n : n + 1].copy())


@dataclass(frozen=True, eq=False)
class AgeingResult:
    """What became of the batteries. Arrays have shape ``(K,)`` for one battery and ``(N, K)`` for a fleet.

    Attributes:
        model: the cell.
        state: where to continue.
        years: ages at which the rest is told, shape ``(K,)`` [years since the begin of this call]; the first is 0.
        capacity_fraction: remaining of new capacity.
        resistance_factor: resistance over that of the new battery; ``None`` where the source gives no law.
        calendar_loss: fraction of capacity lost with time.
        cycle_loss: fraction of capacity lost with use.
        full_equivalent_cycles: throughput so far.
        capacity_kwh: remaining capacity [kWh].
    """

    model: AgeingModel
    state: AgeingState
    years: Floats
    capacity_fraction: Floats
    resistance_factor: Floats | None
    calendar_loss: Floats
    cycle_loss: Floats
    full_equivalent_cycles: Floats
    capacity_kwh: Floats


def kelvin_hint(value: float) -> str:
    """What a number given in °C probably means if it can only be in kelvin; empty for every other number.

    >>> kelvin_hint(293.15), kelvin_hint(25.0)
    ('293.15 K is 20 °C', '')
    """
    low, high = _KELVIN_C
    return f"{value:g} K is {value - KELVIN:g} °C" if low <= value <= high else ""


def age(
    model: AgeingModel,
    soc: Floats,
    step_h: float,
    temperature_c: Floats | float,
    *,
    capacity_kwh: float,
    years: float | None = None,
    state: AgeingState | None = None,
    energy_conserved: bool = True,
    every_years: float = 1.0,
) -> AgeingResult:
    """Ages one battery through a profile of state of charge.

    Args:
        model: the cell, one of :data:`bothways.battery.models.MODELS`.
        soc: state of charge, shape ``(T,)``, fraction of the new battery's capacity; each value holds for a step.
        step_h: length of a step [h].
        temperature_c: temperature of the cells, shape ``(T,)`` or one number [°C].
        capacity_kwh: usable capacity of the new battery [kWh].
        years: the profile repeats until this age is reached [years of 365 days]; ``None`` runs it once.
        state: where an earlier call ended; ``None`` for a new battery.
        energy_conserved: the profile's energy stays while the battery shrinks, so that cycles grow deeper by
            1/capacity; ``False`` takes depths as they are.
        every_years: distance between the ages told [years].

    Returns:
        The ages, what is left at each, and the state to continue from. One long profile and its pieces in order give
        the same numbers, up to rounding.

    Raises:
        InputError: NaN, a state of charge outside 0…1 or a temperature outside −60…100 °C, with every such row.
        DomainError: a state of another cell or number of batteries, or a step, capacity or years not above 0.

    >>> from bothways.battery.models import MODELS
    >>> parked = age(MODELS["lfp-sony"], np.full(24, 0.5), 1.0, 25.0, capacity_kwh=60.0, years=1.0)
    >>> round(float(parked.calendar_loss[-1]), 4)  # 1.2571e-5 · 0.60225 · √(365 · 86 400)
    0.0425
    """
    soc = np.asarray(soc, dtype=np.float64)
    if soc.ndim != 1:
        msg = f"soc must have one dimension, not {soc.ndim}; age_fleet takes many batteries"
        raise DomainError(msg)
    celsius = np.asarray(temperature_c, dtype=np.float64)
    if celsius.ndim > 1:
        msg = "temperature_c must be one number or have one value per step"
        raise DomainError(msg)
    fleet = age_fleet(
        model,
        soc[None, :],
        step_h,
        temperature_c,
        capacity_kwh=capacity_kwh,
        years=years,
        state=state,
        energy_conserved=energy_conserved,
        every_years=every_years,
    )
    resistance = fleet.resistance_factor
    return AgeingResult(
        model=model,
        state=fleet.state,
        years=fleet.years,
        capacity_fraction=fleet.capacity_fraction[0],
        resistance_factor=None if resistance is None else resistance[0],
        calendar_loss=fleet.calendar_loss[0],
        cycle_loss=fleet.cycle_loss[0],
        full_equivalent_cycles=fleet.full_equivalent_cycles[0],
        capacity_kwh=fleet.capacity_kwh[0],
    )


def age_fleet(
    model: AgeingModel,
    soc: Floats,
    step_h: float,
    temperature_c: ArrayLike,
    *,
    capacity_kwh: ArrayLike,
    years: float | None = None,
    state: AgeingState | None = None,
    energy_conserved: bool = True,
    every_years: float = 1.0,
    parallel: bool = False,
) -> AgeingResult:
    """Ages many batteries of one kind, each with its own profile; see :func:`age`.

    Args:
        model: the cell.
        soc: shape ``(N, T)``.
        step_h: length of a step [h].
        temperature_c: one number, ``(T,)`` for all or ``(N, T)`` [°C].
        capacity_kwh: one number or ``(N,)`` [kWh].
        years: as in :func:`age`.
        state: of all N batteries, or ``None``.
        energy_conserved: as in :func:`age`.
        every_years: as in :func:`age`.
        parallel: spread the batteries over the processor's cores. The loop holds no lock either way, so callers may
            run several serial ones in threads of their own; the numbers are the same in every case.

    Returns:
        Arrays of shape ``(N, K)``.

    Raises:
        InputError: as :func:`age`, naming battery and row.
        DomainError: as :func:`age`, or shapes that do not fit.
    """
    soc = np.ascontiguousarray(soc, dtype=np.float64)
    celsius = _fit_temperature(soc, temperature_c)
    capacity = np.asarray(capacity_kwh, dtype=np.float64)
    _check(soc, celsius, step_h, capacity)
    start = AgeingState.new(model, soc.shape[0]) if state is None else state
    if start.model_key != model.key or start.count != soc.shape[0]:
        msg = f"the state is of {start.count} × {start.model_key}, the profile of {soc.shape[0]} × {model.key}"
        raise DomainError(msg)
    ends = _ends(soc.shape[1], step_h, years, every_years)
    values = start.values.copy()
    out = np.zeros((soc.shape[0], ends.shape[0], kernels.REPORT_SIZE))
    kernel = kernels.run_parallel if parallel else kernels.run_serial
    coefficients = model.coefficients(energy_conserved=energy_conserved)
    kernel(coefficients, model.tables, soc, celsius, float(step_h), ends, values, out)
    fraction = 1.0 - out[:, :, 0] - out[:, :, 1]
    return AgeingResult(
        model=model,
        state=AgeingState(model.key, values),
        years=np.asarray(ends * (step_h / HOURS_PER_YEAR), dtype=np.float64),
        capacity_fraction=fraction,
        resistance_factor=1.0 + out[:, :, 2] + out[:, :, 3] if model.has_resistance else None,
        calendar_loss=out[:, :, 0],
        cycle_loss=out[:, :, 1],
        full_equivalent_cycles=out[:, :, 5],
        capacity_kwh=fraction * capacity.reshape(-1, 1),
    )


def _fit_temperature(soc: Floats, temperature_c: ArrayLike) -> Floats:
    if soc.ndim != 2 or soc.shape[0] == 0 or soc.shape[1] == 0:
        msg = f"soc must have shape (batteries, steps) with at least one of each, not {soc.shape}"
        raise DomainError(msg)
    celsius = np.asarray(temperature_c, dtype=np.float64)
    if celsius.ndim == 0:
        celsius = np.full((1, soc.shape[1]), float(celsius))
    elif celsius.ndim == 1:
        celsius = celsius[None, :]
    if celsius.ndim != 2 or celsius.shape[1] != soc.shape[1] or celsius.shape[0] not in {1, soc.shape[0]}:
        msg = f"temperature_c must have one value per step of soc {soc.shape}, not shape {celsius.shape}"
        raise DomainError(msg)
    return np.ascontiguousarray(celsius)


def _check(soc: Floats, celsius: Floats, step_h: float, capacity_kwh: Floats) -> None:
    if not (np.isfinite(step_h) and step_h > 0.0):
        msg = f"step_h must be a number above 0, not {step_h}"
        raise DomainError(msg)
    if capacity_kwh.shape not in {(), (soc.shape[0],)} or not (np.isfinite(capacity_kwh) & (capacity_kwh > 0.0)).all():
        msg = f"capacity_kwh must be one number above 0, or one for each of {soc.shape[0]} batteries"
        raise DomainError(msg)
    problems = Problems()
    for name, values, low, high, slack, remedy in (
        ("soc", soc, 0.0, 1.0, _SLACK, "Give the fraction of usable capacity; fill gaps before ageing."),
        ("temperature_c", celsius, COLDEST_C, HOTTEST_C, 0.0, "Give the cells' temperature in °C."),
    ):
        bad = np.argwhere(~((values >= low - slack) & (values <= high + slack)))
        for n, t in bad[:_SHOWN].tolist():
            battery, found = f"battery {n}, " if values.shape[0] > 1 else "", float(values[n, t])
            hint = kelvin_hint(found) if name == "temperature_c" else ""
            said = f"{remedy} {hint}." if hint else remedy
            problems.add(f"{battery}row {t + 1}, {name}", found, f"a number {low:g}…{high:g}", said)
        if len(bad) > _SHOWN:
            problems.add(name, f"{len(bad) - _SHOWN} more such rows", f"{low:g}…{high:g}", remedy)
    problems.raise_if_any()


def _ends(periods: int, step_h: float, years: float | None, every_years: float) -> NDArray[np.int64]:
    """Numbers of steps after which a report is due, from 0 to the end."""
    if years is None:
        total = periods
    elif np.isfinite(years) and years > 0.0:
        total = max(1, round(years * HOURS_PER_YEAR / step_h))
    else:
        msg = f"years must be a number above 0, not {years}"
        raise DomainError(msg)
    if not (np.isfinite(every_years) and every_years > 0.0):
        msg = f"every_years must be a number above 0, not {every_years}"
        raise DomainError(msg)
    stride = max(1, round(every_years * HOURS_PER_YEAR / step_h))
    return np.unique(np.append(np.arange(0, total, stride, dtype=np.int64), np.int64(total)))
