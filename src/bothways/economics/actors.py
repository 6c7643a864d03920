"""Who pays whom: cash flows between named actors, which sum to zero against the outside world (R46).

A saving of one actor is usually a cost of another. A set of payments shows both; what is left when the actors under
study are added up came from, or went to, the outside world, and nowhere else. Ledger money is ``Decimal``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from bothways.domain.errors import DomainError
from bothways.economics.figures import decimal
from bothways.economics.statement import Amount, LineGroup, Statement

OUTSIDE = "outside world"
"""Everybody who is not an actor of the study."""

_FINEST = Decimal("0.000001")  # with the largest amount below, sums of a million payments stay exact in 28 digits
_LARGEST = Decimal(10) ** 15

TWELVE_ACTORS = (
    "car maker",
    "battery maker",
    "vehicle owner",
    "energy supplier",
    "grid operator",
    "fleet",
    "aggregator",
    "mobility service",
    "renewable producer",
    "public transit",
    "second-hand vehicle buyer",
    "secondary battery market",
)
"""The actors that the requirements name (R46); a study declares those it has, and others such as site or driver."""


@dataclass(frozen=True, slots=True)
class Payment:
    """Money from one actor to another.

    Attributes:
        payer: who pays.
        payee: who receives, somebody else.
        what: what for.
        amount: at least 0 and rounded to money [currency]; see :func:`pay` for amounts of either sign.
    """

    payer: str
    payee: str
    what: str
    amount: Decimal

    def __post_init__(self) -> None:
        if self.payer == self.payee:
            msg = f"{self.what}: {self.payer} cannot pay itself"
            raise DomainError(msg)
        if not self.amount.is_finite() or self.amount < 0:
            msg = f"{self.what}: a payment must be a finite amount of at least 0, not {self.amount}; swap the actors"
            raise DomainError(msg)
        if self.amount >= _LARGEST or self.amount != self.amount.quantize(_FINEST):
            msg = f"{self.what}: {self.amount} is not an amount of money; round it to the currency's smallest unit"
            raise DomainError(msg)


def pay(payer: str, payee: str, what: str, amount: Amount) -> Payment:
    """Makes a payment; a negative amount (a credit) flows the other way.

    >>> pay("site", "energy supplier", "export credit", "-12.50")
    Payment(payer='energy supplier', payee='site', what='export credit', amount=Decimal('12.50'))
    """
    value = decimal(what, amount)
    return Payment(payer, payee, what, value) if value >= 0 else Payment(payee, payer, what, -value)


@dataclass(frozen=True)
class CashFlows:
    """Payments of one period between declared actors and the outside world.

    Attributes:
        currency: ISO 4217 code.
        actors: the actors under study, in the order of tables; :data:`OUTSIDE` is always there and not among them.
        payments: in the order they were entered.

    Raises:
        DomainError: an actor twice, or a payment of somebody who was not declared.

    >>> flows = CashFlows("EUR", ("driver", "site"), (
    ...     pay("site", OUTSIDE, "energy", "100.00"), pay("driver", "site", "charging", "130.00"),
    ...     pay("site", "driver", "for discharging", "20.00")))
    >>> {actor: str(amount) for actor, amount in flows.nets().items()}
    {'driver': '-110.00', 'site': '10.00', 'outside world': '100.00'}
    """

    currency: str
    actors: tuple[str, ...]
    payments: tuple[Payment, ...] = ()

    def __post_init__(self) -> None:
        names = [*self.actors, OUTSIDE]
        if len(set(names)) != len(names):
            msg = f"actors repeat, or are called {OUTSIDE!r}: {', '.join(self.actors)}"
            raise DomainError(msg)
        strangers = {name for entry in self.payments for name in (entry.payer, entry.payee)} - set(names)
        if strangers:
            msg = f"payments name actors that are not declared: {', '.join(sorted(strangers))}"
            raise DomainError(msg)

    def with_payments(self, payments: Iterable[Payment]) -> CashFlows:
        """The same actors with further payments."""
        return CashFlows(self.currency, self.actors, (*self.payments, *payments))

    @property
    def everybody(self) -> tuple[str, ...]:
        """The actors and the outside world."""
        return (*self.actors, OUTSIDE)

    def matrix(self) -> tuple[tuple[Decimal, ...], ...]:
        """Sums by payer (row) and payee (column), in the order of :attr:`everybody` [currency]."""
        place = {name: k for k, name in enumerate(self.everybody)}
        cells = [[Decimal(0)] * len(place) for _ in place]
        for entry in self.payments:
            cells[place[entry.payer]][place[entry.payee]] += entry.amount
        return tuple(tuple(row) for row in cells)

    def net(self, actor: str) -> Decimal:
        """Received less paid by ``actor`` [currency].

        Raises:
            DomainError: nobody of that name.
        """
        if actor not in self.everybody:
            msg = f"there is no actor {actor!r}; there are {', '.join(self.everybody)}"
            raise DomainError(msg)
        received = sum((entry.amount for entry in self.payments if entry.payee == actor), Decimal(0))
        return received - sum((entry.amount for entry in self.payments if entry.payer == actor), Decimal(0))

    def nets(self) -> dict[str, Decimal]:
        """Received less paid by everybody; the values sum to exactly zero [currency]."""
        return {name: self.net(name) for name in self.everybody}

    def gained_from_outside(self) -> Decimal:
        """What the actors together received from the outside world less what they paid it [currency]."""
        return -self.net(OUTSIDE)

    def rows(self) -> list[dict[str, str]]:
        """The payments as text, for tables and files."""
        return [
            {
                "payer": entry.payer,
                "payee": entry.payee,
                "what": entry.what,
                "amount": str(entry.amount),
                "currency": self.currency,
            }
            for entry in self.payments
        ]


def payments_of(
    statement: Statement, parties: Mapping[LineGroup | str, tuple[str, str]], *, yearly: bool = True
) -> tuple[Payment, ...]:
    """Turns a statement's lines into payments; every line into exactly one.

    Args:
        statement: of a strategy.
        parties: (payer, payee) by line name or, for lines not named, by group; a credit flows the other way.
        yearly: the amounts per year rather than those of the period.

    Returns:
        One payment per line whose amount is not zero, so that what the payers pay is the statement's total.

    Raises:
        DomainError: lines that no entry of ``parties`` covers (all are named), or an entry that covers no line's name.

    >>> from bothways.economics.statement import Period, annual_statement
    >>> year = annual_statement("smart", {"energy": 90, "export_credit": -5}, Period(365.25, 12), currency="EUR",
    ...                         vehicles=1, sessions=300)
    >>> entries = payments_of(year, {LineGroup.BILL: ("site", "energy supplier")})
    >>> [(entry.payer, entry.what, str(entry.amount)) for entry in entries]
    [('site', 'energy', '90.00'), ('energy supplier', 'export_credit', '5.00')]
    """
    names = {line.name for line in statement.lines}
    uncovered = [line.name for line in statement.lines if line.name not in parties and line.group not in parties]
    unknown = [str(key) for key in parties if not isinstance(key, LineGroup) and key not in names]
    if uncovered or unknown:
        said = [f"nobody is named for {', '.join(uncovered)}"] if uncovered else []
        said += [f"there is no line {', '.join(unknown)}"] if unknown else []
        msg = f"statement of {statement.strategy}: {'; '.join(said)}"
        raise DomainError(msg)
    entries = []
    for line in statement.lines:
        payer, payee = parties[line.name] if line.name in parties else parties[line.group]
        amount = line.yearly if yearly else line.amount
        if amount != 0:
            entries.append(pay(payer, payee, line.name, amount))
    return tuple(entries)
