"""A strategy's year in money: every line, exact to the cent, and how the period was turned into a year.

Ledger money is ``Decimal``. Positive is a cost, negative a credit. A line is rounded once, when it enters the
statement; the lines of the bill are rounded together so that they still add up to the bill
(:func:`apportion`). Totals are sums of lines, never numbers of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Literal

from bothways.domain.errors import DomainError
from bothways.economics.figures import above_zero, decimal, finite, sourced, whole

Amount = Decimal | float | str

DAYS_PER_YEAR = Decimal("365.25")
MONTHLY_COMPONENTS = frozenset({"demand_tou", "demand_flat", "fixed"})
"""Components that are charged once per billing month, however long it is."""


class LineGroup(StrEnum):
    """What kind of cost a line is."""

    BILL = "bill"
    WEAR = "battery wear"
    NOT_SERVED = "energy not served"
    CO2 = "CO₂"


class Basis(StrEnum):
    """How a line grows from the period to the year."""

    DAYS = "by days"
    MONTHS = "by billing months"


@dataclass(frozen=True, slots=True)
class Period:
    """What was studied.

    Attributes:
        days: length [days].
        billing_months: number of billing months whose monthly charges are in the bill.

    >>> july = Period(days=31, billing_months=1)
    >>> july.factor(Basis.MONTHS)
    Decimal('12')
    >>> july.note
    'to a year: energy lines × 365.25/31 = 11.7823, monthly lines × 12/1 = 12.0000; seasons not studied are not in it'
    """

    days: float
    billing_months: float

    def __post_init__(self) -> None:
        above_zero("period: days", self.days)
        above_zero("period: billing_months", self.billing_months)

    def factor(self, basis: Basis) -> Decimal:
        """Years' worth of the period: what an amount is multiplied with."""
        if basis is Basis.DAYS:
            return DAYS_PER_YEAR / decimal("days", self.days)
        return Decimal(12) / decimal("billing_months", self.billing_months)

    @property
    def whole_year(self) -> bool:
        """Whether the period is a calendar year of days and months, so that scaling adds no season."""
        return 365 <= self.days <= 366 and self.billing_months == 12

    @property
    def note(self) -> str:
        """The scaling in words, for the report."""
        rule = (
            f"to a year: energy lines × 365.25/{self.days:g} = {self.factor(Basis.DAYS):.4f}, "
            f"monthly lines × 12/{self.billing_months:g} = {self.factor(Basis.MONTHS):.4f}"
        )
        return rule if self.whole_year else f"{rule}; seasons not studied are not in it"


@dataclass(frozen=True, slots=True)
class EnergyCost:
    """Energy at a price that is an assumption: wear, or energy that drivers buy elsewhere.

    Attributes:
        kwh: energy over the period [kWh], at least 0.
        price_per_kwh: price [currency/kWh].
        assumption: where the price comes from.
        name: of the line, where there are several.
    """

    kwh: float
    price_per_kwh: float
    assumption: str
    name: str = ""

    def __post_init__(self) -> None:
        finite("kwh", self.kwh, low=0.0)
        finite("price_per_kwh", self.price_per_kwh)
        sourced(self.name or "a price of energy", self.assumption)

    @property
    def amount(self) -> Decimal:
        """Energy × price, unrounded [currency]."""
        return decimal("kwh", self.kwh) * decimal("price_per_kwh", self.price_per_kwh)


@dataclass(frozen=True, slots=True)
class CarbonCost:
    """Emissions of one ledger at a price.

    Attributes:
        kg: emissions over the period [kg].
        price_per_tonne: price [currency/t].
        ledger: which ledger ``kg`` is from; never both.
        assumption: where the price comes from, and why it is not already inside the energy price.
    """

    kg: float
    price_per_tonne: float
    ledger: Literal["average", "marginal"]
    assumption: str

    def __post_init__(self) -> None:
        finite("kg", self.kg)
        finite("price_per_tonne", self.price_per_tonne, low=0.0)
        sourced("a price of CO₂", self.assumption)

    @property
    def amount(self) -> Decimal:
        """Mass × price, unrounded [currency]."""
        return decimal("kg", self.kg) * decimal("price_per_tonne", self.price_per_tonne) / 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement.

    Attributes:
        name: unique within its statement.
        group: kind of cost.
        basis: how it was scaled.
        amount: over the period, rounded [currency].
        yearly: over a year, rounded [currency]; scaled before rounding.
        note: the assumption behind it; empty for lines of the bill.
    """

    name: str
    group: LineGroup
    basis: Basis
    amount: Decimal
    yearly: Decimal
    note: str = ""


@dataclass(frozen=True)
class Statement:
    """A strategy's lines with what they add up to; built by :func:`annual_statement`."""

    strategy: str
    currency: str
    period: Period
    vehicles: int
    sessions: int
    minor_digits: int
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        """Sum of the lines over the period [currency]."""
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def yearly_total(self) -> Decimal:
        """Sum of the lines over a year [currency]."""
        return sum((line.yearly for line in self.lines), Decimal(0))

    def subtotal(self, group: LineGroup) -> Decimal:
        """Sum of one group over the period [currency]."""
        return sum((line.amount for line in self.lines if line.group is group), Decimal(0))

    def yearly_subtotal(self, group: LineGroup) -> Decimal:
        """Sum of one group over a year [currency]."""
        return sum((line.yearly for line in self.lines if line.group is group), Decimal(0))

    @property
    def per_vehicle_year(self) -> Decimal | None:
        """Yearly total per vehicle, rounded [currency]; ``None`` without vehicles."""
        return None if self.vehicles == 0 else rounded(self.yearly_total / self.vehicles, self.minor_digits)

    @property
    def per_session(self) -> Decimal | None:
        """Period total per session, rounded [currency]; ``None`` without sessions."""
        return None if self.sessions == 0 else rounded(self.total / self.sessions, self.minor_digits)

    def rows(self) -> list[dict[str, str]]:
        """The lines as text, for tables and files; amounts keep all their digits."""
        return [
            {
                "strategy": self.strategy,
                "group": line.group.value,
                "name": line.name,
                "amount": str(line.amount),
                "yearly": str(line.yearly),
                "basis": line.basis.value,
                "currency": self.currency,
                "note": line.note,
            }
            for line in self.lines
        ]


