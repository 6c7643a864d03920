"""What every station is told beforehand, so that it does the right thing when nobody speaks to it any more."""

from __future__ import annotations

from dataclasses import dataclass

from bothways.resilience.island.interlock import stored_kwh
from bothways.resilience.island.signals import Inputs
from bothways.resilience.island.site import IslandSite, SourceKind
from bothways.resilience.island.state import IslandState, Phase


@dataclass(frozen=True, slots=True)
class LocalMode:
    """What one station does by itself once it has heard nothing for ``offline_s``.

    Attributes:
        source_id: the station or device.
        offline_s: silence after which this holds [s] (OCPP 2.1: ``maxOfflineDuration``).
        keep_forming: go on holding the island: others depend on it.
        output_kw: greatest output to the building [kW] (OCPP 2.1: ``dischargeLimit``, with the sign turned).
        charge_kw: greatest charging power [kW] (OCPP 2.1: ``limit``).
        floor_kwh: stored energy at which the output ends whatever happens [kWh].
        text: the same in words, for the sheet at the station.
    """

    source_id: str
    offline_s: float
    keep_forming: bool
    output_kw: float
    charge_kw: float
    floor_kwh: float
    text: str


def local_modes(
    state: IslandState, inputs: Inputs, site: IslandSite, safe_charge_kw: float = 0.0
) -> tuple[LocalMode, ...]:
    """What to tell every station now, to be sent whenever it changes; one per source, in the site's order.

    On the grid a station left alone gives nothing and charges at most its share of ``safe_charge_kw``, the power that
    the connection carries whatever the building does. In an island the source that forms it goes on to its floor, all
    others stop when their lease ends. No station ever starts an island by itself, and every emergency stop is local.
    """
    in_island = state.phase in {Phase.BLACK_START, Phase.ISLAND, Phase.RESYNCHRONISE} and state.rehearsal is None
    chargers = sum(source.kind is SourceKind.V2X for source in site.sources)
    out = []
    for k, source in enumerate(site.sources):
        floor = stored_kwh(k, inputs, site)[1]
        forming = in_island and state.former == k
        charge = safe_charge_kw / chargers if source.kind is SourceKind.V2X and not in_island else 0.0
        if forming:
            text = f"Go on feeding the building until {floor:.1f} kWh are left, then stop."
        elif charge > 0.0:
            text = f"Give nothing; charge with at most {charge:.1f} kW."
        else:
            text = "Stop: neither give nor charge."
        output = source.power_kw if forming else 0.0
        out.append(
            LocalMode(source.source_id, site.timing.lease_s, forming, output, charge, floor, f"Without orders: {text}")
        )
    return tuple(out)
