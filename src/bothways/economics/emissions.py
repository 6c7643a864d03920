"""Emissions of a site's electricity in two ledgers that are never netted against each other.

* **average (inventory)**: what share of the grid's emissions belongs to the site. Import × average intensity. Export
  is reported beside it and takes nothing off: an inventory counts what was consumed, and the buyer of the export
  counts it too. After the location-based method of the GHG Protocol Scope 2 Guidance (2015), which counts electricity
  purchased and consumed; schemes that let export be deducted exist, and are not followed here.
* **marginal (impact)**: what changes because of a decision. (Import - export) × marginal intensity, so that export
  is credited with what it displaces. Only the difference between two strategies has a meaning; the level has not.

Tamayao, Michalek, Hendrickson and Azevedo (Environmental Science & Technology, 2015) find that the two differ by as
much as 50 % for vehicles charged in the US. A short-run marginal intensity knows nothing of plants built or closed
because of the vehicles; for large fleets over many years that is a known weakness.

Energy is counted at the meter, so losses in chargers, vehicles and batteries are inside both ledgers: the site
imports what is lost. Emissions of making batteries and chargers are lines of their own, see
:mod:`bothways.economics.life_cycle`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.economics.figures import Floats, above_zero, finite, series
from bothways.economics.life_cycle import INTENSITY_LIMIT_KG_PER_KWH, LifeCycleLine


@dataclass(frozen=True)
class SiteFlows:
    """What passed the site's meter and its chargers.

    Attributes:
        grid: the intervals.
        import_kw: mean import, shape ``(periods,)`` [kW], at least 0.
        export_kw: mean export, shape ``(periods,)`` [kW], at least 0.
        charging_kw: sum over the EVSEs, AC side, shape ``(periods,)`` [kW]; positive charges, negative discharges.
    """

    grid: TimeGrid
    import_kw: Floats
    export_kw: Floats
    charging_kw: Floats

    def __post_init__(self) -> None:
        periods = self.grid.periods
        for name in ("import_kw", "export_kw"):
            object.__setattr__(self, name, series(name, getattr(self, name), periods, non_negative=True))
        object.__setattr__(self, "charging_kw", series("charging_kw", self.charging_kw, periods))

    @property
    def import_without_vehicles_kw(self) -> Floats:
        """Import had the vehicles been away and nothing else changed, shape ``(periods,)`` [kW]."""
        return np.maximum(self.import_kw - self.export_kw - self.charging_kw, 0.0)


def _intensity(name: str, values: ArrayLike, grid: TimeGrid) -> Floats:
    array = series(name, values, grid.periods)
    if (np.abs(array) > INTENSITY_LIMIT_KG_PER_KWH).any():
        at = int(np.argmax(np.abs(array)))
        msg = (
            f"{name}[{at}] is {array[at]:g} kg/kWh, above any power plant: "
            "convert from g/kWh (divide by 1000) or lb/MWh (multiply by 0.000454)"
        )
        raise DomainError(msg)
    return array


@dataclass(frozen=True, slots=True)
class AverageLedger:
    """Inventory of one strategy over the period.

    Attributes:
        grid: the period.
        total_kg: import × average intensity [kg].
        building_kg: what the site would have caused with the vehicles away [kg].
        vehicles_kg: the rest, so that the two add up to the total; negative where discharging saved more import than
            charging took [kg].
        export_kwh: energy exported [kWh]; takes nothing off.
        export_at_average_kg: that energy at the average intensity, for information [kg]; never subtracted.
        import_kwh: energy imported [kWh].
    """

    grid: TimeGrid
    total_kg: float
    building_kg: float
    vehicles_kg: float
    export_kwh: float
    export_at_average_kg: float
    import_kwh: float

    @property
    def kind(self) -> Literal["average"]:
        """Which ledger this is."""
        return "average"


@dataclass(frozen=True, slots=True)
class MarginalLedger:
    """Marginal balance of one strategy over the period; means something only against another strategy.

    Attributes:
        grid: the period.
        total_kg: import less export credit [kg]; may be negative.
        import_kg: import × marginal intensity [kg].
        export_credit_kg: export × marginal intensity: what the export displaced [kg].
        import_kwh: energy imported [kWh].
        export_kwh: energy exported [kWh].
    """

    grid: TimeGrid
    total_kg: float
    import_kg: float
    export_credit_kg: float
    import_kwh: float
    export_kwh: float

    @property
    def kind(self) -> Literal["marginal"]:
        """Which ledger this is."""
        return "marginal"


def average_ledger(flows: SiteFlows, intensity_kg_per_kwh: ArrayLike) -> AverageLedger:
    """Inventory Σ_t Δ·import_t·a_t; export apart.

    Args:
        flows: the site's flows.
        intensity_kg_per_kwh: average intensity a, shape ``(periods,)`` [kg/kWh], at least 0.

    Raises:
        DomainError: NaN, a wrong shape, a negative average intensity, or one in another unit.

    >>> from datetime import UTC, datetime, timedelta
    >>> grid = TimeGrid(datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1), 2)
    >>> flows = SiteFlows(grid, np.array([10.0, 0.0]), np.array([0.0, 4.0]), np.array([7.0, -6.0]))
    >>> ledger = average_ledger(flows, [0.5, 0.25])
    >>> ledger.total_kg, ledger.building_kg, ledger.vehicles_kg, ledger.export_at_average_kg
    (5.0, 2.0, 3.0, 1.0)
    """
    intensity = _intensity("average intensity", intensity_kg_per_kwh, flows.grid)
    if (intensity < 0.0).any():
        msg = "an average intensity cannot be negative: it is emissions over production"
        raise DomainError(msg)
    step_h = flows.grid.step_h
    total = float(flows.import_kw @ intensity) * step_h
    building = float(flows.import_without_vehicles_kw @ intensity) * step_h
    return AverageLedger(
        grid=flows.grid,
        total_kg=total,
        building_kg=building,
        vehicles_kg=total - building,
        export_kwh=float(flows.export_kw.sum()) * step_h,
        export_at_average_kg=float(flows.export_kw @ intensity) * step_h,
        import_kwh=float(flows.import_kw.sum()) * step_h,
    )


def marginal_ledger(flows: SiteFlows, intensity_kg_per_kwh: ArrayLike) -> MarginalLedger:
    """Marginal balance Σ_t Δ·(import_t - export_t)·m_t.

    Args:
        flows: the site's flows.
        intensity_kg_per_kwh: marginal intensity m, shape ``(periods,)`` [kg/kWh]; may be zero or negative (surplus).

    Raises:
        DomainError: NaN, a wrong shape, or an intensity in another unit.

    >>> from datetime import UTC, datetime, timedelta
    >>> grid = TimeGrid(datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1), 2)
    >>> flows = SiteFlows(grid, np.array([10.0, 0.0]), np.array([0.0, 4.0]), np.array([7.0, -6.0]))
    >>> marginal_ledger(flows, [0.5, 0.75]).total_kg
    2.0
    """
    intensity = _intensity("marginal intensity", intensity_kg_per_kwh, flows.grid)
    step_h = flows.grid.step_h
    bought = float(flows.import_kw @ intensity) * step_h
    credit = float(flows.export_kw @ intensity) * step_h
    return MarginalLedger(
        grid=flows.grid,
        total_kg=bought - credit,
        import_kg=bought,
        export_credit_kg=credit,
        import_kwh=float(flows.import_kw.sum()) * step_h,
        export_kwh=float(flows.export_kw.sum()) * step_h,
    )


def conversion_loss_kwh(
    charging_kw: ArrayLike, step_h: float, charge_efficiency: float, discharge_efficiency: float
) -> float:
    """Energy lost between meter and battery, both ways [kWh]; its emissions are already inside the ledgers.

    Σ_t Δ[charge_t(1 - η_c) + discharge_t(1/η_d - 1)].

    Args:
        charging_kw: one vehicle or vehicles of equal efficiency, AC side, shape ``(periods,)`` [kW], positive charges.
        step_h: length of a step Δ [h].
        charge_efficiency: stored per AC energy η_c, in (0, 1].
        discharge_efficiency: AC per stored energy η_d, in (0, 1].

    Raises:
        DomainError: NaN, an efficiency outside (0, 1], or a step that is not above 0.

    >>> round(conversion_loss_kwh([10.0, -9.0], 1.0, 0.9, 0.9), 3)
    2.0
    """
    power = np.asarray(charging_kw, dtype=np.float64)
    power = series("charging_kw", power.ravel(), power.size)
    for name, value in (("charge_efficiency", charge_efficiency), ("discharge_efficiency", discharge_efficiency)):
        above_zero(name, value)
        finite(name, value, high=1.0)
    charged = float(np.maximum(power, 0.0).sum()) * above_zero("step_h", step_h)
    discharged = float(np.maximum(-power, 0.0).sum()) * step_h
    return charged * (1.0 - charge_efficiency) + discharged * (1.0 / discharge_efficiency - 1.0)


Ledger = TypeVar("Ledger", AverageLedger, MarginalLedger)


@dataclass(frozen=True, slots=True)
class Avoided:
    """What a strategy avoids against a reference, in one ledger.

    Attributes:
        kind: which ledger.
        operation_kg: reference less strategy, electricity only [kg]; negative is more emissions.
        life_cycle: lines outside the site's electricity.
        net_kg: ``operation_kg`` less those lines [kg]; negative is worse than the reference, and is shown.
    """

    kind: Literal["average", "marginal"]
    operation_kg: float
    life_cycle: tuple[LifeCycleLine, ...]
    net_kg: float

    @property
    def verdict(self) -> str:
        """One sentence for the report."""
        if self.net_kg == 0.0:
            return f"no difference in the {self.kind} ledger"
        word = "less" if self.net_kg > 0.0 else "more"
        return f"{abs(self.net_kg):.1f} kg {word} than the reference in the {self.kind} ledger"


def avoided(strategy: Ledger, reference: Ledger, life_cycle: Sequence[LifeCycleLine] = ()) -> Avoided:
    """Emissions avoided against a reference (usually uncontrolled), within one ledger.

    Args:
        strategy: ledger of the strategy.
        reference: ledger of the reference, of the same kind and intervals.
        life_cycle: lines outside the site's electricity, each against the same reference.

    Raises:
        DomainError: ledgers of different kinds, which must not be mixed, or of different periods.

    >>> from datetime import UTC, datetime, timedelta
    >>> from bothways.economics.life_cycle import ageing_line
    >>> day = TimeGrid(datetime(2024, 1, 1, tzinfo=UTC), timedelta(hours=1), 24)
    >>> smart = MarginalLedger(day, 90.0, 90.0, 0.0, 300.0, 0.0)
    >>> both = MarginalLedger(day, 80.0, 95.0, 15.0, 310.0, 40.0)
    >>> result = avoided(both, smart, [ageing_line(0.001, 60.0, 85.0, "IVL C 444")])
    >>> result.operation_kg, round(result.net_kg, 2), result.verdict
    (10.0, -15.5, '15.5 kg more than the reference in the marginal ledger')
    """
    if strategy.kind != reference.kind:
        msg = f"the {strategy.kind} and the {reference.kind} ledger answer different questions and are never netted"
        raise DomainError(msg)
    if strategy.grid != reference.grid:
        msg = "the two ledgers cover different intervals and cannot be compared"
        raise DomainError(msg)
    operation = reference.total_kg - strategy.total_kg
    lines = tuple(life_cycle)
    return Avoided(strategy.kind, operation, lines, operation - sum(line.kg for line in lines))
