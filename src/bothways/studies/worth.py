"""What the equipment of a strategy earns over its life, against uncontrolled charging and against smart."""

from __future__ import annotations

from dataclasses import dataclass

from bothways.economics.appraisal import Appraisal, StrategyCase, Terms, appraise_all
from bothways.economics.investment import Investment, ItemKind, LineItem, YearlyCost
from bothways.studies.result import CaseResult, InvestmentResult
from bothways.studies.scenario import EquipmentPart, InvestmentPart


@dataclass(frozen=True)
class InvestmentTerms:
    """Investments as the study uses them.

    Attributes:
        terms: years and rates.
        equipment: per strategy, all above what uncontrolled charging needs.
        yearly: per strategy, cost per year of that equipment.
    """

    terms: Terms
    equipment: dict[str, Investment]
    yearly: dict[str, YearlyCost]


def investment_terms(part: InvestmentPart, chargers: int) -> InvestmentTerms:
    """Reads the scenario's investment table for a number of chargers."""
    parts = {"smart": part.smart, "bidirectional": part.bidirectional}
    return InvestmentTerms(
        terms=Terms(
            years=part.years,
            rate=part.discount_rate,
            escalation=part.escalation,
            reinvest_rate=part.reinvestment_rate,
        ),
        equipment={name: _equipment(each, chargers) for name, each in parts.items()},
        yearly={name: _yearly(each, chargers) for name, each in parts.items()},
    )


def _equipment(part: EquipmentPart, chargers: int) -> Investment:
    items = [
        LineItem(ItemKind.CHARGER, part.charger_price, part.source, chargers, "chargers, above one-way unmanaged"),
        LineItem(ItemKind.INSTALLATION, part.installation_per_charger, part.source, chargers),
        LineItem(ItemKind.UPGRADE, part.panel_upgrade, part.source),
        LineItem(ItemKind.SUBMETERING, part.sub_metering, part.source),
        LineItem(ItemKind.REBATE, part.rebate, part.source),
    ]
    return Investment(tuple(item for item in items if item.total != 0.0 or item.kind is ItemKind.CHARGER))


def _yearly(part: EquipmentPart, chargers: int) -> YearlyCost:
    return YearlyCost(
        operation=part.yearly_operation * chargers,
        maintenance=part.yearly_maintenance * chargers,
        insurance=part.yearly_insurance * chargers,
        communication=part.yearly_communication * chargers,
        source=part.source,
    )


def investments_of(result: CaseResult, terms: InvestmentTerms) -> tuple[InvestmentResult, ...]:
    """Appraises smart and bidirectional against what comes before them; running cost is the closed loop's."""
    names = ("uncontrolled", "smart", "bidirectional")
    cases = [
        StrategyCase(
            name,
            running=result.yearly_cost(name),
            investment=terms.equipment.get(name, Investment()),
            yearly_cost=terms.yearly.get(name, YearlyCost()),
        )
        for name in names
    ]
    return tuple(_shown(appraisal, terms) for appraisal in appraise_all(cases, terms.terms))


def _shown(appraisal: Appraisal, terms: InvestmentTerms) -> InvestmentResult:
    own = terms.equipment[appraisal.strategy]
    before = terms.equipment.get(appraisal.reference, Investment())
    lines = [(item.label, item.total) for item in own.items]
    lines += [(f"less {item.label} of {appraisal.reference}", -item.total) for item in before.items]
    return InvestmentResult(
        strategy=appraisal.strategy,
        reference=appraisal.reference,
        lines=tuple(lines),
        outlay=appraisal.extra_investment,
        yearly_saving=appraisal.yearly_saving,
        yearly_cost=appraisal.extra_yearly_cost,
        npv=appraisal.npv,
        irr=appraisal.irr,
        mirr=appraisal.mirr,
        simple_payback_years=appraisal.simple_payback,
        discounted_payback_years=appraisal.discounted_payback,
        break_even_charger_price=appraisal.break_even_charger_price,
        years=terms.terms.years,
        discount_rate=terms.terms.rate,
        cash_flow=tuple(float(amount) for amount in appraisal.flow),
    )
