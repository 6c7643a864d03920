"""What the sources can carry, per phase and at the instant of switching, and how they share the load."""

from __future__ import annotations

from dataclasses import dataclass

from bothways.resilience.island.interlock import Latch, stored_kwh
from bothways.resilience.island.signals import Inputs, Mode, Position
from bothways.resilience.island.site import IslandSite, Phases, SourceKind

_TINY_KW = 1e-6
LONGEST_S = 7 * 86_400.0
"""Longer no source is told to hold an island by itself."""


@dataclass(frozen=True, slots=True)
class Ability:
    """What one source can do now: greatest output [kW], and energy that it may still give [kWh, AC side]."""

    limit_kw: float
    spare_kwh: float


def abilities(
    inputs: Inputs, latch: Latch, failed: tuple[bool, ...], former: int | None, site: IslandSite
) -> tuple[Ability, ...]:
    """What every source can give without touching a reserve, an opt-out, or its own limit.

    A source that follows must be able to keep its output for a whole lease, in case it hears nothing more.
    """
    out = []
    for k, (source, reading) in enumerate(zip(site.sources, inputs.sources, strict=True)):
        stored, floor = stored_kwh(k, inputs, site)
        vehicle = reading.vehicle
        silent = source.kind is SourceKind.V2X and (vehicle is None or vehicle.opted_out)
        unusable = latch.tripped[k] or latch.estop or failed[k] or not reading.available or stored is None or silent
        margin = (2.0 if k == former else 1.0) * site.margins_kwh[k]
        room = 0.0 if unusable or stored is None else stored - floor - margin
        if room <= 0.0 or reading.mode is Mode.UNKNOWN:
            out.append(Ability(0.0, 0.0))
            continue
        spare = room * source.efficiency
        limit = min(source.power_kw, max(reading.limit_kw, 0.0))
        if k != former:
            limit = min(limit, spare * 3600.0 / site.timing.lease_s)
        out.append(Ability(limit, spare))
    return tuple(out)


def forming_s(k: int, inputs: Inputs, site: IslandSite) -> float:
    """For how long source ``k`` can hold an island at its full output without touching its reserve or floor [s].

    The energy that it can still give between an order to stop and the hard-wired cut is left out, and what exceeds its
    rating for an instant is in that margin. 0 where its energy is unknown, or its driver has opted out.
    """
    source, reading = site.sources[k], inputs.sources[k]
    stored, floor = stored_kwh(k, inputs, site)
    silent = source.kind is SourceKind.V2X and (reading.vehicle is None or reading.vehicle.opted_out)
    if stored is None or silent:
        return 0.0
    room = max(0.0, stored - floor - site.margins_kwh[k]) * source.efficiency
    return min(3600.0 * room / max(source.power_kw, _TINY_KW), LONGEST_S)


def candidate(inputs: Inputs, latch: Latch, failed: tuple[bool, ...], site: IslandSite) -> int | None:
    """The first source in the site's order that could start the island now.

    It must have twice the energy that a stop can cost, so that it is not stopped at the moment it has started.
    """
    for k, source in enumerate(site.sources):
        if source.grid_forming and abilities(inputs, latch, failed, k, site)[k].limit_kw > _TINY_KW:
            return k
    return None


def load_kw(k: int, inputs: Inputs, site: IslandSite) -> Phases:
    """Load of section ``k`` per phase now [kW]: as measured, else as expected; 0 when its breaker is open."""
    reading = inputs.sections[k]
    if reading.position is Position.OPEN:
        return (0.0, 0.0, 0.0)
    return site.sections[k].phase_kw if reading.phase_kw is None else reading.phase_kw


def total(inputs: Inputs, site: IslandSite) -> Phases:
    """Load of the building per phase now [kW]."""
    a = b = c = 0.0
    for k in range(len(site.sections)):
        x, y, z = load_kw(k, inputs, site)
        a, b, c = a + x, b + y, c + z
    return a, b, c


def capacity(able: tuple[Ability, ...], site: IslandSite) -> Phases:
    """What all sources together can give per phase [kW]."""
    a = b = c = 0.0
    for source, ability in zip(site.sources, able, strict=True):
        x, y, z = source.share
        a, b, c = a + x * ability.limit_kw, b + y * ability.limit_kw, c + z * ability.limit_kw
    return a, b, c


