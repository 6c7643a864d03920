"""What a study needs to value backup: the building without the grid, how often and how long it is gone."""

from __future__ import annotations

from dataclasses import dataclass, field

from bothways.domain.errors import DomainError
from bothways.resilience.fleet import Departure
from bothways.resilience.site import Site
from bothways.resilience.survival import Starts


@dataclass(frozen=True)
class BackupTerms:
    """Outages and what they cost, as an outage scenario says, and how vehicles serve in them.

    Attributes:
        site: loads in tiers with their value of lost load, and every source but the vehicles.
        starts: hours at which an outage begins, all equally likely.
        outages_per_year: expected number.
        outage_h: lengths [h] and their shares, which sum to 1.
        reserve_soc: share of the capacity that nobody discharges below on ordinary days; ``None`` to try none.
        compliance: chance that a driver lets the energy be used in an outage.
        leaves_as_usual: chance that a vehicle leaves when it usually does, instead of staying through the outage.
        charger_availability: chance that a charger works when the outage begins.
        departure: common cause that takes vehicles away.
        draws: of vehicles per start.
    """

    site: Site
    starts: Starts
    outages_per_year: float
    outage_h: tuple[tuple[int, float], ...]
    reserve_soc: float | None
    compliance: float
    leaves_as_usual: float = 1.0
    charger_availability: float = 1.0
    departure: Departure = field(default_factory=Departure)
    draws: int = 20

    def __post_init__(self) -> None:
        total = sum(share for _, share in self.outage_h)
        if not self.outage_h or min(hours for hours, _ in self.outage_h) < 1 or abs(total - 1.0) > 1e-6:
            msg = f"backup: lengths of outages need at least 1 h and shares that sum to 1, not {total:g}"
            raise DomainError(msg)

    @property
    def hours_per_year(self) -> float:
        """Expected hours without the grid in a year [h]."""
        return self.outages_per_year * sum(hours * share for hours, share in self.outage_h)
