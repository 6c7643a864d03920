"""What equipment costs, today and over the years, line by line and with sources.

Amounts are analysis money (float) in the study's currency. Year 0 is today, year k is the end of the k-th year.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from bothways.domain.errors import DomainError
from bothways.economics.figures import Floats, finite, growth_rate, sourced, whole


class ItemKind(StrEnum):
    """What a line of an investment is for."""

    CHARGER = "charger"
    INSTALLATION = "installation"
    UPGRADE = "panel or service upgrade"
    SUBMETERING = "sub-metering"
    OTHER = "other"
    REBATE = "rebate"


@dataclass(frozen=True, slots=True)
class LineItem:
    """One line of an investment.

    Attributes:
        kind: what it is for.
        amount: price each [currency], at least 0; a rebate is given as the positive amount received.
        source: who says so and when; a number without one is refused.
        count: how many.
        name: words for the report; the kind where empty.
    """

    kind: ItemKind
    amount: float
    source: str
    count: int = 1
    name: str = ""

    def __post_init__(self) -> None:
        finite(f"{self.label}: amount", self.amount, low=0.0)
        whole(f"{self.label}: count", self.count)
        sourced(self.label, self.source)

    @property
    def label(self) -> str:
        """Name, or the kind where none was given."""
        return self.name or self.kind.value

    @property
    def total(self) -> float:
        """What the line adds to the investment [currency]; negative for a rebate."""
        sign = -1.0 if self.kind is ItemKind.REBATE else 1.0
        return sign * self.amount * self.count


@dataclass(frozen=True, slots=True)
class Investment:
    """All lines paid today.

    >>> chargers = LineItem(ItemKind.CHARGER, 4000.0, "offer of 2019-04", count=10)
    >>> rebate = LineItem(ItemKind.REBATE, 5000.0, "utility programme, 2019")
    >>> Investment((chargers, rebate)).total
    35000.0
    """

    items: tuple[LineItem, ...] = ()

    @property
    def total(self) -> float:
        """Sum of the lines, rebates taken off [currency]."""
        return sum(item.total for item in self.items)

    @property
    def charger_count(self) -> int:
        """Number of chargers bought."""
        return sum(item.count for item in self.items if item.kind is ItemKind.CHARGER)

    @property
    def charger_spend(self) -> float:
        """What the chargers alone cost, without installation and rebates [currency]."""
        return sum(item.total for item in self.items if item.kind is ItemKind.CHARGER)

    def by_kind(self) -> dict[ItemKind, float]:
        """Sums of the lines of each kind that occurs [currency], in the order of :class:`ItemKind`."""
        kinds = {item.kind for item in self.items}
        return {k: sum(item.total for item in self.items if item.kind is k) for k in ItemKind if k in kinds}

    def with_charger_price(self, price: float) -> Investment:
        """The same investment with every charger at ``price`` each [currency]."""
        return Investment(
            tuple(replace(item, amount=price) if item.kind is ItemKind.CHARGER else item for item in self.items)
        )


@dataclass(frozen=True, slots=True)
class YearlyCost:
    """What the equipment costs each year beside energy, in the money of year 1 [currency/year]."""

    operation: float = 0.0
    maintenance: float = 0.0
    insurance: float = 0.0
    communication: float = 0.0
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("operation", "maintenance", "insurance", "communication"):
            finite(f"yearly cost: {name}", getattr(self, name), low=0.0)
        if self.total > 0.0:
            sourced("yearly cost", self.source)

    @property
    def total(self) -> float:
        """Sum [currency/year]."""
        return self.operation + self.maintenance + self.insurance + self.communication


@dataclass(frozen=True, slots=True)
class Replacement:
    """Equipment renewed at the end of a year.

    Attributes:
        year: when, counted from today, at least 1; one at or after the last year is not bought.
        source: who says so.
        share_of_chargers: share of what the chargers cost today.
        amount: further cost in the money of year 1 [currency].
    """

    year: int
    source: str
    share_of_chargers: float = 1.0
    amount: float = 0.0

    def __post_init__(self) -> None:
        whole("replacement: year", self.year, low=1)
        finite("replacement: share_of_chargers", self.share_of_chargers, low=0.0)
        finite("replacement: amount", self.amount, low=0.0)
        sourced("replacement", self.source)


@dataclass(frozen=True, slots=True)
class Residual:
    """What the equipment is still worth at the end of the last year, in the money of that year (not escalated).

    Attributes:
        source: who says so.
        share_of_chargers: share of what the chargers cost today, 0…1.
        amount: further value, less dismantling (then negative) [currency].
    """

    source: str
    share_of_chargers: float = 0.0
    amount: float = 0.0

    def __post_init__(self) -> None:
        finite("residual: share_of_chargers", self.share_of_chargers, low=0.0, high=1.0)
        finite("residual: amount", self.amount)
        sourced("residual", self.source)


def cash_flow(
    investment: Investment,
    yearly_saving: float | Floats,
    yearly_cost: YearlyCost,
    years: int,
    *,
    escalation: float = 0.0,
    cost_escalation: float = 0.0,
    replacements: Sequence[Replacement] = (),
    residual: Residual | None = None,
) -> Floats:
    """Money per year: the investment today, then saving less yearly cost, replacements, and the residual value.

    flow[0] = -I and flow[k] = S_k(1 + e)^(k-1) - C(1 + c)^(k-1) - R_k(1 + c)^(k-1), plus the residual in year n.
    Year 1 is taken as measured, so growth begins in year 2. A replacement due at the end of the last year or later is
    left out: the study ends there.

    Args:
        investment: paid today.
        yearly_saving: saving in the prices of year 1, one number or shape ``(years,)`` [currency/year].
        yearly_cost: operation, maintenance, insurance, communication.
        years: length n, at least 1.
        escalation: yearly growth e of the saving (prices, less fading capacity) [1/year].
        cost_escalation: yearly growth c of costs and replacements [1/year].
        replacements: equipment renewed on the way.
        residual: value at the end.

    Returns:
        Amounts, shape ``(years + 1,)`` [currency].

    Raises:
        DomainError: a length below 1, a growth of -1 or less, or anything not finite.

    >>> plan = Investment((LineItem(ItemKind.CHARGER, 1000.0, "offer"),))
    >>> upkeep = YearlyCost(maintenance=50.0, source="contract")
    >>> cash_flow(plan, 400.0, upkeep, 3, residual=Residual("resale list", 0.1)).tolist()
    [-1000.0, 350.0, 350.0, 450.0]
    """
    whole("years", years, low=1)
    power = np.arange(years, dtype=np.float64)
    saving = np.broadcast_to(np.asarray(yearly_saving, dtype=np.float64), (years,))
    if not np.isfinite(saving).all():
        msg = "yearly_saving must be finite"
        raise DomainError(msg)
    flow = np.empty(years + 1)
    flow[0] = -investment.total
    flow[1:] = saving * (1.0 + growth_rate("escalation", escalation)) ** power
    costs = np.full(years, yearly_cost.total)
    for item in replacements:
        if item.year < years:
            costs[item.year - 1] += item.share_of_chargers * investment.charger_spend + item.amount
    flow[1:] -= costs * (1.0 + growth_rate("cost_escalation", cost_escalation)) ** power
    if residual is not None:
        flow[-1] += residual.share_of_chargers * investment.charger_spend + residual.amount
    return flow