def rounded(amount: Decimal, minor_digits: int = 2) -> Decimal:
    """Rounds to the smallest unit of money, half away from zero.

    >>> rounded(Decimal("2.675")), rounded(Decimal("-2.675")), rounded(Decimal("120.5"), 0)
    (Decimal('2.68'), Decimal('-2.68'), Decimal('121'))
    """
    return amount.quantize(Decimal(1).scaleb(-minor_digits), rounding=ROUND_HALF_UP)


def apportion(amounts: Sequence[Decimal], total: Decimal, minor_digits: int = 2) -> tuple[Decimal, ...]:
    """Rounds amounts so that they sum to ``total`` rounded: the largest remainders are rounded up (Hamilton's method).

    Every result lies within one smallest unit of its amount where ``total`` is the sum of the amounts.

    Args:
        amounts: unrounded [currency].
        total: what they are to add up to [currency].
        minor_digits: digits after the point of the smallest unit.

    Raises:
        DomainError: ``total`` is half a smallest unit or more away from the sum: a line is missing or counted twice.

    >>> apportion([Decimal("0.333"), Decimal("0.333"), Decimal("0.334")], Decimal("1.00"))
    (Decimal('0.33'), Decimal('0.33'), Decimal('0.34'))
    """
    unit = Decimal(1).scaleb(-minor_digits)
    exact = sum(amounts, Decimal(0))
    if abs(exact - total) > unit / 2:
        msg = f"the lines add up to {exact}, the total is {total}: a line is missing or counted twice"
        raise DomainError(msg)
    if not amounts:
        return ()
    floors = [amount.quantize(unit, rounding=ROUND_FLOOR) for amount in amounts]
    missing = int((rounded(total, minor_digits) - sum(floors, Decimal(0))) / unit)
    each, ups = divmod(missing, len(amounts))
    by_remainder = sorted(range(len(amounts)), key=lambda k: (floors[k] - amounts[k], k))
    winners = set(by_remainder[:ups])
    return tuple(floor + unit * (each + (k in winners)) for k, floor in enumerate(floors))


