"""The answer in sentences: what a case is worth, how sure that is, and what the money leaves out. Plain text."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bothways.studies.inputs import StudyInputs
from bothways.studies.report.amounts import find, yearly_blindness, yearly_saving
from bothways.studies.report.text import about, count, energy, money, number, percent, sentence, sentence_list
from bothways.studies.result import CaseResult, InvestmentResult, StudyResult

_NEGLIGIBLE = 5e-4  # share of the reference cost below which a saving is no finding


@dataclass(frozen=True)
class Phrase:
    """A piece of a sentence; ``emphasis`` is ``smart`` or ``bidirectional`` where it speaks of that strategy."""

    text: str
    emphasis: str = ""


@dataclass(frozen=True)
class Key:
    """One figure of the answer: label, value with unit, and a remark."""

    label: str
    value: str
    remark: str
    strategy: str = ""


def chargers(inputs: StudyInputs) -> int:
    """Number of EVSEs of the study."""
    return inputs.stays.evse_count


def vehicles(inputs: StudyInputs) -> int | None:
    """Number of distinct vehicles, ``None`` where not every stay names one."""
    named = {name for name in inputs.vehicle_id if name is not None}
    return len(named) if inputs.vehicle_id and None not in inputs.vehicle_id else None


def per_unit(inputs: StudyInputs, amount: float) -> str:
    """An amount of money per charger, and per vehicle where vehicles are known and not as many as chargers."""
    count_chargers, count_vehicles = chargers(inputs), vehicles(inputs)
    currency = inputs.currency
    if count_vehicles and count_vehicles == count_chargers:
        return f"{money(amount / count_vehicles, currency)} per vehicle"
    text = f"{money(amount / max(1, count_chargers), currency)} per charger"
    if count_vehicles:
        text += f", {money(amount / count_vehicles, currency)} per vehicle"
    return text


def answer(result: CaseResult, inputs: StudyInputs) -> tuple[Phrase, ...]:
    """The answer of a case in one sentence, as phrases."""
    smart = yearly_saving(result, "smart", "uncontrolled")
    both = yearly_saving(result, "bidirectional", "smart")
    direct = yearly_saving(result, "bidirectional", "uncontrolled")
    scale = _NEGLIGIBLE * abs(result.yearly_cost((find(result, "uncontrolled") or result.outcomes[0]).run.key))
    phrases: list[Phrase] = []
    if smart is not None:
        phrases += _finding("Smart charging", smart, scale, inputs, "uncontrolled charging", "smart")
    if both is not None:
        lead = "; feeding energy back" if phrases else "Feeding energy back"
        phrases += _finding(lead, both, scale, inputs, "smart charging", "bidirectional")
    elif direct is not None:
        phrases += _finding(
            "Charging in both directions", direct, scale, inputs, "uncontrolled charging", "bidirectional"
        )
    if not phrases:
        return (Phrase("Only one strategy was played, so there is nothing to compare."),)
    phrases.append(Phrase(", battery wear and energy not served counted, before the price of equipment."))
    return tuple(phrases)


def _finding(
    subject: str, saving: float, scale: float, inputs: StudyInputs, reference: str, strategy: str
) -> list[Phrase]:
    """What a strategy saves or costs in a year; an amount too small to be a finding is called so."""
    amount = money(abs(saving), inputs.currency)
    each = "" if chargers(inputs) == 1 else f" ({per_unit(inputs, abs(saving))})"
    if abs(saving) <= max(scale, 0.005):
        text = f"{subject} changes next to nothing"
        return [Phrase(text, strategy), Phrase(f"against {reference} ({money(saving, inputs.currency)} a year)")]
    if saving > 0:
        again = " another" if subject.startswith(";") else ""
        joined = "on top of" if again else "against"
        return [Phrase(f"{subject} saves{again} {amount} a year", strategy), Phrase(f"{joined} {reference}{each}")]
    return [Phrase(f"{subject} costs {amount} a year more", strategy), Phrase(f"than {reference}{each}")]


def equipment(result: CaseResult, inputs: StudyInputs) -> tuple[str, ...]:
    """Whether the equipment pays, a sentence per comparison; says so where no prices were given."""
    if not result.investments:
        return ("No prices of equipment were given, so nothing is said about payback.",)
    return tuple(_pays(item, inputs.currency) for item in result.investments)


def _pays(item: InvestmentResult, currency: str) -> str:
    what = f"{sentence(item.strategy)} equipment instead of {item.reference}"
    worth = f"net present value {money(item.npv, currency)} over {item.years} years"
    if item.npv >= 0:
        when = item.discounted_payback_years.value
        after = f" after {number(when, 1)} years" if when else ""
        return f"{what} pays for itself{after}: {worth}."
    price = item.break_even_charger_price.value
    if price is None:
        return f"{what} does not pay for itself: {worth}."
    if price <= 0:
        return f"{what} does not pay for itself at any charger price: {worth}."
    return f"{what} does not pay for itself: {worth}. It would below {money(price, currency)} per charger."


def keys(result: CaseResult, inputs: StudyInputs) -> tuple[Key, ...]:
    """Four figures that carry the answer."""
    currency = inputs.currency
    found: list[Key] = []
    for strategy, reference, label in (
        ("smart", "uncontrolled", "Smart saves against uncontrolled, per year"),
        ("bidirectional", "smart", "Two-way adds to smart, per year"),
    ):
        saving = yearly_saving(result, strategy, reference)
        if saving is not None:
            found.append(Key(label, money(saving, currency), per_unit(inputs, saving), strategy))
    blind = yearly_blindness(result, "bidirectional")
    if blind is not None:
        remark = "bidirectional as run, minus the same with the future known"
        found.append(Key("Cost of not knowing the future, per year", money(blind, currency), remark))
    missing = [(o, o.unserved_kwh) for o in result.outcomes if not o.run.foresight and o.run.strategy != "uncontrolled"]
    if missing:
        worst, kwh = max(missing, key=lambda item: item[1])
        served = worst.served_kwh + kwh
        if kwh <= 0:
            found.append(Key("Energy that drivers missed", "none", "every stay got what uncontrolled would have given"))
        else:
            share = percent(kwh / served, 2) if served > 0 else "all"
            remark = f"{count(len(worst.unserved), 'stay')}, {share} of the energy, {worst.label.lower()}"
            found.append(Key("Energy that drivers missed, at most", energy(kwh), remark))
    return tuple(found)


def qualifiers(study: StudyResult) -> tuple[str, ...]:
    """What a reader must know before using the figures, most important first."""
    inputs, found = study.inputs, []
    days = inputs.grid.periods * inputs.grid.step_h / 24.0
    scale = study.cases[0].scale
    if abs(scale.by_days - 1.0) > 0.02:
        found.append(
            f"Yearly figures stand on {number(days)} days: energy, wear and energy not served are multiplied by "
            f"{number(scale.by_days, 2)}, monthly demand and fixed charges by {number(scale.by_months, 2)}. Seasons, "
            "holidays and prices outside this period are not in them."
        )
    found.append(
        "Smart and bidirectional were played step by step with only what would have been known at each moment; the "
        "cost of not knowing the future is what they cost above the same strategy with perfect foresight."
    )
    stays = inputs.stays
    if stays.size and not bool(stays.target_known.all()):
        found.append(
            "Battery capacity and state of charge were not measured for all stays; they are assumptions, listed below."
        )
    silent = int((stays.declared < 0).sum()) if stays.size else 0
    if silent:
        found.append(
            f"In {count(silent, 'stay')} of {stays.size:,} the driver declared no departure: those vehicles were never "
            "discharged in the step-by-step runs."
        )
    failed = [
        f"{count(o.run.planning.failed, 'plan')} failed ({case.case.name}, {o.label.lower()})"
        for case in study.cases for o in case.outcomes if o.run.planning.failed
    ]  # fmt: skip
    if failed:
        found.append(
            f"Not every plan could be made: {sentence_list(failed)}; chargers then served needs without a plan."
        )
    return tuple(found)


def includes(result: StudyResult) -> tuple[str, ...]:
    """What the money counts."""
    inputs = result.inputs
    price = inputs.unserved_price_per_kwh
    wear = inputs.wear_per_kwh
    bill = (
        "The site's whole electricity bill at the meter by the tariff's own rules: energy, demand, fixed and other "
        "charges, and credit for export where it is allowed."
    )
    return (
        bill,
        f"Battery wear of {_rates(wear, inputs.currency)} discharged by vehicles"
        + (", and of the stationary battery at its own rate." if _any_battery(result) else ".")
        if wear.any()
        else "No battery wear: the scenario gives no cost per discharged kWh.",
        f"Energy that a stay got less than under uncontrolled charging, at {_rate(price, inputs.currency)}."
        if price > 0
        else "Energy not served is counted in kWh but priced at zero by the scenario.",
        "Losses of charging and discharging, because the energy for them is bought.",
    )


def excludes(result: StudyResult) -> tuple[str, ...]:
    """What the money leaves out."""
    found = [
        "Markets other than the site's tariff: trading by others, frequency, reserve, capacity, demand response.",
        "The value of backup power in an outage, which is told beside it."
        if any(case.backup is not None for case in result.cases)
        else "The value of backup power in an outage.",
        "What drivers pay for charging, and what they would ask for letting their vehicle discharge.",
        "Ageing by time and by charging, which happens under every strategy alike.",
        "Taxes and incentives that are not written in the tariff or in the investment table.",
    ]
    if not any(case.investments for case in result.cases):
        found.insert(0, "Chargers, installation and operation: no prices were given.")
    else:
        found.insert(
            0, "Chargers, installation and operation in the savings; the investment tables set them against these."
        )
    return tuple(found)


def _rate(price: float, currency: str) -> str:
    return f"{number(price, 3).rstrip('0').rstrip('.')} {currency}/kWh"


def _rates(prices: NDArray[np.float64], currency: str) -> str:
    """One price, or the lowest to the highest where it differs by vehicle, season and state of charge."""
    low, high = float(prices.min()), float(prices.max())
    if _rate(low, currency) == _rate(high, currency):
        return _rate(high, currency)
    return f"{number(low, 3).rstrip('0').rstrip('.')} to {_rate(high, currency)}"


def _any_battery(result: StudyResult) -> bool:
    return any(case.case.battery is not None for case in result.cases)


def _kw(limit: float) -> str:
    return about(limit).removesuffix(".0")


def limits_in_words(result: CaseResult) -> str:
    """The limits of the grid connection in a sentence."""
    limits, parts = result.case.limits, []
    if math.isfinite(limits.import_limit_kw):
        parts.append(f"contracted import {_kw(limits.import_limit_kw)} kW")
    if math.isfinite(limits.import_hard_limit_kw):
        parts.append(f"safety limit {_kw(limits.import_hard_limit_kw)} kW")
    if not parts:
        parts.append("no limit on import was given")
    parts.append(
        f"export up to {_kw(limits.export_limit_kw)} kW"
        if math.isfinite(limits.export_limit_kw) and limits.export_limit_kw > 0
        else "no export to the grid"
        if limits.export_limit_kw <= 0
        else "export without limit"
    )
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."
