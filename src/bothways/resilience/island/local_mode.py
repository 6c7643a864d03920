"""What devices are told beforehand, so that they do the right thing when nobody speaks to them any more."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bothways.resilience.island.interlock import must_stop, stored_kwh
from bothways.resilience.island.power import Ability, abilities, forming_s, load_kw
from bothways.resilience.island.rationing import ration
from bothways.resilience.island.signals import Inputs, Mode, Position
from bothways.resilience.island.site import IslandSite, SourceKind
from bothways.resilience.island.state import IslandState, Phase

_TINY_KW = 1e-6
_ISLAND = frozenset({Phase.BLACK_START, Phase.ISLAND, Phase.RESYNCHRONISE})
GIVES_UP = 0.6
"""Sections are dropped after this share of a lease: before followers end, which is after two thirds of it at least."""


@dataclass(frozen=True, slots=True)
class LocalMode:
    """What one station does by itself once it has heard nothing for ``offline_s``.

    Attributes:
        source_id: the station or device.
        offline_s: silence after which this holds [s] (OCPP 2.1: ``maxOfflineDuration``).
        keep_forming: go on holding the island: others depend on it.
        holds_s: for how long it may do so, whatever the building asks of it: at full output for so long, its stored
            energy reaches ``floor_kwh`` and not less [s] (OCPP 2.1: ``duration``). OCPP has no field for a floor.
        output_kw: greatest output to the building [kW] (OCPP 2.1: ``dischargeLimit``, with the sign turned).
        charge_kw: greatest charging power [kW] (OCPP 2.1: ``limit``).
        floor_kwh: stored energy at which the output ends whatever happens [kWh].
        text: the same in words.
    """

    source_id: str
    offline_s: float
    keep_forming: bool
    holds_s: float
    output_kw: float
    charge_kw: float
    floor_kwh: float
    text: str


def local_modes(
    state: IslandState, inputs: Inputs, site: IslandSite, safe_charge_kw: float = 0.0
) -> tuple[LocalMode, ...]:
    """What to tell every station now, to be sent whenever it changes; one per source, in the site's order.

    On the grid a station left alone gives nothing and charges at most with ``safe_charge_kw``, the power per charger
    that the connection carries whatever the building does. In an island the source that forms it goes on to its floor,
    all others stop when their lease ends. No station ever starts an island by itself, and every emergency stop is
    local.
    """
    real = state.rehearsal is None
    away = real and state.phase is not Phase.GRID_CONNECTED
    out = []
    for k, source in enumerate(site.sources):
        floor = stored_kwh(k, inputs, site)[1]
        forming = real and state.phase in _ISLAND and state.former == k and not state.latch.tripped[k]
        charge = safe_charge_kw if source.kind is SourceKind.V2X and not away else 0.0
        holds = forming_s(k, inputs, site) if forming else 0.0
        if forming and source.kind is SourceKind.V2X:
            hours = f"{holds / 3600.0:.1f} h"
            text = f"Go on feeding the building for at most {hours}, so that {floor:.1f} kWh are left, then stop."
        elif forming:
            text = f"Go on feeding the building until {floor:.1f} kWh are left, then stop."
        elif charge > 0.0:
            text = f"Give nothing; charge with at most {charge:.1f} kW."
        else:
            text = "Stop: neither give nor charge."
        output = source.power_kw if forming else 0.0
        out.append(LocalMode(source.source_id, site.timing.lease_s, forming, holds, output, charge, floor, text))
    return tuple(out)


def kept_alone(state: IslandState, inputs: Inputs, site: IslandSite) -> frozenset[str] | None:
    """Sections that stay on when the server is lost in an island; ``None`` where nothing is to be dropped.

    Followers stop with their lease and nobody rations any more. So the forming source must carry what is left, within
    ``headroom`` of its power on every phase, and its own energy must last for the first tier's target; PV is not
    counted on. The first tier is always kept; sections are dropped from the end, never out of order.
    """
    former = state.former
    if state.phase is not Phase.ISLAND or state.rehearsal is not None or former is None:
        return None
    able = abilities(inputs, state.latch, state.failed, former, site)
    alone = tuple(ability if k == former else Ability(0.0, 0.0) for k, ability in enumerate(able))
    lasting = ration(replace(inputs, pv_ahead_kwh=(), pv_kw=0.0), alone, state.outage_s, site).keep
    source, first = site.sources[former], site.sections[0].tier
    carried = [0.0, 0.0, 0.0]
    kept = []
    for k, section in enumerate(site.sections):
        on = inputs.sections[k].position is not Position.OPEN
        load = load_kw(k, inputs, site) if on else (0.0, 0.0, 0.0)
        carried = [a + max(b, c if on else 0.0) for a, b, c in zip(carried, load, section.phase_kw, strict=True)]
        room = (site.headroom * alone[former].limit_kw * share for share in source.share)
        fits = all(kw <= limit + _TINY_KW for kw, limit in zip(carried, room, strict=True))
        if section.tier > first and not (k < lasting and fits):
            break
        kept.append(section.section_id)
    return frozenset(kept)


def may_go_on(k: int, state: IslandState, inputs: Inputs, site: IslandSite) -> bool:
    """Whether source ``k`` holds the island and the interlock does not end it: its time alone may be prolonged."""
    forming = inputs.sources[k].mode is Mode.FORMING
    return forming and site.islanding_permitted and not must_stop(k, state.latch, inputs, site)
