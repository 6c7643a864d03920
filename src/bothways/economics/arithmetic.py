"""Back-of-the-envelope figures from the field, as functions with their inputs (F1-F3, F7, F10, R18).

They reproduce or question published numbers; they are no substitute for a study. Inputs are read as they print
(0.1 is one tenth), so that rounding up to whole vehicles is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from bothways.domain.errors import DomainError
from bothways.economics.figures import above_zero, finite

DAYS_PER_YEAR = 365


def days_of_supply(usable_kwh: float, home_kwh_per_day: float) -> float:
    """How long a vehicle carries a home: usable energy over daily consumption [days] (F1).

    Args:
        usable_kwh: energy that may be taken, after losses and the driver's reserve [kWh].
        home_kwh_per_day: consumption of the home [kWh/day].

    Raises:
        DomainError: negative energy, or no consumption.

    >>> days_of_supply(60.0, 30.0), days_of_supply(90.0, 30.0), round(days_of_supply(40.0, 30.0), 1)
    (2.0, 3.0, 1.3)
    """
    return finite("usable_kwh", usable_kwh, low=0.0) / above_zero("home_kwh_per_day", home_kwh_per_day)


def usable_for_days(days: float, home_kwh_per_day: float) -> float:
    """Usable energy that carries a home for ``days`` [kWh]; the inverse of :func:`days_of_supply` (F1).

    >>> usable_for_days(2, 30.0), usable_for_days(3, 30.0)
    (60.0, 90.0)
    """
    return finite("days", days, low=0.0) * above_zero("home_kwh_per_day", home_kwh_per_day)


def vehicles_for_bid(bid_kw: float, charger_kw: float, availability: float = 1.0) -> int:
    """Smallest number of vehicles whose expected power reaches a bid: ⌈bid / (power · availability)⌉ (F2).

    With an availability below 1 the expectation reaches the bid, so the fleet itself does in about half of the hours;
    a bid with a stated confidence needs more vehicles.

    Args:
        bid_kw: size of the bid [kW].
        charger_kw: power of one charger [kW].
        availability: share of vehicles plugged in and willing, in (0, 1].

    Raises:
        DomainError: a bid, power or availability that is not above 0, or an availability above 1.

    >>> [vehicles_for_bid(100.0, kw) for kw in (19.2, 11.5, 7.2, 50.0, 100.0)]
    [6, 9, 14, 2, 1]
    >>> vehicles_for_bid(100.0, 7.2, availability=0.5)
    28
    """
    above_zero("bid_kw", bid_kw)
    above_zero("charger_kw", charger_kw)
    finite("availability", above_zero("availability", availability), high=1.0)
    return math.ceil(_as_printed(bid_kw) / (_as_printed(charger_kw) * _as_printed(availability)))


def _as_printed(value: float) -> Fraction:
    return Fraction(repr(float(value)))


def implied_price_per_kwh(value_per_year: float, kwh_per_day: float, days: float = DAYS_PER_YEAR) -> float:
    """Price per kWh that a published value per year stands for [currency/kWh] (F3).

    Args:
        value_per_year: published value [currency/year].
        kwh_per_day: energy behind it [kWh/day].
        days: days per year on which it flows.

    >>> round(implied_price_per_kwh(500.0, 2.0), 3), round(implied_price_per_kwh(1000.0, 3.0), 3)
    (0.685, 0.913)
    """
    return finite("value_per_year", value_per_year) / (
        above_zero("kwh_per_day", kwh_per_day) * above_zero("days", days)
    )


def events_needed(value_per_year: float, kwh_per_event: float, price_per_kwh: float) -> float:
    """Events per year that a published value of demand response needs (F3).

    >>> round(events_needed(36.0, 1.0, 0.10)), round(events_needed(73.0, 2.0, 0.10))
    (360, 365)
    """
    each = above_zero("kwh_per_event", kwh_per_event) * above_zero("price_per_kwh", price_per_kwh)
    return finite("value_per_year", value_per_year, low=0.0) / each


def backup_value_per_year(
    kwh_per_outage: float, voll_per_kwh: float, outages_per_year: float, presence: float
) -> float:
    """Expected value of backup: value of lost load × energy × outages × chance that the vehicle is there (R18).

    Args:
        kwh_per_outage: load that a present vehicle would carry in one outage [kWh].
        voll_per_kwh: value of lost load [currency/kWh]; 6.957 to 44.149 GBP/kWh published for Great Britain (F7).
        outages_per_year: expected number of such outages.
        presence: probability that the vehicle is plugged in, charged and willing when one begins, 0…1.

    >>> round(backup_value_per_year(20.0, 6.957, 0.5, 0.6), 2), round(backup_value_per_year(20.0, 44.149, 0.5, 0.6), 2)
    (41.74, 264.89)
    """
    finite("presence", presence, low=0.0, high=1.0)
    energy = finite("kwh_per_outage", kwh_per_outage, low=0.0) * finite("outages", outages_per_year, low=0.0)
    return energy * finite("voll_per_kwh", voll_per_kwh, low=0.0) * presence


def yearly_shift_value(
    power_kw: float,
    hours_per_day: float,
    days_per_year: float,
    price_per_kwh: float,
    wear_per_kwh: float,
) -> float:
    """Value of selling power for some hours a day [currency/year]; negative where wear is dearer than the price (F10).

    kW · h · days · (price - wear). With the spread between buying and selling as price it is arbitrage before losses.
    Regulation fits the same form with a payment per kW held ready for an hour as price, and the wear that an hour of
    readiness brings per kW (little energy moves) as wear.

    Args:
        power_kw: per vehicle [kW].
        hours_per_day: plugged in and sold [h/day].
        days_per_year: days.
        price_per_kwh: price or spread [currency/kWh], or payment for readiness [currency/(kW·h)].
        wear_per_kwh: wear in the same unit.

    >>> round(yearly_shift_value(3.7, 1.0, 250, 0.10, 0.05), 2)
    46.25
    >>> round(yearly_shift_value(15.0, 23.0, 365, 0.04, 0.0), 2)
    5037.0
    """
    hours = finite("hours_per_day", hours_per_day, low=0.0, high=24.0)
    days = finite("days_per_year", days_per_year, low=0.0, high=366.0)
    margin = finite("price_per_kwh", price_per_kwh) - finite("wear_per_kwh", wear_per_kwh, low=0.0)
    return finite("power_kw", power_kw, low=0.0) * hours * days * margin


@dataclass(frozen=True, slots=True)
class PublishedLine:
    """A published range with the unit it is per.

    Attributes:
        name: what for.
        low: lower end [currency].
        high: upper end [currency].
        per: the unit as published: ``EV and year``, ``outage``, ``site and year``.
        count: how many of those a site has in a year.
    """

    name: str
    low: float
    high: float
    per: str
    count: float

    def __post_init__(self) -> None:
        finite(f"{self.name}: low", self.low)
        finite(f"{self.name}: high", self.high, low=self.low)
        finite(f"{self.name}: count", self.count, low=0.0)


@dataclass(frozen=True, slots=True)
class SumCheck:
    """Whether published lines add up to the published total.

    Attributes:
        low: sum of the lower ends per site and year [currency].
        high: sum of the upper ends per site and year [currency].
        printed_low: sum of the lower ends as printed, whatever they are per [currency].
        printed_high: sum of the upper ends as printed [currency].
        stated_low: published total, lower end [currency].
        stated_high: published total, upper end [currency].
        units: the different units that the lines are per.
    """

    low: float
    high: float
    printed_low: float
    printed_high: float
    stated_low: float
    stated_high: float
    units: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether both ends, with units respected, are within 1 % of the stated ones."""
        return math.isclose(self.low, self.stated_low, rel_tol=0.01) and math.isclose(
            self.high, self.stated_high, rel_tol=0.01
        )


def sum_check(lines: Sequence[PublishedLine], stated_low: float, stated_high: float) -> SumCheck:
    """Adds published lines per site and year, and as printed, and puts the stated total beside them (F3).

    Raises:
        DomainError: no lines, or a total that is upside down.

    >>> check = sum_check(
    ...     [PublishedLine("peak", 500, 1000, "EV and year", 20), PublishedLine("PV", 1500, 2000, "site and year", 1)],
    ...     2000, 4000,
    ... )
    >>> check.low, check.high, check.printed_low, check.agrees
    (11500.0, 22000.0, 2000.0, False)
    """
    if not lines:
        msg = "there are no lines to add up"
        raise DomainError(msg)
    finite("stated_high", stated_high, low=finite("stated_low", stated_low))
    return SumCheck(
        low=float(sum(line.low * line.count for line in lines)),
        high=float(sum(line.high * line.count for line in lines)),
        printed_low=float(sum(line.low for line in lines)),
        printed_high=float(sum(line.high for line in lines)),
        stated_low=stated_low,
        stated_high=stated_high,
        units=tuple(dict.fromkeys(line.per for line in lines)),
    )
