"""What has been stored in the vehicles: the meters show AC energy, and what of it is lost depends on the power.

With one efficiency per direction what was moved is enough. With losses at part load it matters at which power each kWh
flowed, so it is followed tick by tick, with the losses that plans, dispatch and studies count with.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from bothways.operations.site.book import Outlet, Visit
from bothways.operations.site.observe import SILENT_KW
from bothways.operations.site.settings import VehicleAssumption
from bothways.planning.part_load import PartLoad

_KEPT_PAIRS = 4096

Moved = tuple[float, float]
"""What was charged and discharged at some instant of a visit [kWh, AC]."""


@dataclass(frozen=True, slots=True)
class FullPower:
    """What a charger and a vehicle can do at most, losses counted; powers [kW]."""

    charge_kw: float
    discharge_kw: float
    eta_c: float
    eta_d: float


@dataclass(slots=True)
class _Followed:
    """One visit: its energies when last looked at, and what of them was stored [kWh].

    ``into`` is what a charged kWh stores, ``out`` what a discharged one takes, at the power that flowed last.
    """

    at: datetime
    moved: Moved
    stored_kwh: float
    into: float
    out: float
    power_kw: float = math.nan
    changed_at: datetime | None = None
    marks: dict[Moved, float] = field(default_factory=dict)


class StoredEnergy:
    """Stored energies of the vehicles that are plugged in at a site.

    Args:
        assumed: efficiencies, or the losses of the site's chargers.
    """

    def __init__(self, assumed: VehicleAssumption) -> None:
        self._assumed, self._losses = assumed, assumed.part_load
        self._followed: dict[int, _Followed] = {}
        self._full: dict[tuple[float, float], FullPower] = {}

    def full_power(self, charge_kw: float, discharge_kw: float) -> FullPower:
        """Greatest powers and the efficiencies at them; these alone where there are no losses at part load."""
        known = self._full.get((charge_kw, discharge_kw))
        if known is None:
            if len(self._full) >= _KEPT_PAIRS:  # vehicles that ask for another power every second
                self._full.clear()
            known = self._full[charge_kw, discharge_kw] = self._at_full_power(charge_kw, discharge_kw)
        return known

    def _at_full_power(self, charge_kw: float, discharge_kw: float) -> FullPower:
        assumed = self._assumed
        if self._losses is None:
            return FullPower(charge_kw, discharge_kw, assumed.eta_c, assumed.eta_d)
        columns = (np.array([value]) for value in (charge_kw, discharge_kw, assumed.eta_c, assumed.eta_d))
        found = PartLoad((self._losses,), np.zeros(1, dtype=np.int64)).limits_at_full_power(*columns)
        return FullPower(*(float(column[0]) for column in found))

    def since(self, visit: Visit, then: Moved = (0.0, 0.0)) -> float:
        """What was stored, less what was taken, since an instant of the visit, by default since plug-in [kWh].

        Args:
            visit: the vehicle.
            then: what was charged and discharged at that instant: now, or one of those that the visit remembers.
        """
        charged, discharged = visit.delivered_kwh - then[0], visit.returned_kwh - then[1]
        followed = self._followed.get(visit.number)
        if self._losses is None or followed is None:
            return charged * self._assumed.eta_c - discharged / self._assumed.eta_d
        known = 0.0 if then == (0.0, 0.0) else followed.marks.get(then)
        if known is None:
            return charged * followed.into - discharged * followed.out
        charged, discharged = visit.delivered_kwh - followed.moved[0], visit.returned_kwh - followed.moved[1]
        return followed.stored_kwh + charged * followed.into - discharged * followed.out - known

    def follow(self, outlets: Collection[Outlet], now: datetime) -> None:
        """Takes in what has flowed since the last tick; nothing where one efficiency holds at every power."""
        if self._losses is None:
            return
        for outlet in outlets:
            if outlet.visit is not None:
                self._follow(outlet, outlet.visit, now)
        if len(self._followed) > 2 * len(outlets) + 8:  # visits that ended without a word
            here = {outlet.visit.number for outlet in outlets if outlet.visit is not None}
            self._followed = {number: item for number, item in self._followed.items() if number in here}

    def leave(self, visit: Visit) -> None:
        """Lets go of a visit that has ended."""
        self._followed.pop(visit.number, None)

    def _follow(self, outlet: Outlet, visit: Visit, now: datetime) -> None:
        moved = (visit.delivered_kwh, visit.returned_kwh)
        seen = self._followed.get(visit.number)
        if seen is None:
            # what flowed before anybody looked, as after a restart, is taken to have flowed at full power
            full = self.full_power(outlet.record.charge_kw, outlet.record.discharge_kw)
            stored = moved[0] * full.eta_c - moved[1] / full.eta_d
            seen = _Followed(now, moved, stored, full.eta_c, 1.0 / full.eta_d)
            self._followed[visit.number] = seen
        charged, discharged = moved[0] - seen.moved[0], moved[1] - seen.moved[1]
        hours = max(0.0, (now - seen.at).total_seconds() / 3600.0)
        power = outlet.meter.power_kw if outlet.meter.power_at is not None else math.nan
        if abs(power) <= SILENT_KW:  # what keeps the electronics awake is not stored; the rest corrects what was
            charged -= min(max(charged, 0.0), max(power, 0.0) * hours)
            discharged -= min(max(discharged, 0.0), max(-power, 0.0) * hours)
        elif math.isnan(power) and moved != seen.moved and seen.changed_at is not None:
            hours = (now - seen.changed_at).total_seconds() / 3600.0
            power = (charged - discharged) / hours if hours > 0.0 else math.nan
        if abs(power) > SILENT_KW and power != seen.power_kw:
            self._at_power(seen, power)
        seen.stored_kwh += charged * seen.into - discharged * seen.out
        if moved != seen.moved or seen.changed_at is None:
            seen.changed_at = now
        seen.at, seen.moved = now, moved
        self._mark(visit, seen)

    def _at_power(self, seen: _Followed, power_kw: float) -> None:
        if self._losses is None:
            return
        seen.power_kw = power_kw
        share = float(self._losses.stored_kw(power_kw)) / power_kw
        if power_kw > 0.0:
            seen.into = share
        else:
            seen.out = share

    @staticmethod
    def _mark(visit: Visit, seen: _Followed) -> None:
        """Notes what was stored at the instants from which the visit is counted on."""
        wanted = {item[-2:] for item in (visit.soc_ref, visit.soc_first, visit.full_at) if item is not None}
        if seen.marks.keys() == wanted:
            return
        for then in wanted - seen.marks.keys():  # since the last tick, so at the power of now
            charged, discharged = seen.moved[0] - then[0], seen.moved[1] - then[1]
            seen.marks[then] = seen.stored_kwh - charged * seen.into + discharged * seen.out
        for then in seen.marks.keys() - wanted:
            del seen.marks[then]
