"""What a site states once about being an island: the building, which EVSE is which source, reserves, PV, times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from bothways.domain.errors import DomainError
from bothways.operations.events import EvseKey
from bothways.resilience.island.reserve import evacuation_reserve_kwh
from bothways.resilience.island.site import IslandSite, SourceKind


@dataclass(frozen=True, slots=True)
class Evacuation:
    """What every driver keeps to drive away, where the driver states nothing else.

    Attributes:
        distance_km: to drive, detours included [km].
        kwh_per_km: consumption at 20 °C [kWh/km].
        temperature_c: coldest outside temperature that is reckoned with [°C].
    """

    distance_km: float = 80.0
    kwh_per_km: float = 0.2
    temperature_c: float = -10.0

    def reserve_kwh(self, distance_km: float | None = None) -> float:
        """Stored energy for the distance, or for the site's own [kWh].

        >>> Evacuation(100.0, 0.2, 20.0).reserve_kwh()
        20.0
        """
        km = self.distance_km if distance_km is None else distance_km
        return evacuation_reserve_kwh(km, self.kwh_per_km, self.temperature_c)


@dataclass(frozen=True, slots=True)
class IslandSettings:
    """One site that can be an island.

    Attributes:
        building: contactor, sections and sources; its permission to island comes from the store, not from here.
        chargers: the EVSE behind every source of the kind ``v2x``, by the source's id.
        evacuation: what drivers keep.
        pv_peak_kw: output of PV under a clear noon sky, for the forecast; 0 lets no PV be counted on.
        pv_share: share of a clear sky that the forecast dares to promise, 0…1.
        stale_s: a reading of the switchgear older than this counts as none [s].
        wait_s: after a start, how long stations and devices are waited for before the controller acts [s].
    """

    building: IslandSite
    chargers: Mapping[str, EvseKey] = field(default_factory=dict)
    evacuation: Evacuation = field(default_factory=Evacuation)
    pv_peak_kw: float = 0.0
    pv_share: float = 0.3
    stale_s: float = 1.0
    wait_s: float = 30.0

    def __post_init__(self) -> None:
        wanted = {source.source_id for source in self.building.sources if source.kind is SourceKind.V2X}
        owner = f"island of {self.building.site_id}"
        if set(self.chargers) != wanted:
            msg = f"{owner}: every source of the kind v2x needs its EVSE, no other has one: {sorted(wanted)}"
            raise DomainError(msg)
        if len(set(self.chargers.values())) != len(self.chargers):
            msg = f"{owner}: two sources name the same EVSE"
            raise DomainError(msg)
        if not 0.0 <= self.pv_share <= 1.0 or not (math.isfinite(self.pv_peak_kw) and self.pv_peak_kw >= 0.0):
            msg = f"{owner}: pv_share must lie in 0…1 and pv_peak_kw be at least 0"
            raise DomainError(msg)
        if not 0.0 < self.stale_s <= 2.0 or not self.wait_s >= 0.0:
            msg = f"{owner}: stale_s must lie above 0 and at most at 2 s, wait_s be at least 0"
            raise DomainError(msg)
