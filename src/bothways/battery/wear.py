"""What wear costs: a price per kWh of throughput for the optimiser, and what an hour at a state of charge costs.

A battery is worth its replacement when new and its residual at the end of first life; in between its value falls with
capacity. One fraction of capacity lost therefore costs (replacement − residual) / (1 − end of life), and

    wear [currency/kWh] = that × ∂loss/∂throughput at the battery's present state,
    resting [currency/h] = that × ∂loss/∂time at a state of charge and a temperature.

Most laws slow down with age (L ∝ √throughput), so a new battery wears dearest and the price must follow the state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bothways.battery import kernels
from bothways.battery.ageing import COLDEST_C, HOTTEST_C, AgeingState, age
from bothways.battery.laws import DAY_HOURS, KELVIN, LAST_SOC, STACK
from bothways.battery.models import AgeingModel
from bothways.domain.errors import DomainError

Floats = NDArray[np.float64]


DRIVING_DAY = np.repeat([0.8, 0.7, 0.6, 0.8], [8, 9, 3, 4])
"""State of charge by hour of a day of driving: 20 % of charge, charged to 80 % in the evening."""


@dataclass(frozen=True, slots=True)
class BatteryValue:
    """What a battery is worth, for turning lost capacity into money.

    Attributes:
        replacement_per_kwh: price of a new battery, built in [currency per kWh of capacity].
        residual_per_kwh: what it brings at the end of first life [currency per kWh of new capacity].
        end_of_life: fraction of new capacity at which first life ends.
    """

    replacement_per_kwh: float
    residual_per_kwh: float = 0.0
    end_of_life: float = 0.8

    def __post_init__(self) -> None:
        if not 0.0 <= self.residual_per_kwh <= self.replacement_per_kwh < np.inf:
            msg = (
                "a battery's value needs 0 ≤ residual_per_kwh ≤ replacement_per_kwh, "
                f"not {self.residual_per_kwh} and {self.replacement_per_kwh}"
            )
            raise DomainError(msg)
        if not 0.0 < self.end_of_life < 1.0:
            msg = f"end_of_life must lie between 0 and 1, not {self.end_of_life}"
            raise DomainError(msg)

    def of_loss(self, capacity_kwh: ArrayLike) -> Floats:
        """Money lost per fraction of capacity lost [currency], for new capacities of any shape [kWh]."""
        span = (self.replacement_per_kwh - self.residual_per_kwh) / (1.0 - self.end_of_life)
        return np.asarray(span * np.asarray(capacity_kwh, dtype=np.float64))

    def lost(self, capacity_kwh: ArrayLike, capacity_fraction: ArrayLike) -> Floats:
        """Value lost by batteries of which so much is left, shapes broadcast [currency].

        A battery at the end of its first life is worth its residual; below that no more is lost.

        >>> BatteryValue(120.0, 40.0).lost(60.0, [1.0, 0.9, 0.8, 0.7]).round(6).tolist()
        [0.0, 2400.0, 4800.0, 4800.0]
        """
        gone = np.clip(1.0 - np.asarray(capacity_fraction, dtype=np.float64), 0.0, 1.0 - self.end_of_life)
        return np.asarray(self.of_loss(capacity_kwh) * gone)


@dataclass(frozen=True, slots=True)
class Use:
    """The kind of cycle whose wear is priced.

    Attributes:
        depth: depth of the cycle, 0…1.
        mean_soc: middle of the cycle.
        rate: power over capacity [1/h].
        temperature_c: temperature of the cells [°C].
    """

    depth: float = 0.3
    mean_soc: float = 0.6
    rate: float = 0.12
    temperature_c: float = 20.0

    def __post_init__(self) -> None:
        low, high = self.mean_soc - self.depth / 2, self.mean_soc + self.depth / 2
        if not (self.depth > 0.0 and low >= -1e-9 and high <= 1.0 + 1e-9):
            msg = f"a cycle of depth {self.depth} around {self.mean_soc} does not lie within 0…1"
            raise DomainError(msg)
        if not (self.rate > 0.0 and np.isfinite(self.rate) and COLDEST_C <= self.temperature_c <= HOTTEST_C):
            msg = f"a cycle needs a rate above 0 and a temperature of {COLDEST_C:g}…{HOTTEST_C:g} °C"
            raise DomainError(msg)


def marginal_wear_per_kwh(
    model: AgeingModel,
    state: AgeingState,
    value: BatteryValue,
    *,
    use: Use | None = None,
    discharge_efficiency: ArrayLike = 1.0,
    ahead_cycles: float = 100.0,
) -> Floats:
    """Price of wear per kWh discharged on the AC side: what the optimiser's ``wear_per_kwh`` wants.

    ∂loss/∂throughput is the mean over the next ``ahead_cycles`` full equivalent cycles from the present state, because
    the derivative of a root law at a new battery is infinite and says nothing about the next months. One full
    equivalent cycle discharges the new capacity once, so capacity drops out of the price.

    Args:
        model: the cell.
        state: of N batteries.
        value: what the battery is worth.
        use: the kind of cycle; :class:`Use` by default, a night's V2G.
        discharge_efficiency: AC energy per stored energy, one number or ``(N,)``, in (0, 1].
        ahead_cycles: how far ahead the marginal loss is taken [full equivalent cycles].

    Returns:
        Shape ``(N,)`` [currency/kWh], at least 0.

    Raises:
        DomainError: a state of another cell, or values out of range.

    >>> from bothways.battery.models import MODELS
    >>> model = MODELS["lfp-250ah"]
    >>> marginal_wear_per_kwh(model, AgeingState.new(model), BatteryValue(120.0, 40.0)).round(3).tolist()
    [0.022]
    """
    chosen = use or Use()
    efficiency = np.asarray(discharge_efficiency, dtype=np.float64)
    if not ((efficiency > 0.0) & (efficiency <= 1.0)).all():
        msg = "discharge_efficiency must lie in (0, 1]"
        raise DomainError(msg)
    if not (np.isfinite(ahead_cycles) and ahead_cycles > 0.0):
        msg = f"ahead_cycles must be above 0, not {ahead_cycles}"
        raise DomainError(msg)
    _check_state(model, state)
    coefficients = model.coefficients(energy_conserved=True)
    low, high = max(0.0, chosen.mean_soc - chosen.depth / 2), min(1.0, chosen.mean_soc + chosen.depth / 2)
    cycle = (chosen.depth, low, high, chosen.rate, chosen.temperature_c + KELVIN)
    rises = np.empty(state.count)
    out = np.zeros(kernels.REPORT_SIZE)
    for n in range(state.count):
        ahead = state.values[n].copy()
        kernels.report(coefficients, model.tables, ahead, out)
        before = out[0] + out[1]
        kernels.add_cycle(coefficients, model.tables, ahead, ahead_cycles / chosen.depth, *cycle)
        kernels.report(coefficients, model.tables, ahead, out)
        rises[n] = (out[0] + out[1] - before) / ahead_cycles
    return np.asarray(value.of_loss(1.0) * np.maximum(0.0, rises) / efficiency)


def aged_wear_per_kwh(
    model: AgeingModel,
    value: BatteryValue,
    *,
    temperature_c: float = 20.0,
    discharge_efficiency: float = 1.0,
    age_years: float = 2.0,
) -> float:
    """The price of :func:`marginal_wear_per_kwh` for a battery in its prime instead of a new one.

    The battery has been driven for ``age_years``: 20 % of charge a day, charged to 80 %.

    Args:
        model: the cell.
        value: what the battery is worth.
        temperature_c: temperature of the cells [°C].
        discharge_efficiency: AC energy per stored energy.
        age_years: age of the battery [years], above 0.

    Returns:
        Price [currency/kWh discharged, AC side].

    >>> from bothways.battery.models import MODELS
    >>> model, worth = MODELS["lfp-sony"], BatteryValue(120.0, 40.0)
    >>> 0.0 < aged_wear_per_kwh(model, worth) < float(marginal_wear_per_kwh(model, AgeingState.new(model), worth)[0])
    True
    """
    driven = age(model, DRIVING_DAY, 1.0, temperature_c, capacity_kwh=1.0, years=age_years, every_years=age_years)
    use = Use(temperature_c=temperature_c)
    return float(
        marginal_wear_per_kwh(model, driven.state, value, use=use, discharge_efficiency=discharge_efficiency)[0]
    )


def resting_cost_per_h(
    model: AgeingModel,
    state: AgeingState,
    value: BatteryValue,
    *,
    capacity_kwh: ArrayLike,
    soc: ArrayLike,
    temperature_c: float = 20.0,
    ahead_days: float = 30.0,
) -> Floats:
    """What an hour of rest costs at a state of charge: calendar ageing as money.

    Args:
        model: the cell.
        state: of N batteries.
        value: what the battery is worth.
        capacity_kwh: capacity of the new batteries, one number or ``(N,)`` [kWh].
        soc: states of charge to price, shape ``(S,)``.
        temperature_c: temperature of the cells [°C].
        ahead_days: the loss is the mean over so many days ahead [days].

    Returns:
        Shape ``(N, S)`` [currency/h]. The difference between two columns is the credit for parking at the lower one.

    Raises:
        DomainError: a state of another cell, or values out of range.

    >>> from bothways.battery.models import MODELS
    >>> model = MODELS["lfp-250ah"]
    >>> full, half = resting_cost_per_h(
    ...     model, AgeingState.new(model), BatteryValue(120.0, 40.0), capacity_kwh=60.0, soc=[1.0, 0.5]
    ... )[0]
    >>> bool(full > half > 0.0)
    True
    """
    _check_state(model, state)
    levels = np.atleast_1d(np.asarray(soc, dtype=np.float64))
    if not ((levels >= 0.0) & (levels <= 1.0)).all():
        msg = "soc must lie in 0…1"
        raise DomainError(msg)
    if not (COLDEST_C <= temperature_c <= HOTTEST_C and np.isfinite(ahead_days) and ahead_days > 0.0):
        msg = "temperature_c must lie in −60…100 °C and ahead_days above 0"
        raise DomainError(msg)
    coefficients = model.coefficients(energy_conserved=True)
    steps = np.array([0, max(1, round(ahead_days))], dtype=np.int64)
    celsius = np.full(1, temperature_c)
    loss = np.empty((state.count, levels.shape[0]))
    out = np.zeros((2, kernels.REPORT_SIZE))
    for n in range(state.count):
        for j, level in enumerate(levels):
            ahead = _parked(state.values[n])
            kernels.run_one(coefficients, model.tables, np.array([level]), celsius, 24.0, steps, ahead, out)
            loss[n, j] = (out[1, 0] + out[1, 1] - out[0, 0] - out[0, 1]) / (24.0 * steps[1])
    money = value.of_loss(np.broadcast_to(np.asarray(capacity_kwh, dtype=np.float64), (state.count,)))
    return np.asarray(np.maximum(0.0, loss) * money[:, None])


def resting_price_per_kwh_h(
    model: AgeingModel,
    value: BatteryValue,
    *,
    soc: tuple[float, float] = (0.5, 0.9),
    temperature_c: float = 20.0,
    age_years: float = 2.0,
) -> float:
    """What a kWh more in store costs per hour of rest: the credit for parking lower, per kWh and hour.

    The chord of :func:`resting_cost_per_h` between two states of charge, for a battery that has waited ``age_years``
    midway between them. Capacity drops out.

    Args:
        model: the cell.
        value: what the battery is worth.
        soc: the two states of charge, the lower one first.
        temperature_c: temperature of the cells [°C].
        age_years: age of the battery [years], above 0.

    Returns:
        Price [currency/kWh/h]; 0 where the law ages no faster when fuller.

    >>> from bothways.battery.models import MODELS
    >>> 0.0002 < resting_price_per_kwh_h(MODELS["nca-panasonic"], BatteryValue(120.0, 40.0)) < 0.002
    True
    """
    low, high = soc
    if not 0.0 <= low < high <= 1.0:
        msg = f"soc must be two numbers in 0…1, the lower one first, not {soc}"
        raise DomainError(msg)
    middle = np.full(1, 0.5 * (low + high))
    old = age(model, middle, 24.0, temperature_c, capacity_kwh=1.0, years=age_years, every_years=age_years).state
    dear, cheap = resting_cost_per_h(
        model, old, value, capacity_kwh=1.0, soc=[high, low], temperature_c=temperature_c
    )[0]  # fmt: skip
    return max(0.0, float(dear - cheap)) / (high - low)


def _parked(values: Floats) -> Floats:
    """The state without its open turning points, so that only time passes from here on."""
    fresh = values.copy()
    fresh[LAST_SOC:DAY_HOURS] = 0.0
    fresh[STACK:] = 0.0
    return fresh


def _check_state(model: AgeingModel, state: AgeingState) -> None:
    if state.model_key != model.key:
        msg = f"the state is of {state.model_key}, not of {model.key}"
        raise DomainError(msg)
