"""What an island tells the grid operator for a restart of the grid, once its own operator permits it (R28).

It is information, never an act: the interlock lets nothing feed the street. The building helps by staying an island
until it is asked back, by coming back in steps, and by what its sources can carry from the first minute on.
"""

from __future__ import annotations

from dataclasses import dataclass

from bothways.resilience.island.interlock import Latch
from bothways.resilience.island.power import abilities, total
from bothways.resilience.island.signals import Inputs
from bothways.resilience.island.site import IslandSite
from bothways.resilience.island.state import IslandState, Phase


@dataclass(frozen=True, slots=True)
class RestartOffer:
    """The offer of one island.

    Attributes:
        capacity_kw: output beyond the building's own load that the sources have now [kW].
        energy_kwh: energy above all reserves [kWh, AC side].
        pickup_kw: what the grid must carry at the instant of the return: the first tier alone [kW].
        cold_load_kw: greatest load of the building while all sections come back, inrush included [kW].
        steps: number of steps in which it comes back.
        ramp_s: time from the first step to the last [s].
    """

    capacity_kw: float
    energy_kwh: float
    pickup_kw: float
    cold_load_kw: float
    steps: int
    ramp_s: float


def restart_offer(state: IslandState, inputs: Inputs, site: IslandSite) -> RestartOffer | None:
    """The offer, or ``None`` without the operator's permission, outside an island, or in a drill."""
    if not state.offer or state.phase is not Phase.ISLAND or state.rehearsal is not None:
        return None
    latch: Latch = state.latch
    able = abilities(inputs, latch, state.failed, state.former, site)
    give = sum(ability.limit_kw for ability in able)
    first = [section for section in site.sections if section.tier == site.sections[0].tier]
    pickup = sum(section.kw * section.inrush for section in first)
    running = sum(section.kw for section in first)
    cold = pickup
    later = [section for section in site.sections if section.tier != site.sections[0].tier]
    for section in later:
        cold = max(cold, running + section.kw * section.inrush)
        running += section.kw
    return RestartOffer(
        capacity_kw=max(0.0, give - sum(total(inputs, site))),
        energy_kwh=sum(ability.spare_kwh for ability in able if ability.limit_kw > 0.0),
        pickup_kw=pickup,
        cold_load_kw=cold,
        steps=1 + len(later),
        ramp_s=site.timing.settle_s * len(later),
    )
