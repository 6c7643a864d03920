"""Whether changing from one strategy to another pays.

The honest question is incremental: not what a bidirectional site earns against plugging in and charging at once, but
what bidirectionality adds to smart charging. :func:`appraise` therefore always takes a reference, and
:func:`appraise_all` shows every pair of strategies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bothways.economics import returns
from bothways.economics.figures import Figure, Floats, finite, growth_rate, whole
from bothways.economics.investment import Investment, ItemKind, Replacement, Residual, YearlyCost, cash_flow


@dataclass(frozen=True, slots=True)
class Terms:
    """How the years are counted, the same for every strategy.

    Attributes:
        years: length of the study.
        rate: discount rate [1/year].
        escalation: yearly growth of energy money, i.e. of the saving [1/year].
        cost_escalation: yearly growth of other costs [1/year].
        finance_rate: what money costs, for the MIRR [1/year]; ``rate`` where ``None``.
        reinvest_rate: what receipts earn, for the MIRR [1/year]; ``rate`` where ``None``.
    """

    years: int
    rate: float
    escalation: float = 0.0
    cost_escalation: float = 0.0
    finance_rate: float | None = None
    reinvest_rate: float | None = None

    def __post_init__(self) -> None:
        whole("years", self.years, low=1)
        for name in ("rate", "finance_rate", "reinvest_rate", "escalation", "cost_escalation"):
            value = getattr(self, name)
            if value is not None:
                growth_rate(name, value)


@dataclass(frozen=True, slots=True)
class StrategyCase:
    """One strategy as money.

    Attributes:
        strategy: name (uncontrolled, smart, bidirectional, …).
        running: cost per year of running the site this way: bill, wear, energy not served [currency/year].
        investment: equipment that it needs.
        yearly_cost: cost per year of that equipment.
        replacements: equipment renewed on the way.
        residual: value at the end.
    """

    strategy: str
    running: float
    investment: Investment = field(default_factory=Investment)
    yearly_cost: YearlyCost = field(default_factory=YearlyCost)
    replacements: tuple[Replacement, ...] = ()
    residual: Residual | None = None

    def __post_init__(self) -> None:
        finite(f"{self.strategy}: running cost", self.running)

    def flow(self, terms: Terms) -> Floats:
        """What the strategy costs (negative) per year, shape ``(years + 1,)`` [currency]."""
        return cash_flow(
            self.investment,
            -self.running,
            self.yearly_cost,
            terms.years,
            escalation=terms.escalation,
            cost_escalation=terms.cost_escalation,
            replacements=self.replacements,
            residual=self.residual,
        )


@dataclass(frozen=True)
class Appraisal:
    """What changing from one strategy to another brings.

    Attributes:
        strategy: the one changed to.
        reference: the one changed from.
        extra_investment: difference paid today [currency].
        yearly_saving: difference in running cost, year 1 [currency/year].
        extra_yearly_cost: difference in yearly cost of equipment, year 1 [currency/year].
        flow: difference per year, shape ``(years + 1,)`` [currency].
        npv: net present value [currency].
        irr: internal rate of return [1/year].
        mirr: modified internal rate of return [1/year].
        simple_payback: years.
        discounted_payback: years.
        break_even_charger_price: price per charger of ``strategy`` at which the NPV is zero [currency].
    """

    strategy: str
    reference: str
    extra_investment: float
    yearly_saving: float
    extra_yearly_cost: float
    flow: Floats
    npv: float
    irr: Figure
    mirr: Figure
    simple_payback: Figure
    discounted_payback: Figure
    break_even_charger_price: Figure


def appraise(case: StrategyCase, reference: StrategyCase, terms: Terms) -> Appraisal:
    """Appraises the change from ``reference`` to ``case``: the flow is the difference of the two flows.

    Args:
        case: the strategy changed to.
        reference: the strategy changed from.
        terms: years and rates.

    Returns:
        The differences and the measures of the difference.

    >>> smart = StrategyCase("smart", running=9_000.0)
    >>> from bothways.economics.investment import LineItem
    >>> chargers = Investment((LineItem(ItemKind.CHARGER, 3_000.0, "offer", count=2),))
    >>> both = StrategyCase("bidirectional", running=8_000.0, investment=chargers)
    >>> result = appraise(both, smart, Terms(years=10, rate=0.05))
    >>> round(result.npv, 2), round(result.break_even_charger_price.value, 2)
    (1721.73, 3860.87)
    """
    flow = case.flow(terms) - reference.flow(terms)
    finance = terms.rate if terms.finance_rate is None else terms.finance_rate
    reinvest = terms.rate if terms.reinvest_rate is None else terms.reinvest_rate
    return Appraisal(
        strategy=case.strategy,
        reference=reference.strategy,
        extra_investment=case.investment.total - reference.investment.total,
        yearly_saving=reference.running - case.running,
        extra_yearly_cost=case.yearly_cost.total - reference.yearly_cost.total,
        flow=flow,
        npv=returns.npv(terms.rate, flow),
        irr=returns.irr(flow),
        mirr=returns.mirr(flow, finance, reinvest),
        simple_payback=returns.simple_payback(flow),
        discounted_payback=returns.discounted_payback(flow, terms.rate),
        break_even_charger_price=break_even_charger_price(case, reference, terms),
    )


def appraise_all(cases: Sequence[StrategyCase], terms: Terms) -> tuple[Appraisal, ...]:
    """Appraises each strategy against each one before it in ``cases`` (order: least to most controlled).

    With uncontrolled, smart, bidirectional the pairs are smart/uncontrolled, bidirectional/uncontrolled and
    bidirectional/smart; the flow of the second is the sum of the other two.

    >>> cases = [StrategyCase("uncontrolled", 10.0), StrategyCase("smart", 8.0), StrategyCase("bidirectional", 7.0)]
    >>> [(a.strategy, a.reference, a.yearly_saving) for a in appraise_all(cases, Terms(1, 0.05))]
    [('smart', 'uncontrolled', 2.0), ('bidirectional', 'uncontrolled', 3.0), ('bidirectional', 'smart', 1.0)]
    """
    return tuple(appraise(case, reference, terms) for number, case in enumerate(cases) for reference in cases[:number])


def break_even_charger_price(case: StrategyCase, reference: StrategyCase, terms: Terms) -> Figure:
    """Price per charger of ``case`` at which changing from ``reference`` has an NPV of zero [currency each].

    The NPV is linear in that price (purchase, replacements and residual shares follow it; rebates, installation and
    the reference's chargers do not), so the value with chargers for free over the cost of one unit of price gives it
    exactly. Where chargers of several prices are bought the figure is one price for all.

    Args:
        case: the strategy changed to, with at least one charger among its items.
        reference: the strategy changed from; keeps its own charger prices.
        terms: years and rates.

    Returns:
        The price; negative with a note where the change does not pay even with chargers for free; ``None`` with the
        reason where no charger is bought or the price does not matter.
    """
    if case.investment.charger_count == 0:
        return Figure(None, f"{case.strategy} buys no charger")
    free = replace(case, investment=case.investment.with_charger_price(0.0))
    value_free = returns.npv(terms.rate, free.flow(terms) - reference.flow(terms))
    per_unit = returns.npv(terms.rate, _only_chargers(case, price=1.0).flow(terms))
    if per_unit >= 0.0:
        return Figure(None, "a dearer charger does not lower the value: its residual share gives back all it cost")
    price = -value_free / per_unit
    note = "" if price >= 0.0 else "does not pay even with chargers for free: this much per charger is missing"
    return Figure(price, note)


def _only_chargers(case: StrategyCase, price: float) -> StrategyCase:
    """The part of ``case`` that follows the price of chargers."""
    chargers = tuple(item for item in case.investment.items if item.kind is ItemKind.CHARGER)
    return StrategyCase(
        case.strategy,
        running=0.0,
        investment=Investment(chargers).with_charger_price(price),
        replacements=tuple(replace(item, amount=0.0) for item in case.replacements),
        residual=None if case.residual is None else replace(case.residual, amount=0.0),
    )
