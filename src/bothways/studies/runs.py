"""What a strategy did, physically: the record that bills, emissions and reports are made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bothways.simulation.rule_based import Trace

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SiteFlows:
    """Power at the site, arrays of shape ``(T,)`` [kW].

    Attributes:
        load: the building.
        pv: production, positive.
        vehicles: sum over EVSEs, positive charges.
        battery: stationary battery, positive charges.
        battery_energy: its stored energy at the end of each step [kWh].
        curtailed: production thrown away because of the export limit.
        net: at the meter, positive import.
    """

    load: Floats
    pv: Floats
    vehicles: Floats
    battery: Floats
    battery_energy: Floats
    curtailed: Floats
    net: Floats


def site_flows(
    load: Floats, pv: Floats, vehicles: Floats, battery: Floats, battery_energy: Floats, export_limit_kw: float
) -> SiteFlows:
    """Balances the site; production that would be exported above the limit is curtailed, and no more than there is.

    net = load − (pv − curtailed) + vehicles + battery, all [kW].
    """
    raw = load - pv + vehicles + battery
    curtailed = np.minimum(np.maximum(0.0, -raw - export_limit_kw), pv)
    return SiteFlows(load, pv, vehicles, battery, battery_energy, curtailed, raw + curtailed)


@dataclass(frozen=True)
class Planning:
    """How the plans came about.

    Attributes:
        plans: number of plans made.
        worst_gap: largest certified gap among them.
        not_optimal: plans whose gap was above the one asked for.
        failed: plans that no solver could make; dispatch met needs without one.
        lower_bound: for a perfect-foresight run, the certified bound of its cost [currency].
        messages: remarks for a person.
    """

    plans: int = 0
    worst_gap: float = 0.0
    not_optimal: int = 0
    failed: int = 0
    lower_bound: float | None = None
    messages: tuple[str, ...] = ()


@dataclass(frozen=True)
class StrategyRun:
    """One strategy played over the study's period.

    Attributes:
        strategy: ``uncontrolled``, ``smart`` or ``bidirectional``.
        foresight: True for the bound that knows the future.
        trace: per EVSE and stay.
        flows: at the site.
        planning: how the plans came about.
    """

    strategy: str
    foresight: bool
    trace: Trace
    flows: SiteFlows
    planning: Planning

    @property
    def key(self) -> str:
        """Name of the strategy with its kind of knowledge, as used in files."""
        return f"{self.strategy}_foresight" if self.foresight else self.strategy