def _formed(former: int | None, site: IslandSite) -> tuple[int, ...]:
    return () if former is None else site.sources[former].phases


def overloaded(inputs: Inputs, able: tuple[Ability, ...], former: int | None, site: IslandSite) -> bool:
    """Whether the load on some phase is above what PV and sources can give there now."""
    formed = _formed(former, site)
    pv = inputs.pv_kw / max(len(formed), 1)
    load, give = total(inputs, site), capacity(able, site)
    return any(load[p] - (pv if p in formed else 0.0) > give[p] + _TINY_KW for p in range(3))


def fits(k: int, inputs: Inputs, able: tuple[Ability, ...], former: int, site: IslandSite) -> str:
    """Why section ``k`` cannot be switched on now, for want of power; empty where it can.

    Per phase, the whole load must stay within ``headroom`` of the sources (PV counts with ``pv_firm``), and the
    inrush must be within the surge of the forming source, which alone answers in the first instant.
    """
    section, source = site.sections[k], site.sources[former]
    formed = _formed(former, site)
    pv = site.pv_firm * inputs.pv_kw / len(formed)
    load, give = total(inputs, site), capacity(able, site)
    for p, extra in enumerate(section.phase_kw):
        if extra <= 0.0:
            continue
        if p not in formed:
            return f"phase {p + 1} is not fed by {source.source_id}"
        if load[p] + extra > site.headroom * give[p] + pv + _TINY_KW:
            return f"phase {p + 1} would carry {load[p] + extra:.1f} kW of {site.headroom * give[p] + pv:.1f} kW"
        surge = source.surge * able[former].limit_kw * source.share[p]
        held = max(0.0, load[p] - followed_kw(p, inputs, former, site))
        if held + section.inrush * extra > surge + _TINY_KW:
            return f"the inrush on phase {p + 1} would be {held + section.inrush * extra:.1f} kW of {surge:.1f} kW"
    return ""


def followed_kw(p: int, inputs: Inputs, former: int, site: IslandSite) -> float:
    """Output of the following sources on phase ``p`` now [kW]."""
    return sum(
        source.share[p] * reading.output_kw
        for j, (source, reading) in enumerate(zip(site.sources, inputs.sources, strict=True))
        if j != former and reading.mode is Mode.GIVING
    )


def outputs_kw(inputs: Inputs, able: tuple[Ability, ...], former: int, site: IslandSite) -> tuple[float, ...]:
    """Output of every following source [kW]; the forming source takes the rest by itself.

    Sources share in proportion to what they may still give, so that no driver is emptied first; what would overload
    the forming source goes to the others. Surplus of PV charges vehicles that are not full. Shape: one per source.
    """
    net = sum(total(inputs, site)) - inputs.pv_kw
    if net <= 0.0:
        return _charging(-net, inputs, former, site)
    weight = sum(ability.spare_kwh for ability in able if ability.limit_kw > 0.0)
    give = [0.0] * len(able)
    if weight <= 0.0:
        return tuple(give)
    for k, ability in enumerate(able):
        if k != former:
            give[k] = min(ability.limit_kw, net * ability.spare_kwh / weight)
    rest = net - sum(give) - site.headroom * able[former].limit_kw
    room = sum(ability.limit_kw - give[k] for k, ability in enumerate(able) if k != former)
    if rest > 0.0 and room > 0.0:
        share = min(1.0, rest / room)
        give = [g if k == former else g + share * (able[k].limit_kw - g) for k, g in enumerate(give)]
    return tuple(int(g * 10.0) / 10.0 for g in give)  # stations take tenths; toward zero


def _charging(surplus_kw: float, inputs: Inputs, former: int, site: IslandSite) -> tuple[float, ...]:
    """Shares a surplus of PV among the vehicles with room, in equal parts."""
    takers = [
        k
        for k, reading in enumerate(inputs.sources)
        if k != former
        and reading.available
        and reading.mode is not Mode.UNKNOWN
        and reading.vehicle is not None
        and reading.vehicle.energy_kwh is not None
        and reading.vehicle.energy_kwh < reading.vehicle.ceiling_kwh
    ]
    give = [0.0] * len(inputs.sources)
    for k in takers:
        give[k] = -int(min(surplus_kw / len(takers), site.sources[k].power_kw) * 10.0) / 10.0
    return tuple(give)
