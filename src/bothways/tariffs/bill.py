"""A bill by month and component, exact inside and rounded so that every printed sum adds up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

COMPONENTS = ("energy", "demand_tou", "demand_flat", "fixed", "export_credit", "other")
"""Components of a month's total, in the order of the printed bill."""

_NOISE = 7
"""Decimals kept before rounding to cents: below them lies only the noise of floating-point sums."""


@dataclass(frozen=True)
class BillLine:
    """One named part of a month's ``other``: a levy, a coincident peak, contracted capacity, a minimum charge."""

    name: str
    amount: float


@dataclass(frozen=True)
class BillMonth:
    """One billing month; amounts are exact (not rounded) in the bill's currency.

    Attributes:
        month: ``2018-01``.
        energy: imported energy, critical-peak events and price series included.
        demand_tou: time-of-use demand.
        demand_flat: flat demand, ratchet included.
        fixed: fixed charges.
        export_credit: credit for exported energy; negative where it lowers the bill.
        other: sum of ``lines``.
        total: sum of the components.
        peak_kw: highest demand of the month [kW], mean over the tariff's demand window.
        billed_kw: billed demand, the ratchet's floor included [kW].
        import_kwh: imported energy [kWh].
        export_kwh: exported energy [kWh].
        complete: whether the load covers the whole month.
        lines: what ``other`` is made of.
    """

    month: str
    energy: float
    demand_tou: float
    demand_flat: float
    fixed: float
    export_credit: float
    other: float
    total: float
    peak_kw: float
    billed_kw: float = 0.0
    import_kwh: float = 0.0
    export_kwh: float = 0.0
    complete: bool = True
    lines: tuple[BillLine, ...] = ()


@dataclass(frozen=True)
class Bill:
    """A bill over some months.

    Attributes:
        currency: ISO 4217 code.
        total: exact total [currency].
        months: the billing months in order of time.
        notes: sentences on rules used and assumptions made.
    """

    currency: str
    total: float
    months: tuple[BillMonth, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """The bill as JSON: amounts in cents' precision whose printed sums are the printed totals.

        The grand total is the exact total rounded half up; months and components are rounded to the cent above or
        below (the nearest wherever the sums allow), so that components add up to their month and months to the total.

        >>> month = BillMonth("2018-01", 1.004, 0.0, 0.0, 2.004, 0.0, 0.0, 3.008, 1.5)
        >>> Bill("EUR", 3.008, (month,)).as_dict()["total"]
        3.01
        """
        rounded = self.rounded()
        return {
            "currency": self.currency,
            "total": float(sum((amounts["total"] for amounts in rounded), start=Decimal(0))),
            "months": [
                {"month": month.month, **{name: float(amounts[name]) for name in COMPONENTS},
                 "total": float(amounts["total"]), "peak_kw": round(month.peak_kw, 6)}
                for month, amounts in zip(self.months, rounded, strict=True)
            ],
        }  # fmt: skip

    def rounded(self) -> list[dict[str, Decimal]]:
        """Components and ``total`` of every month in whole cents; see :meth:`as_dict`."""
        totals = apportion([month.total for month in self.months], _half_up(self.total))
        rows = []
        for month, total in zip(self.months, totals, strict=True):
            parts = apportion([getattr(month, name) for name in COMPONENTS], total)
            rows.append({name: _money(part) for name, part in zip(COMPONENTS, parts, strict=True)})
            rows[-1]["total"] = _money(total)
        return rows


def _money(cents: int) -> Decimal:
    return Decimal(cents) / 100


def _half_up(amount: float) -> int:
    """Whole cents, halves away from zero, after dropping the noise of floating-point sums."""
    cents = Decimal(repr(round(abs(amount), _NOISE))) * 100
    return int(math.copysign(1, amount)) * int((cents + Decimal("0.5")).to_integral_value(ROUND_FLOOR))


def apportion(amounts: Sequence[float], total_cents: int) -> list[int]:
    """Rounds amounts to cents so that they sum to ``total_cents`` (method of largest remainders).

    Every amount goes to the cent below or above it. ``total_cents`` must be the sum rounded down or up.

    >>> apportion([0.333, 0.333, 0.334], 100)
    [33, 33, 34]
    """
    exact = [Decimal(repr(round(amount, _NOISE))) * 100 for amount in amounts]
    cents = [_half_up(amount) for amount in amounts]
    missing = total_cents - sum(cents)
    direction = 1 if missing > 0 else -1
    # those that rounding has moved furthest against the wanted direction give way first
    order = sorted(range(len(cents)), key=lambda index: direction * (cents[index] - exact[index]))
    for index in order[: abs(missing)]:
        cents[index] += direction
    return cents
