"""What is asked where vehicles move between sites: a plan problem per site, and trips that link their stays."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from bothways.domain.errors import DomainError
from bothways.planning.problem import Floats, Ints, PlanProblem

_ROUNDING_KWH = 1e-9


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise DomainError(message)


@dataclass(frozen=True)
class Trips:
    """Trips as columns of shape ``(M,)``: one stay ends, another begins with what the trip has left in the battery.

    Equation: energy at the start of the later stay = energy at the end of the earlier one − ``energy_kwh``.

    Attributes:
        from_site: site of the earlier stay.
        from_vehicle: its row in that site's fleet.
        to_site: site of the later stay; the same site for a vehicle that comes back.
        to_vehicle: its row there. The row's ``energy_at_arrival_kwh`` is not read: the plan decides it.
        energy_kwh: what the trip takes out of the battery [kWh, battery side].
    """

    from_site: Ints
    from_vehicle: Ints
    to_site: Ints
    to_vehicle: Ints
    energy_kwh: Floats

    def __post_init__(self) -> None:
        for item in fields(self):
            column = getattr(self, item.name)
            _require(column.ndim == 1 and column.shape == self.from_site.shape, "trips: columns must be equally long")
        good = bool(np.isfinite(self.energy_kwh).all()) and bool((self.energy_kwh >= 0.0).all())
        _require(good, "trips: energy_kwh must be finite and at least 0")

    @property
    def size(self) -> int:
        """Number of trips M."""
        return int(self.from_site.size)


@dataclass(frozen=True)
class JourneyProblem:
    """Several sites over the same steps, and the trips between them.

    The objective is the sum of the sites'; what a battery holds at the end is valued once, after its last stay.

    Attributes:
        names: what people call the sites.
        sites: a problem each; every stay of a vehicle is a row of the fleet where it is.
        trips: what links the stays.
    """

    names: tuple[str, ...]
    sites: tuple[PlanProblem, ...]
    trips: Trips

    def __post_init__(self) -> None:
        _require(len(self.sites) >= 1, "there must be a site")
        _require(len(set(self.names)) == len(self.names) == len(self.sites), "every site needs a name of its own")
        first = self.sites[0]
        same = all(site.periods == first.periods and site.step_h == first.step_h for site in self.sites)
        _require(same, "the sites must have the same steps")
        lossless = all(site.part_load is None for site in self.sites)
        _require(lossless, "losses at part load cannot be planned together with trips")
        faults = faulty_trips(self.sites, self.trips)
        _require(not faults, f"trips: {'; '.join(text for _, _, text in faults[:3])}")


def faulty_trips(sites: tuple[PlanProblem, ...], trips: Trips) -> list[tuple[int, str, str]]:
    """What is wrong with trips: the trip, the column, and a sentence."""
    faults = []
    left: set[tuple[int, int]] = set()
    reached: set[tuple[int, int]] = set()
    for m in range(trips.size):
        ends = []
        for side, site, row in (
            ("from", int(trips.from_site[m]), int(trips.from_vehicle[m])),
            ("to", int(trips.to_site[m]), int(trips.to_vehicle[m])),
        ):
            if not 0 <= site < len(sites):
                faults.append((m, f"{side}_site", f"trip {m}: there is no site {site}"))
            elif not 0 <= row < sites[site].fleet.size:
                faults.append((m, f"{side}_vehicle", f"trip {m}: that site has no vehicle {row}"))
            else:
                ends.append((side, site, row))
        if len(ends) == 2:
            faults += _faulty_ends(sites, float(trips.energy_kwh[m]), m, ends[0][1:], ends[1][1:], left, reached)
    return faults


def _faulty_ends(
    sites: tuple[PlanProblem, ...], energy_kwh: float, m: int, one: tuple[int, int], other: tuple[int, int],
    left: set[tuple[int, int]], reached: set[tuple[int, int]],
) -> list[tuple[int, str, str]]:  # fmt: skip
    before, after = sites[one[0]].fleet, sites[other[0]].fleet
    i, j, faults = one[1], other[1], []
    if one in left:
        faults.append((m, "from_vehicle", f"trip {m}: that stay already ends with another trip"))
    if other in reached:
        faults.append((m, "to_vehicle", f"trip {m}: that stay already begins with another trip"))
    left.add(one)
    reached.add(other)
    if before.departure[i] <= before.arrival[i] or after.departure[j] <= after.arrival[j]:
        faults.append((m, "from_vehicle", f"trip {m}: a stay before or after a trip must have a step"))
    if after.arrival[j] < before.departure[i]:
        faults.append((m, "to_vehicle", f"trip {m}: the later stay begins before the earlier one has ended"))
    if after.energy_max_kwh[j] < before.energy_max_kwh[i] - energy_kwh - _ROUNDING_KWH:
        faults.append((m, "to_vehicle", f"trip {m}: what the battery may arrive with is above the ceiling there"))
    return faults
