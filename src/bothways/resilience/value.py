"""What backup is worth in a year (R18): value of lost load × outages × what vehicles keep on while they are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bothways.domain.errors import DomainError
from bothways.resilience.fleet import Fleet
from bothways.resilience.site import Site
from bothways.resilience.survival import Starts, follow


@dataclass(frozen=True)
class BackupValue:
    """Backup by vehicles as money per year.

    Attributes:
        per_year: value of the energy that vehicles keep on, in the currency of the value of lost load.
        kwh_per_year: that energy [kWh].
        by_tier: the value of each tier, in order.
        per_outage: value of one outage.
        if_always_there: value per year if every vehicle were plugged in whenever an outage begins and stayed.
    """

    per_year: float
    kwh_per_year: float
    by_tier: tuple[float, ...]
    per_outage: float
    if_always_there: float

    @property
    def presence_factor(self) -> float:
        """Share of the value that is left because vehicles are not always there; 0 where there is none at all."""
        return self.per_year / self.if_always_there if self.if_always_there > 0.0 else 0.0


def backup_value(
    site: Site,
    fleet: Fleet,
    starts: Starts,
    *,
    outages_per_year: float,
    outage_h: Sequence[tuple[int, float]],
    draws: int = 20,
    key: int = 1,
    threads: int = 2,
) -> BackupValue:
    """Values backup as the cost of lost load that vehicles avoid in the expected outages of a year.

    value = outages · Σ_d share_d · Σ_j VoLL_j · (missing_j without − missing_j with vehicles), where what is missing is
    expected over start hours, over generators and battery, and over the vehicles' presence; tiers are carried in order
    as far as power and energy go. Only the chance that the vehicle is there, as the record says, earns anything.

    Args:
        site: loads and sources; tiers carry their value of lost load.
        fleet: vehicles.
        starts: hours at which an outage begins, all equally likely.
        outages_per_year: expected number.
        outage_h: lengths [h] and their shares; shares sum to 1.
        draws: of vehicles per start.
        key: of the random numbers.
        threads: that share the starts.

    Returns:
        The value.

    Raises:
        DomainError: a negative number of outages, no lengths, shares that do not sum to 1.
    """
    lengths = [hours for hours, _ in outage_h]
    shares = np.array([share for _, share in outage_h])
    if outages_per_year < 0.0 or not lengths or min(lengths) < 1 or abs(float(shares.sum()) - 1.0) > 1e-6:
        msg = "backup needs outages_per_year of at least 0, and lengths of at least 1 h whose shares sum to 1"
        raise DomainError(msg)
    horizon = max(lengths)

    def missing(with_fleet: Fleet | None) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
        answer = follow(site, starts, fleet=with_fleet, horizon=horizon, draws=draws, key=key, threads=threads)
        return [answer.unserved_kwh(hours) for hours in lengths]

    without, here, always = missing(None), missing(fleet), missing(fleet.staying())
    saved = sum(share * (a - b) for share, a, b in zip(shares, without, here, strict=True))
    best = sum(share * (a - b) for share, a, b in zip(shares, without, always, strict=True))
    by_tier = np.maximum(0.0, np.asarray(saved)) * site.voll
    return BackupValue(
        per_year=float(outages_per_year * by_tier.sum()),
        kwh_per_year=float(outages_per_year * np.maximum(0.0, np.asarray(saved)).sum()),
        by_tier=tuple(float(outages_per_year * value) for value in by_tier),
        per_outage=float(by_tier.sum()),
        if_always_there=float(outages_per_year * (np.maximum(0.0, np.asarray(best)) * site.voll).sum()),
    )
