"""Which sections the energy allows, planned anew at every call so that the first tier lasts its target time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bothways.resilience.island.power import Ability, load_kw
from bothways.resilience.island.signals import Inputs, Position
from bothways.resilience.island.site import IslandSite


@dataclass(frozen=True, slots=True)
class Ration:
    """What the energy allows.

    Attributes:
        keep: number of sections, from the first, that may stay on.
        add: number of sections that would be allowed if they were switched on; at most ``keep`` where none is off.
        energy_kwh: energy that may be used until the targets [kWh, AC side].
        hours: for every section: how long it and all before it could run on that energy [h]; ``inf`` without load.
        short_h: how much earlier than its target the first section ends, if it runs alone [h].
    """

    keep: int
    add: int
    energy_kwh: float
    hours: tuple[float, ...]
    short_h: float


def ration(inputs: Inputs, able: tuple[Ability, ...], outage_s: float, site: IslandSite) -> Ration:
    """Plans the sections on the energy that is there.

    Section k is allowed if the energy lasts for what remains of the targets of all sections before it (at least
    ``keep_h``), and for k itself for ``hold_h``:

        E ≥ Σ_{j<k} P_j · max(target_j − t, keep) + P_k · hold,

    with ``restore_margin`` on top before one is switched on. The first tier is always allowed: nothing is kept
    back for a later hour by leaving medical loads in the dark now.

    Args:
        inputs: readings; measured loads replace expected ones where a section is on.
        able: what the sources may give.
        outage_s: time since the outage began [s].
        site: targets and margins.
    """
    energy = sum(ability.spare_kwh for ability in able if ability.limit_kw > 0.0) + max(0.0, inputs.pv_ahead_kwh)
    elapsed_h = outage_s / 3600.0
    bound = running = 0.0
    keep = add = 0
    hours: list[float] = []
    stopped = stopped_add = False
    for k, section in enumerate(site.sections):
        on = inputs.sections[k].position is not Position.OPEN
        kw = sum(load_kw(k, inputs, site)) if on else section.kw
        need = bound + kw * site.hold_h
        lesser = section.tier > site.sections[0].tier
        stopped = stopped or (lesser and energy < need)
        stopped_add = stopped_add or (lesser and energy < need * (1.0 + site.restore_margin))
        keep += not stopped
        add += not stopped_add
        running += kw
        hours.append(energy / running if running > 0.0 else math.inf)
        bound += kw * max(section.target_h - elapsed_h, site.keep_h)
    wanted_h = max(0.0, site.sections[0].target_h - elapsed_h)
    return Ration(keep, add, energy, tuple(hours), max(0.0, wanted_h - hours[0]))
