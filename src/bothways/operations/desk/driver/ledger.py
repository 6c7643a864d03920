"""What a stay cost, and what the same stay would have cost without control, interval by interval. Pure; money is exact.

The comparison is between equals (``economics.counterfactual``): uncontrolled charging stores the same energy in the
same stay, at full power from plug-in on and never back. Every amount is the product of an energy and a price that are
both shown, rounded to a hundredth of a cent; sums are sums of what is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bothways.domain.timegrid import TimeGrid
from bothways.economics.counterfactual import MeteredStay, metered_kwh, uncontrolled_kwh

STEP = timedelta(minutes=15)
_KWH = Decimal("0.001")
_MONEY = Decimal("0.0001")
_PRICE = Decimal("0.000001")
_NOTHING = Decimal(0)
_LEAST = timedelta(seconds=1)
Points = Sequence[tuple[datetime, float]]


@dataclass(frozen=True, slots=True)
class PaidPrice:
    """What a kWh cost at the site in an interval [currency/kWh].

    Attributes:
        exported: share of the interval in which the site fed into the grid, 0…1: what a vehicle gave then was sold,
            otherwise it spared buying.
    """

    start: datetime
    bought: Decimal
    sold: Decimal
    exported: Decimal = _NOTHING

    @property
    def given(self) -> Decimal:
        """What a kWh out of a vehicle was worth."""
        return (self.sold * self.exported + self.bought * (1 - self.exported)).quantize(_PRICE)


@dataclass(frozen=True, slots=True)
class Stay:
    """A transaction as far as its money goes.

    Attributes:
        taken: cumulative energy into the vehicle [kWh, AC side] at instants, as metered; empty where not metered.
        given: cumulative energy out of the vehicle, likewise.
        taken_kwh: energy into the vehicle in all.
        given_kwh: energy out of the vehicle in all.
        charge_kw: greatest power of the EVSE.
        eta_c: charging efficiency that is assumed.
        eta_d: discharging efficiency that is assumed.
        wear_per_kwh: what the site counts for wear [currency/kWh discharged].
    """

    start: datetime
    end: datetime
    taken: Points
    given: Points
    taken_kwh: float
    given_kwh: float
    charge_kw: float
    eta_c: float
    eta_d: float
    wear_per_kwh: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """One interval. Amounts are ``None`` where nobody knows the price; costs are positive.

    Attributes:
        taken_kwh: into the vehicle.
        given_kwh: out of the vehicle.
        price: of a kWh bought.
        given_price: worth of a kWh given back.
        cost: of what was taken.
        credit: for what was given.
        wear: of what was given.
        uncontrolled_kwh: what uncontrolled charging would have taken.
        uncontrolled_cost: what that would have cost.
    """

    start: datetime
    taken_kwh: Decimal
    given_kwh: Decimal
    price: Decimal | None
    given_price: Decimal | None
    cost: Decimal | None
    credit: Decimal | None
    wear: Decimal
    uncontrolled_kwh: Decimal
    uncontrolled_cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over lines with a price; ``unpriced_kwh`` is the energy, in and out, of those without one."""

    taken_kwh: Decimal = _NOTHING
    given_kwh: Decimal = _NOTHING
    cost: Decimal = _NOTHING
    credit: Decimal = _NOTHING
    wear: Decimal = _NOTHING
    refill: Decimal = _NOTHING
    uncontrolled_cost: Decimal = _NOTHING
    unpriced_kwh: Decimal = _NOTHING

    @property
    def net(self) -> Decimal:
        """What it cost: energy, less what was given back, with wear and what is still to be charged again."""
        return self.cost - self.credit + self.wear + self.refill

    @property
    def saved(self) -> Decimal:
        """What was saved against uncontrolled charging; negative where it cost more."""
        return self.uncontrolled_cost - self.net

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Ledger:
    """A stay's money.

    Attributes:
        lines: by interval.
        sums: over them.
        metered: whether the station told when the energy flowed; else it was spread evenly over the stay.
        refill_kwh: energy that the vehicle left with less than it came with, to be charged again [kWh, AC side].
    """

    lines: tuple[Line, ...]
    sums: Sums
    metered: bool
    refill_kwh: Decimal


