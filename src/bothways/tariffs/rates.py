"""Reads rate structures: periods × tiers of energy and demand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bothways.tariffs.fields import Fields
from bothways.tariffs.structure import DemandPeriods, DemandTier, EnergyPeriods, EnergyTier, TierUnit

KW_PER_HP = 0.746
"""The electric horsepower [kW] (NIST Special Publication 811, 2008, appendix B)."""

OPEN_ENDED = 1e30
"""A bound this large means that there is none; published files write 1e38."""

_UNITS = {unit.value: unit for unit in TierUnit}
_TIER_KEYS = {"rate", "adj", "max", "unit", "sell"}


def read_energy_periods(fields: Fields, where: str, value: object) -> EnergyPeriods:
    """Reads ``energyratestructure``; faults are noted in ``fields``."""
    periods: list[tuple[EnergyTier, ...]] = []
    for index, tiers in enumerate(fields.sequence(where, value, "a list of periods, each a list of tiers")):
        place = f"{where}[{index}]"
        read = [_energy_tier(fields, f"{place}[{number}]", tier) for number, tier in _tiers(fields, place, tiers)]
        count = _reachable(fields, place, [tier.max for tier in read], [tier.unit for tier in read])
        periods.append(tuple(read[:count]))
    return tuple(periods)


def read_demand_periods(fields: Fields, where: str, value: object) -> DemandPeriods:
    """Reads ``flatdemandstructure``, ``demandratestructure`` or ``coincidentratestructure``."""
    periods: list[tuple[DemandTier, ...]] = []
    for index, tiers in enumerate(fields.sequence(where, value, "a list of periods, each a list of tiers")):
        place = f"{where}[{index}]"
        read = [_demand_tier(fields, f"{place}[{number}]", tier) for number, tier in _tiers(fields, place, tiers)]
        count = _reachable(fields, place, [tier.max for tier in read], [TierUnit.KWH] * len(read))
        periods.append(tuple(read[:count]))
    return tuple(periods)


def _tiers(fields: Fields, where: str, value: object) -> list[tuple[int, Mapping[str, object]]]:
    """The tiers of one period that are objects, with their number; others are noted."""
    tiers = fields.sequence(where, value, "a list of tiers")
    if len(tiers) == 0:
        fields.fault(where, "no tiers", "at least one tier", 'Write [{"rate": 0}] for a period without a charge.')
    good: list[tuple[int, Mapping[str, object]]] = []
    for number, tier in enumerate(tiers):
        if isinstance(tier, Mapping):
            good.append((number, tier))
            unknown = sorted(str(key) for key in tier if key not in _TIER_KEYS)
            if unknown:
                fields.warnings.append(f"{where}[{number}]: {', '.join(unknown)[:80]} is not understood and not used")
        else:
            fields.fault(f"{where}[{number}]", tier, "an object with rate, adj, max", 'Write {"rate": 0.2}.')
    return good


def _energy_tier(fields: Fields, where: str, tier: Mapping[str, object]) -> EnergyTier:
    _warn_if_without_price(fields, where, tier)
    sell = tier.get("sell")
    return EnergyTier(
        rate=fields.number(f"{where}.rate", tier.get("rate"), "a price [currency/kWh]"),
        adj=fields.number(f"{where}.adj", tier.get("adj"), "an adjustment [currency/kWh]"),
        sell=None if sell is None else fields.number(f"{where}.sell", sell, "a price [currency/kWh]"),
        max=_bound(fields, f"{where}.max", tier.get("max")),
        unit=fields.choice(f"{where}.unit", tier.get("unit"), _UNITS, TierUnit.KWH),
    )


def _demand_tier(fields: Fields, where: str, tier: Mapping[str, object]) -> DemandTier:
    _warn_if_without_price(fields, where, tier)
    return DemandTier(
        rate=fields.number(f"{where}.rate", tier.get("rate"), "a price [currency/kW]"),
        adj=fields.number(f"{where}.adj", tier.get("adj"), "an adjustment [currency/kW]"),
        max=_bound(fields, f"{where}.max", tier.get("max")),
    )


def _warn_if_without_price(fields: Fields, where: str, tier: Mapping[str, object]) -> None:
    if tier.get("rate") is None and tier.get("adj") is None:
        fields.warnings.append(f"{where} has neither rate nor adj: its price is 0")


def _bound(fields: Fields, where: str, value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and OPEN_ENDED <= value < math.inf:
        return math.inf
    return fields.number(where, value, "an upper bound", low=0.0, high=OPEN_ENDED, default=math.inf)


def _reachable(fields: Fields, where: str, bounds: Sequence[float], units: Sequence[TierUnit]) -> int:
    """Checks that bounds rise and counts the tiers that can be reached; a bounded last tier is left open above."""
    for number, bound in enumerate(bounds):
        last = number == len(bounds) - 1
        if bound == 0.0 and not last:
            fields.fault(f"{where}[{number}].max", 0, "a bound above 0", "Correct the bound, or remove the tier.")
        if number and units[number] == units[number - 1] and bound <= bounds[number - 1] < math.inf and bound > 0.0:
            below = f"above the bound of the tier before ({bounds[number - 1]:g})"
            fields.fault(f"{where}[{number}].max", bound, below, "Give the tiers in rising order of max.")
        if last and bound < math.inf:
            fields.warnings.append(
                f"{where}[{number}] is the last tier: its price also holds above its max ({bound:g})"
            )
        if bound == math.inf and not last:
            fields.warnings.append(f"{where}[{number}] has no max: the tiers after it are never reached")
            return number + 1
    return len(bounds)