def annual_statement(
    strategy: str,
    bill: Mapping[str, Amount],
    period: Period,
    *,
    currency: str,
    vehicles: int,
    sessions: int,
    bill_total: Amount | None = None,
    monthly: Collection[str] = MONTHLY_COMPONENTS,
    wear: Sequence[EnergyCost] = (),
    not_served: EnergyCost | None = None,
    carbon: CarbonCost | None = None,
    minor_digits: int = 2,
) -> Statement:
    """Builds a strategy's statement from its bill by component and the costs that no bill shows.

    Scaling to a year is explicit: components named in ``monthly`` grow with 12 / billing months, everything else with
    365.25 / days; ``Statement.period.note`` says so. A tariff's levies, its export credit and a penalty are components
    like any other, so double charging (levies on import and again on re-export) stays a line of its own.

    Args:
        strategy: name.
        bill: amount over the period by component [currency]; credits negative.
        period: what was studied.
        currency: ISO 4217 code.
        vehicles: number of vehicles served; 0 where unknown.
        sessions: number of sessions in the period.
        bill_total: the tariff engine's own total; checked against the components to the cent where given.
        monthly: components that are charged by the month.
        wear: battery wear, one entry per kind of battery.
        not_served: energy that drivers did not get, at the price they pay elsewhere.
        carbon: optional cost of emissions, from one ledger.
        minor_digits: digits of the smallest unit of money (2 for cents, 0 for yen).

    Raises:
        DomainError: components that do not add up to ``bill_total``, NaN, or names that repeat.

    >>> year = annual_statement(
    ...     "smart", {"energy": "1234.567", "demand_flat": "310.00", "export_credit": "-20.005"}, Period(31, 1),
    ...     currency="USD", vehicles=10, sessions=400, wear=[EnergyCost(100.0, 0.05, "assumed")],
    ... )
    >>> year.total, year.yearly_subtotal(LineGroup.BILL), year.yearly_total
    (Decimal('1529.56'), Decimal('18030.28'), Decimal('18089.19'))
    """
    whole("vehicles", vehicles)
    whole("sessions", sessions)
    by_name = {name: decimal(f"bill component {name}", amount) for name, amount in bill.items()}
    amounts = list(by_name.values())
    bases = [Basis.MONTHS if name in monthly else Basis.DAYS for name in by_name]
    exact = sum(amounts, Decimal(0))
    total = exact if bill_total is None else decimal("bill_total", bill_total)
    scaled = [amount * period.factor(basis) for amount, basis in zip(amounts, bases, strict=True)]
    now = apportion(amounts, total, minor_digits)
    yearly = apportion(scaled, sum(scaled, Decimal(0)), minor_digits)
    lines = [
        Line(name, LineGroup.BILL, basis, amount, year)
        for name, basis, amount, year in zip(by_name, bases, now, yearly, strict=True)
    ]
    lines += _priced_lines(period, wear, not_served, carbon, minor_digits)
    names = [line.name for line in lines]
    if len(set(names)) != len(names):
        repeated = sorted({name for name in names if names.count(name) > 1})
        msg = f"statement of {strategy}: names of lines repeat: {', '.join(repeated)}"
        raise DomainError(msg)
    return Statement(strategy, currency, period, vehicles, sessions, minor_digits, tuple(lines))


def _priced_lines(
    period: Period,
    wear: Sequence[EnergyCost],
    not_served: EnergyCost | None,
    carbon: CarbonCost | None,
    minor_digits: int,
) -> list[Line]:
    """Lines that rest on an assumed price, each with that assumption as its note."""
    priced: list[tuple[str, LineGroup, Decimal, str]] = []
    for item in wear:
        note = f"{item.kwh:g} kWh at {item.price_per_kwh:g} per kWh: {item.assumption}"
        priced.append((item.name or "wear", LineGroup.WEAR, item.amount, note))
    if not_served is not None:
        note = f"{not_served.kwh:g} kWh at {not_served.price_per_kwh:g} per kWh elsewhere: {not_served.assumption}"
        priced.append((not_served.name or "not_served", LineGroup.NOT_SERVED, not_served.amount, note))
    if carbon is not None:
        note = f"{carbon.kg:g} kg ({carbon.ledger} ledger) at {carbon.price_per_tonne:g} per t: {carbon.assumption}"
        priced.append((f"co2_{carbon.ledger}", LineGroup.CO2, carbon.amount, note))
    factor = period.factor(Basis.DAYS)
    return [
        Line(name, group, Basis.DAYS, rounded(amount, minor_digits), rounded(amount * factor, minor_digits), note)
        for name, group, amount, note in priced
    ]


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of two statements side by side.

    Attributes:
        name: of the line.
        group: kind of cost.
        yearly: the strategy's amount [currency/year].
        reference_yearly: the reference's amount [currency/year].
        saving: over the period, positive where the strategy costs less [currency].
        yearly_saving: over a year [currency/year].
    """

    name: str
    group: LineGroup
    yearly: Decimal
    reference_yearly: Decimal
    saving: Decimal
    yearly_saving: Decimal


def differences(statement: Statement, reference: Statement) -> tuple[Difference, ...]:
    """Compares two statements line by line; savings add up to the difference of the totals, to the cent.

    Args:
        statement: the strategy.
        reference: what it is compared to, over the same period and sessions.

    Returns:
        One entry per line of either, in the order of the reference, then new lines.

    Raises:
        DomainError: other currency, period, vehicles or sessions: the two are not comparable.
    """
    for name in ("currency", "period", "vehicles", "sessions", "minor_digits"):
        ours, theirs = getattr(statement, name), getattr(reference, name)
        if ours != theirs:
            msg = f"{statement.strategy} and {reference.strategy} differ in {name} ({ours} and {theirs})"
            raise DomainError(msg)
    mine = {(line.group, line.name): line for line in statement.lines}
    other = {(line.group, line.name): line for line in reference.lines}
    zero = Decimal(0)
    rows = []
    for key in [*other, *(key for key in mine if key not in other)]:
        here, there = mine.get(key), other.get(key)
        amount, yearly = (here.amount, here.yearly) if here else (zero, zero)
        amount_there, yearly_there = (there.amount, there.yearly) if there else (zero, zero)
        rows.append(Difference(key[1], key[0], yearly, yearly_there, amount_there - amount, yearly_there - yearly))
    return tuple(rows)
