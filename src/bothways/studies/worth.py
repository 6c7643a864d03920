"""What the equipment of a strategy earns over its life, against uncontrolled charging and against smart."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from bothways.economics.appraisal import Appraisal, StrategyCase, Terms, appraise_all
from bothways.economics.investment import Investment, ItemKind, LineItem, Replacement, YearlyCost
from bothways.economics.statement import DAYS_PER_YEAR
from bothways.economics.wear import lifetime_throughput_kwh
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
    """Appraises smart and bidirectional against what comes before them; running cost is the closed loop's.

    A stationary battery that is bought is a line of both, and is bought again when its cycles are used up. Its wear is
    then no running cost: the price would be paid twice.
    """
    names = ("uncontrolled", "smart", "bidirectional")
    terms = _with_battery(terms, result)
    cases = [
        StrategyCase(
            name,
            running=result.yearly_cost(name) - _battery_wear(result, name),
            investment=terms.equipment.get(name, Investment()),
            yearly_cost=terms.yearly.get(name, YearlyCost()),
            replacements=_battery_again(result, name, terms.terms.years),
        )
        for name in names
    ]
    return tuple(_shown(appraisal, terms) for appraisal in appraise_all(cases, terms.terms))


def _with_battery(terms: InvestmentTerms, result: CaseResult) -> InvestmentTerms:
    own = result.case.battery
    if own is None or not own.bought:
        return terms
    name = "second-life stationary battery" if own.health < 1.0 else "stationary battery"
    line = LineItem(ItemKind.OTHER, own.price, own.source, 1, name)
    return replace(
        terms, equipment={key: Investment((*each.items, line)) for key, each in terms.equipment.items()}
    )  # fmt: skip


def _battery_out_per_year(result: CaseResult, name: str) -> float:
    """Energy that a bought battery delivers in a year under a strategy [kWh, AC side]."""
    own = result.case.battery
    if own is None or not own.bought:
        return 0.0
    flow = result.outcome(name).run.flows.battery
    hours_per_year = 24.0 * float(DAYS_PER_YEAR)
    return float(np.maximum(-flow, 0.0).mean()) * hours_per_year


def _battery_wear(result: CaseResult, name: str) -> float:
    own = result.case.battery
    return 0.0 if own is None else own.wear_per_kwh * _battery_out_per_year(result, name)


def _battery_again(result: CaseResult, name: str, years: int) -> tuple[Replacement, ...]:
    """A bought battery is bought again whenever its cycles are used up within the years counted."""
    own, out = result.case.battery, _battery_out_per_year(result, name)
    if own is None or out <= 0.0 or math.isinf(own.remaining_cycles):
        return ()
    life = lifetime_throughput_kwh(own.capacity_kwh, own.remaining_cycles) * own.eta_d / out
    ends = [math.ceil(life * (k + 1)) for k in range(math.floor(years / life))]
    return tuple(Replacement(max(1, end), own.source, 0.0, own.price) for end in ends if end < years)


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
