"""Battery wear as money: a plain price per kWh, and the value of a plain loss fraction.

How much a battery ages is another package's business; here an amount of ageing gets a price. Both forms are
accounting rules: money leaves the purse only when a battery is replaced, or sold for less.
"""

from __future__ import annotations

from bothways.domain.errors import DomainError
from bothways.economics.figures import above_zero, finite

END_OF_FIRST_LIFE_LOSS = 0.2
"""Loss of capacity at which a traction battery ends its first life: 80 % left (requirements, F8)."""


def _at_stake(replacement: float, residual: float) -> float:
    finite("replacement", replacement, low=0.0)
    finite("residual", residual, low=0.0)
    if residual > replacement:
        msg = f"the residual value ({residual:g}) is above the replacement ({replacement:g}): wear would earn money"
        raise DomainError(msg)
    return replacement - residual


def wear_price_per_kwh(replacement: float, residual: float, lifetime_throughput_kwh: float) -> float:
    """Price of a kWh discharged, spreading a battery's loss of value over its life.

    (replacement - residual) / lifetime throughput. It is an average: it charges every kWh alike, whatever the depth,
    temperature or state of charge, and takes calendar ageing for wear. A marginal price from an ageing model is better
    where there is one.

    Args:
        replacement: price of a new battery, work included [currency].
        residual: worth of the old one at its end of first life [currency].
        lifetime_throughput_kwh: energy discharged over the first life, counted where the price is applied (AC side
            for the planner) [kWh].

    Raises:
        DomainError: negative values, a residual above the replacement, no throughput.

    >>> round(wear_price_per_kwh(8_000.0, 2_000.0, 100_000.0), 4)
    0.06
    """
    return _at_stake(replacement, residual) / above_zero("lifetime_throughput_kwh", lifetime_throughput_kwh)


def lifetime_throughput_kwh(usable_capacity_kwh: float, full_cycles: float, mean_capacity: float = 0.9) -> float:
    """Energy discharged over a first life: capacity × full cycles × mean capacity on the way [kWh].

    Args:
        usable_capacity_kwh: when new [kWh].
        full_cycles: equivalent full cycles to the end of first life.
        mean_capacity: mean over life of remaining capacity, in (0, 1]; 0.9 for a straight line from 1 to 0.8.

    >>> lifetime_throughput_kwh(40.0, 2_000)
    72000.0
    """
    finite("mean_capacity", above_zero("mean_capacity", mean_capacity), high=1.0)
    return (
        above_zero("usable_capacity_kwh", usable_capacity_kwh) * above_zero("full_cycles", full_cycles) * mean_capacity
    )


def value_lost(
    replacement: float, residual: float, loss_fraction: float, end_of_life_loss: float = END_OF_FIRST_LIFE_LOSS
) -> float:
    """Value that a loss of capacity used up, in a straight line from new to the end of first life [currency].

    (replacement - residual) · loss / loss at the end of life; negative where a strategy spares the battery.

    Args:
        replacement: price of a new battery [currency].
        residual: worth at its end of first life [currency].
        loss_fraction: capacity lost as fraction of new, or the difference of two strategies.
        end_of_life_loss: loss at the end of first life, in (0, 1].

    >>> round(value_lost(8_000.0, 2_000.0, 0.01), 2)
    300.0
    """
    finite("loss_fraction", loss_fraction, low=-1.0, high=1.0)
    finite("end_of_life_loss", above_zero("end_of_life_loss", end_of_life_loss), high=1.0)
    return _at_stake(replacement, residual) * loss_fraction / end_of_life_loss