def ledger(stay: Stay, prices: Sequence[PaidPrice]) -> Ledger:
    """The money of a stay.

    Args:
        stay: what was metered.
        prices: known prices by interval, each for :data:`STEP`.
    """
    metered = MeteredStay(
        stay.start, max(stay.start, stay.end), stay.charge_kw, _scaled(stay, stay.taken, stay.taken_kwh),
        _scaled(stay, stay.given, stay.given_kwh),
    )  # fmt: skip
    first = _step_of(stay.start)
    periods = max(1, -int((first - metered.ends) // STEP))
    grid = TimeGrid(first, STEP, periods, "UTC")
    columns = *metered_kwh(metered, grid), uncontrolled_kwh(metered, grid, stay.eta_c, stay.eta_d)
    known = {price.start: price for price in prices}
    lines = tuple(
        _line(first + k * STEP, energies, known.get(first + k * STEP), stay.wear_per_kwh)
        for k, energies in enumerate(zip(*(_rounded(column) for column in columns), strict=True))
    )
    refill_kwh = _kwh(max(0.0, stay.given_kwh / (stay.eta_c * stay.eta_d) - stay.taken_kwh))
    mean = [line.price for line in lines if line.price is not None]
    refill = (refill_kwh * sum(mean, _NOTHING) / len(mean)).quantize(_MONEY, ROUND_HALF_EVEN) if mean else _NOTHING
    sums = _sums(lines).plus(Sums(refill=refill, unpriced_kwh=_NOTHING if mean else refill_kwh))
    told = bool(stay.taken or stay.given) or stay.taken_kwh == stay.given_kwh == 0.0
    return Ledger(lines, sums, told, refill_kwh)


def _line(start: datetime, energies: tuple[Decimal, ...], price: PaidPrice | None, wear_per_kwh: Decimal) -> Line:
    taken, given, uncontrolled = energies
    wear = _amount(given, wear_per_kwh)
    if price is None:
        return Line(start, taken, given, None, None, None, None, wear, uncontrolled, None)
    return Line(
        start, taken, given, price.bought, price.given, _amount(taken, price.bought), _amount(given, price.given), wear,
        uncontrolled, _amount(uncontrolled, price.bought),
    )  # fmt: skip


def _sums(lines: Sequence[Line]) -> Sums:
    made = Sums()
    for line in lines:
        energy = {"taken_kwh": line.taken_kwh, "given_kwh": line.given_kwh, "wear": line.wear}
        if line.cost is None or line.credit is None or line.uncontrolled_cost is None:
            flowed = line.taken_kwh + line.given_kwh + line.uncontrolled_kwh
            made = made.plus(Sums(**energy, unpriced_kwh=flowed))
        else:
            made = made.plus(
                Sums(**energy, cost=line.cost, credit=line.credit, uncontrolled_cost=line.uncontrolled_cost)
            )
    return made


def _amount(energy: Decimal, price: Decimal) -> Decimal:
    return (energy * price).quantize(_MONEY, ROUND_HALF_EVEN)


def _kwh(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(_KWH, ROUND_HALF_EVEN)


def _step_of(at: datetime) -> datetime:
    seconds = STEP.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, tz=UTC)


def _scaled(stay: Stay, points: Points, total: float) -> list[tuple[datetime, float]]:
    """Readings within the stay, scaled to the energy that counts; evenly over the stay where there are none."""
    known = [(at, value) for at, value in points if stay.start <= at <= stay.end]
    moved = known[-1][1] - known[0][1] if len(known) > 1 else 0.0
    if moved <= 0.0:
        return [(stay.start, 0.0), (max(stay.start + _LEAST, stay.end), total)] if total > 0.0 else []
    return [(at, total * (value - known[0][1]) / moved) for at, value in known]


def _rounded(column: NDArray[np.float64]) -> list[Decimal]:
    """Energies to a thousandth of a kWh; rounded so that their sum is the rounded sum."""
    whole = [_NOTHING, *(_kwh(float(value)) for value in np.cumsum(column))]
    return [after - before for before, after in pairwise(whole)]


def cumulative(imported: Points, exported: Points) -> tuple[list[tuple[datetime, float]], list[tuple[datetime, float]]]:
    """Energy into and out of the vehicle since the first reading, from registers.

    Falls of the import register are export where the export register does not move, as the store counts them.
    """
    into, out = list(_rises(imported, 1.0)), list(_rises(exported, 1.0))
    if not out or out[-1][1] <= 0.0:
        out = list(_rises(imported, -1.0))
    return into, out


def _rises(points: Points, sign: float) -> Iterator[tuple[datetime, float]]:
    total, before = 0.0, None
    for at, value in points:
        if before is not None:
            total += max(0.0, sign * (value - before))
        before = value
        yield at, total
