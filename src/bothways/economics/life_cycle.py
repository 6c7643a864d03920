"""Emissions outside the site's electricity: batteries worn, chargers made, energy charged elsewhere.

Each is a line of its own with its inputs and the source of its factor (R26), always against the same reference as
the ledger it stands beside; :func:`bothways.economics.emissions.avoided` takes them off what operation avoided.
"""

from __future__ import annotations

from dataclasses import dataclass

from bothways.economics.figures import above_zero, finite, sourced

INTENSITY_LIMIT_KG_PER_KWH = 5.0
"""Above this an intensity is in another unit: oil shale and old lignite plants emit 1 to 1.5 kg/kWh."""


@dataclass(frozen=True, slots=True)
class LifeCycleLine:
    """Emissions outside the site's electricity, one cause each.

    Attributes:
        name: what for.
        kg: emissions over the period [kg]; positive is more than the reference.
        basis: the inputs in words, as the report shows them.
        source: who stands behind the emission factor.
    """

    name: str
    kg: float
    basis: str
    source: str

    def __post_init__(self) -> None:
        finite(f"{self.name}: kg", self.kg)
        sourced(self.name, self.source)


def ageing_line(
    extra_loss_fraction: float,
    capacity_kwh: float,
    battery_kg_per_kwh: float,
    source: str,
    *,
    end_of_life_loss_fraction: float = 0.2,
) -> LifeCycleLine:
    """Emissions of making the share of a battery that extra ageing used up.

    kg = capacity · factor · extra loss / loss at the end of life. A first life that ends at 80 % capacity (the
    default, F8 of the requirements) charges all of the making to it and nothing to a second life: an upper bound.

    Args:
        extra_loss_fraction: capacity lost beyond the reference, over the period, as fraction of new capacity; negative
            where the strategy spares the battery.
        capacity_kwh: capacity of all batteries concerned when new [kWh].
        battery_kg_per_kwh: emissions of making a battery [kg/kWh of capacity]; for example 61 to 106 for NMC
            (Emilsson and Dahllöf 2019, IVL report C 444).
        source: of that factor.
        end_of_life_loss_fraction: loss at which a battery has served its life, in (0, 1].

    >>> round(ageing_line(0.004, 600.0, 85.0, "IVL C 444, middle of the range").kg, 6)
    1020.0
    """
    finite("extra_loss_fraction", extra_loss_fraction, low=-1.0, high=1.0)
    finite("capacity_kwh", capacity_kwh, low=0.0)
    finite("battery_kg_per_kwh", battery_kg_per_kwh, low=0.0)
    finite("end_of_life_loss_fraction", above_zero("end_of_life_loss_fraction", end_of_life_loss_fraction), high=1.0)
    kg = capacity_kwh * battery_kg_per_kwh * extra_loss_fraction / end_of_life_loss_fraction
    basis = (
        f"{extra_loss_fraction:.4%} of {capacity_kwh:g} kWh beyond the reference, a life being "
        f"{end_of_life_loss_fraction:.0%}, at {battery_kg_per_kwh:g} kg/kWh"
    )
    return LifeCycleLine("extra battery ageing", kg, basis, source)


def charger_line(
    extra_chargers: float, charger_kg: float, source: str, *, lifetime_years: float, period_days: float
) -> LifeCycleLine:
    """Emissions of making chargers beyond those of the reference, spread evenly over their life.

    kg = number · factor · period/(365.25 · life). Where the same number of chargers is of a heavier kind, give the
    difference as ``charger_kg``.

    Args:
        extra_chargers: number beyond the reference; negative where fewer.
        charger_kg: emissions of making one [kg].
        source: of that figure.
        lifetime_years: life of a charger [years].
        period_days: length of the period [days].

    >>> round(charger_line(52, 100.0, "supplier's declaration", lifetime_years=10, period_days=365.25).kg, 6)
    520.0
    """
    finite("extra_chargers", extra_chargers)
    finite("charger_kg", charger_kg)
    share = above_zero("period_days", period_days) / (365.25 * above_zero("lifetime_years", lifetime_years))
    basis = f"{extra_chargers:g} × {charger_kg:g} kg over {lifetime_years:g} years, {period_days:g} days of them"
    return LifeCycleLine("extra chargers", extra_chargers * charger_kg * share, basis, source)


def elsewhere_line(extra_not_served_kwh: float, intensity_kg_per_kwh: float, source: str) -> LifeCycleLine:
    """Emissions of energy that drivers fetch elsewhere because the site did not serve it.

    Without this line a strategy that serves less would look cleaner.

    Args:
        extra_not_served_kwh: energy not served beyond the reference [kWh]; negative where more was served.
        intensity_kg_per_kwh: of the energy charged elsewhere [kg/kWh], of the same kind as the ledger compared.
        source: of that intensity.

    >>> elsewhere_line(20.0, 0.25, "grid average of the year").kg
    5.0
    """
    finite("extra_not_served_kwh", extra_not_served_kwh)
    finite("intensity_kg_per_kwh", intensity_kg_per_kwh, low=0.0, high=INTENSITY_LIMIT_KG_PER_KWH)
    basis = f"{extra_not_served_kwh:g} kWh at {intensity_kg_per_kwh:g} kg/kWh"
    return LifeCycleLine("energy charged elsewhere", extra_not_served_kwh * intensity_kg_per_kwh, basis, source)
