"""Every kWh in exactly one line: who fed whom, and which service a battery's energy was sold to.

One battery can serve many purposes, but never sells the same kWh (or kW) twice in an interval (R20).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bothways.domain.errors import DomainError
from bothways.economics.figures import Floats, above_zero, series

BALANCE_TOLERANCE_KW = 1e-6
"""Largest gap between sources and sinks that counts as rounding: 1 mW, far below any meter."""

SOURCES = ("production", "vehicles", "grid")
SINKS = ("building", "vehicles", "grid", "curtailed")


@dataclass(frozen=True)
class EnergyLedger:
    """Energy per line and interval; the lines are complete and do not overlap.

    Attributes:
        lines: energy by (source, sink), each of shape ``(periods,)`` [kWh].
    """

    lines: Mapping[tuple[str, str], Floats]

    def totals(self) -> dict[tuple[str, str], float]:
        """Sum of every line over the period [kWh]."""
        return {key: float(values.sum()) for key, values in self.lines.items()}

    def from_source(self, source: str) -> Floats:
        """All that ``source`` gave, shape ``(periods,)`` [kWh]."""
        return np.asarray(sum(values for (giver, _), values in self.lines.items() if giver == source))

    def to_sink(self, sink: str) -> Floats:
        """All that ``sink`` took, shape ``(periods,)`` [kWh]."""
        return np.asarray(sum(values for (_, taker), values in self.lines.items() if taker == sink))


def energy_ledger(
    step_h: float,
    *,
    load_kw: ArrayLike,
    production_kw: ArrayLike,
    charge_kw: ArrayLike,
    discharge_kw: ArrayLike,
    import_kw: ArrayLike,
    export_kw: ArrayLike,
    curtailed_kw: ArrayLike | None = None,
) -> EnergyLedger:
    """Divides a site's energy into lines from a source to a sink.

    Electrons carry no labels, so a rule is needed, and it is this one: curtailed energy is production; what is left
    serves the building, then the vehicles, then the grid, in the order production, vehicles, grid. The lines of one
    source add up to what it gave, those of one sink to what it took, in every interval.

    Args:
        step_h: length of an interval [h].
        load_kw: the building's consumption, shape ``(periods,)`` [kW].
        production_kw: PV and generators, before curtailment, shape ``(periods,)`` [kW].
        charge_kw: charging of vehicles (and batteries), AC side, shape ``(periods,)`` [kW].
        discharge_kw: discharging of vehicles (and batteries), AC side, shape ``(periods,)`` [kW].
        import_kw: shape ``(periods,)`` [kW].
        export_kw: shape ``(periods,)`` [kW].
        curtailed_kw: production not used, shape ``(periods,)`` [kW]; none where ``None``.

    Raises:
        DomainError: negative or NaN values, sources and sinks that do not balance, or import and export at once
            at one meter (energy that only passes through has no line).

    >>> ledger = energy_ledger(
    ...     1.0, load_kw=[5, 5], production_kw=[8, 0], charge_kw=[4, 0], discharge_kw=[0, 7],
    ...     import_kw=[1, 0], export_kw=[0, 2],
    ... )
    >>> {key: kwh for key, kwh in ledger.totals().items() if kwh > 0}  # doctest: +NORMALIZE_WHITESPACE
    {('production', 'building'): 5.0, ('production', 'vehicles'): 3.0, ('vehicles', 'building'): 5.0,
     ('vehicles', 'grid'): 2.0, ('grid', 'vehicles'): 1.0}
    """
    above_zero("step_h", step_h)
    periods = np.asarray(load_kw).shape[0] if np.asarray(load_kw).ndim == 1 else 0

    def kw(name: str, values: ArrayLike) -> Floats:
        return series(name, values, periods, non_negative=True)

    give = {
        "production": kw("production_kw", production_kw).copy(),
        "vehicles": kw("discharge_kw", discharge_kw).copy(),
        "grid": kw("import_kw", import_kw).copy(),
    }
    take = {
        "curtailed": kw("curtailed_kw", np.zeros(periods) if curtailed_kw is None else curtailed_kw).copy(),
        "building": kw("load_kw", load_kw).copy(),
        "vehicles": kw("charge_kw", charge_kw).copy(),
        "grid": kw("export_kw", export_kw).copy(),
    }
    _check(give, take)
    lines = {(source, sink): np.zeros(periods) for source in SOURCES for sink in SINKS}
    for sink in ("curtailed", "building", "vehicles", "grid"):
        for source in SOURCES:
            moved = np.minimum(give[source], take[sink])
            lines[source, sink] = moved * step_h
            give[source] -= moved
            take[sink] -= moved
    return EnergyLedger({key: values for key, values in lines.items() if key[1] != "curtailed" or key[0] == SOURCES[0]})


def _check(give: Mapping[str, Floats], take: Mapping[str, Floats]) -> None:
    """Refuses flows from which no complete set of lines can be made."""
    given = np.sum(list(give.values()), axis=0)
    taken = np.sum(list(take.values()), axis=0)
    gap = np.abs(given - taken)
    if (gap > BALANCE_TOLERANCE_KW * np.maximum(1.0, given)).any():
        at = int(np.argmax(gap))
        msg = f"interval {at}: sources give {given[at]:.6g} kW and sinks take {taken[at]:.6g} kW; energy is missing"
        raise DomainError(msg)
    if (take["curtailed"] > give["production"] + BALANCE_TOLERANCE_KW).any():
        msg = "more is curtailed than produced"
        raise DomainError(msg)
    through = np.minimum(give["grid"], take["grid"])
    if (through > BALANCE_TOLERANCE_KW).any():
        at = int(np.argmax(through))
        msg = f"interval {at} imports and exports at once at one meter: give net values, or one ledger per meter"
        raise DomainError(msg)


def attribute(available: ArrayLike, claims: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    """Attributes what a battery gave to the services it was sold to; the rest is a line of its own.

    Works for energy [kWh] and for reserved power [kW] alike.

    Args:
        available: what the battery gave (or could hold ready), shape ``(periods,)``, at least 0.
        claims: what each service counts as its own, shape ``(periods,)``, at least 0.

    Returns:
        The claims and ``"unattributed"``; together exactly what was available.

    Raises:
        DomainError: a service sold what another one had sold already, or what was not there; NaN; a claim named
            ``unattributed``.

    >>> lines = attribute([5.0, 5.0], {"peak shaving": [5.0, 2.0], "arbitrage": [0.0, 2.0]})
    >>> lines["unattributed"].tolist()
    [0.0, 1.0]
    """
    whole = np.asarray(available, dtype=np.float64)
    whole = series("available", whole, whole.size, non_negative=True)
    if "unattributed" in claims:
        msg = "'unattributed' is the line of what no service claims: choose another name"
        raise DomainError(msg)
    lines = {name: series(name, values, whole.size, non_negative=True) for name, values in claims.items()}
    claimed = sum(lines.values(), np.zeros(whole.size))
    over = claimed - whole
    if (over > BALANCE_TOLERANCE_KW * np.maximum(1.0, whole)).any():
        at = int(np.argmax(over))
        sold = ", ".join(f"{name} {values[at]:g}" for name, values in lines.items() if values[at] > 0.0)
        msg = f"interval {at}: {claimed[at]:g} sold ({sold}) of {whole[at]:g} there: something is sold twice"
        raise DomainError(msg)
    lines["unattributed"] = np.maximum(whole - claimed, 0.0)
    return lines
