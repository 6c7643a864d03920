"""Which sections the energy allows, planned anew at every call so that the first tier lasts its target time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bothways.resilience.island.power import Ability, load_kw
from bothways.resilience.island.signals import Inputs, Position
from bothways.resilience.island.site import IslandSite

_ENOUGH = 1e-9


@dataclass(frozen=True, slots=True)
class Ration:
    """What the energy allows.

    Attributes:
        keep: number of sections, from the first, that may stay on.
        add: number of sections that would be allowed if they were switched on; at most ``keep`` where none is off.
        energy_kwh: energy above all reserves and floors now [kWh, AC side].
        lasts_h: how long the first tier can run on it, alone, with PV [h]; ``inf`` beyond its target.
        short_h: how much earlier than its target that is [h].
    """

    keep: int
    add: int
    energy_kwh: float
    lasts_h: float
    short_h: float


def ration(inputs: Inputs, able: tuple[Ability, ...], outage_s: float, site: IslandSite) -> Ration:
    """Plans the sections on the energy that is there and the PV that is forecast.

    Section k is allowed if, hour by hour, the energy never runs out while every section before it runs for what
    remains of its target (at least ``keep_h``), and k itself for ``hold_h``:

        E₀ = energy above reserves,   0 ≤ E_{h+1} = min(E_h + PV_h − Σ P_j, E₀),

    where the sum is over the sections that still run in hour h. PV carries loads and refills what was used, but counts
    for nothing above what is stored now. With ``restore_margin`` on the loads before a section is
    switched on. Sections of the first tier are always allowed: nothing is kept back for a later hour by leaving
    medical loads in the dark now.

    Args:
        inputs: readings; measured loads replace expected ones where a section is on.
        able: what the sources may give.
        outage_s: time since the outage began [s].
        site: targets and margins.
    """
    energy = sum(ability.spare_kwh for ability in able if ability.limit_kw > 0.0)
    elapsed_h = outage_s / 3600.0
    first = site.sections[0].tier
    runs: list[tuple[float, float]] = []  # of the sections before: load [kW], for how long [h]
    keep = add = 0
    stopped = stopped_add = False
    for k, section in enumerate(site.sections):
        on = inputs.sections[k].position is not Position.OPEN
        kw = sum(load_kw(k, inputs, site)) if on else section.kw
        if section.tier > first:
            asked = [*runs, (kw, site.hold_h)]
            margin = 1.0 + site.restore_margin
            stopped_add = stopped_add or math.isfinite(lasting_h(energy, inputs.pv_ahead_kwh, asked, margin))
            if stopped_add:  # what lasts with the margin lasts without it
                stopped = stopped or math.isfinite(lasting_h(energy, inputs.pv_ahead_kwh, asked, 1.0))
        keep += not stopped
        add += not stopped_add
        runs.append((kw, max(section.target_h - elapsed_h, site.keep_h)))
    wanted = [
        (kw, max(section.target_h - elapsed_h, 0.0))
        for (kw, _), section in zip(runs, site.sections, strict=True)
        if section.tier == first
    ]
    lasts = lasting_h(energy, inputs.pv_ahead_kwh, wanted, 1.0)
    short = 0.0 if math.isinf(lasts) else max(hours for _, hours in wanted) - lasts
    return Ration(keep, add, energy, lasts, short)


def lasting_h(energy_kwh: float, pv_kwh: tuple[float, ...], runs: list[tuple[float, float]], factor: float) -> float:
    """When the energy runs out [h]; ``inf`` where it lasts until every run has ended.

    Args:
        energy_kwh: energy now [kWh].
        pv_kwh: PV per hour from now [kWh]; none beyond its end.
        runs: loads [kW] with the time for which each runs [h].
        factor: on every load.

    >>> lasting_h(10.0, (), [(2.0, 24.0)], 1.0)
    5.0
    >>> lasting_h(10.0, (0.0, 0.0, 6.0, 2.0), [(2.0, 6.0)], 1.0)
    inf
    """
    if factor * sum(kw * hours for kw, hours in runs) <= energy_kwh:
        return math.inf
    end = max((hours for _, hours in runs), default=0.0)
    left, hour = energy_kwh, 0
    while hour < end:
        used = factor * sum(kw * min(hours - hour, 1.0) for kw, hours in runs if hours > hour)
        change = (pv_kwh[hour] if hour < len(pv_kwh) else 0.0) - used
        if left + change < -_ENOUGH:
            return hour + left / -change
        left = min(left + change, energy_kwh)
        hour += 1
    return math.inf
