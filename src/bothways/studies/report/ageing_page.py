"""The part of a case's page on its batteries: what is left after years, what a strategy changes, and its money."""

from __future__ import annotations

import numpy as np

from bothways.studies.ageing import MIDDLE_YEARS, YEARS, Ageing, CellAgeing
from bothways.studies.inputs import StudyInputs
from bothways.studies.leasing import replacements_of
from bothways.studies.report.figures.ageing import capacity_over_years, change_by_cell
from bothways.studies.report.figures.base import NAMES
from bothways.studies.report.markup import Cell, Row, bullets, figure, paragraph, table
from bothways.studies.report.text import count, esc, money, money_decimals, number, percent, sentence_list, signed
from bothways.studies.result import CaseResult


def ageing_block(result: CaseResult, inputs: StudyInputs, slug: str) -> str:
    """Everything on the batteries of a case; nothing where they were not aged."""
    ageing = result.ageing
    if ageing is None:
        return ""
    pair = figure(capacity_over_years(ageing, f"{slug}-capacity"), 4)
    if len(ageing.strategies) > 1:
        pair += figure(change_by_cell(ageing, f"{slug}-cells"), 4)
    return (
        f'<div class="block"><h3>{esc(heading(ageing))}</h3>{paragraph(_finding(result, inputs, ageing))}'
        f'<div class="pair">{pair}</div></div>{_left_table(ageing, f"{slug}-left")}'
        f"{_change_table(inputs, ageing, f'{slug}-change')}{_company_table(ageing, inputs, f'{slug}-company')}"
        f"{_stationary_table(result, f'{slug}-stationary')}"
        f"<details><summary>What the ageing rests on</summary>{bullets(rests_on(ageing, inputs))}</details>"
    )


def heading(ageing: Ageing) -> str:
    """The finding as a title: what is left after ten years, and how much feeding back changes."""
    low, high = ageing.strategies[0].lowest_to_highest(YEARS)
    title = f"Batteries after ten years: {percent(low)} to {percent(high)} left uncontrolled, by cell"
    changes = ageing.changes("bidirectional", YEARS)
    if not changes:
        return title
    return f"{title}; charging in both directions changes that by {points_range(changes)} points"


def points_range(changes: tuple[float, ...]) -> str:
    """A spread of fractions as signed points.

    >>> points_range((-0.012, 0.003)), points_range((0.001, 0.001))
    ('−1.2 to +0.3', '+0.1')
    """
    low, high = signed(100.0 * min(changes), 1), signed(100.0 * max(changes), 1)
    return low if low == high else f"{low} to {high}"


def signed_money(amount: float, currency: str) -> str:
    """An amount as a sentence needs it, with its sign."""
    return f"{'+' if amount > 0.0 else ''}{money(amount, currency)}"


def _finding(result: CaseResult, inputs: StudyInputs, ageing: Ageing) -> str:
    """Where the seven laws agree and where not, and what the optimiser counted beside what they say."""
    parts = []
    for strategy in ("smart", "bidirectional"):
        changes = ageing.changes(strategy, YEARS)
        if not changes:
            continue
        better = sum(change > 0.0 for change in changes)
        parts.append(
            f"{NAMES[strategy]}: {points_range(changes)} points of capacity against uncontrolled charging after ten "
            f"years; more is left with {better} of {count(len(changes), 'cell')}."
        )
        extra = ageing.extra_value_lost(strategy)
        if extra and strategy == "bidirectional":
            outcome = result.outcome(strategy)
            counted = float(inputs.wear_per_kwh @ outcome.run.trace.discharged_kwh) * result.scale.by_days
            worst, best = -max(extra) / YEARS, -min(extra) / YEARS
            parts.append(
                f"In money, all vehicles together keep {signed_money(worst, inputs.currency)} to "
                f"{signed_money(best, inputs.currency)} of value a year; the optimiser counted a cost of "
                f"{money(counted, inputs.currency)} a year for what they discharged."
            )
    return " ".join(parts) or "Only one strategy was played, so there is nothing to compare."


def _left_table(ageing: Ageing, slug: str) -> str:
    strategies = ageing.strategies
    rows = []
    for place, cell in enumerate(strategies[0].cells):
        own = [item.cells[place] for item in strategies]
        cells = [_left(each, age, number_of) for age in (MIDDLE_YEARS, YEARS) for number_of, each in enumerate(own)]
        last = own[-1]
        spread = f"{percent(last.low[last.at(YEARS)], 1)} to {percent(last.high[last.at(YEARS)], 1)}"
        rows.append(Row(cell.title, (*cells, Cell(spread, style="first"))))
    heads = [f'<span class="nb">{esc(NAMES[item.strategy])}</span>' for item in strategies]
    groups = "".join(
        f'<th scope="colgroup" colspan="{len(strategies)}" class="n{" first" if age == YEARS else ""}">'
        f"After {number(age)} years</th>"
        for age in (MIDDLE_YEARS, YEARS)
    )
    last_head = f"Nine in ten batteries, {NAMES[strategies[-1].strategy].lower()}"
    return table(
        "Remaining capacity, by cell",
        "Per cent of new capacity, mean over the batteries. Which cell a vehicle has is rarely known: read the column.",
        ["Cell", *heads, *heads, f"{esc(last_head)}"],
        rows,
        slug=slug,
        groups=f'<tr class="groups"><td class="blank"></td>{groups}<th scope="colgroup" class="n first">'
        f"After {number(YEARS)} years</th></tr>",
        wide=True,
    )


def _left(cell: CellAgeing, age: float, place: int) -> Cell:
    return Cell(percent(cell.left[cell.at(age)], 1), style="first" if age == YEARS and place == 0 else "")


def _change_table(inputs: StudyInputs, ageing: Ageing, slug: str) -> str:
    """Changes with time, with use and together: parking lower shows in the first, feeding back in the second."""
    reference = ageing.of("uncontrolled")
    played = [item for item in ageing.strategies if item.strategy in {"smart", "bidirectional"}]
    if reference is None or not played:
        return ""
    extra = {item.strategy: ageing.extra_value_lost(item.strategy) for item in played}
    priced = all(extra.values())
    amounts = [abs(value) / YEARS for values in extra.values() for value in values]
    decimals = money_decimals(max(amounts, default=0.0))
    rows = []
    for place, cell in enumerate(reference.cells):
        cells: list[Cell] = []
        for item in played:
            own, at = item.cells[place], item.cells[place].at(YEARS)
            timed = cell.calendar_loss[at] - own.calendar_loss[at]
            used = cell.cycle_loss[at] - own.cycle_loss[at]
            cells += [
                Cell(signed(100.0 * timed, 2), style="first"),
                Cell(signed(100.0 * used, 2)),
                Cell(signed(100.0 * (timed + used), 2)),
            ]
            if priced:
                cells.append(Cell(signed(-extra[item.strategy][place] / YEARS, decimals)))
        rows.append(Row(cell.title, tuple(cells)))
    heads = ["With time", "With use", "Together", *([f"{esc(inputs.currency)}/year"] if priced else [])]
    groups = "".join(
        f'<th scope="colgroup" colspan="{len(heads)}" class="n first">{esc(NAMES[item.strategy])}</th>'
        for item in played
    )
    remark = "Points of capacity after ten years; plus is more left. Waiting at a lower charge shows under time."
    if priced:
        remark += f" Money: value kept (+) or lost (−) by all {count(ageing.fleet, 'battery', 'batteries')}, per year."
    return table(
        "What changes against uncontrolled charging",
        remark,
        ["Cell", *(heads * len(played))],
        rows,
        slug=slug,
        groups=f'<tr class="groups"><td class="blank"></td>{groups}</tr>',
        wide=True,
    )


def _company_table(ageing: Ageing, inputs: StudyInputs, slug: str) -> str:
    """When the company best replaces its batteries, and what they are worth to lease or to buy back."""
    terms, unit = inputs.ageing.company, inputs.currency
    if terms is None:
        return ""
    found = replacements_of(ageing, terms)
    rows = []
    for place, cell in enumerate(next(iter(found.values()))):
        cells: list[Cell] = []
        for items in found.values():
            own = items[place]
            if own.best_years is None:
                cells.append(Cell("fails within a year", numeric=False, span=3, style="first"))
                continue
            age = f"{own.best_years}{' or more' if own.bounded and own.best_years >= YEARS else ''}"
            cells += [
                Cell(age, style="first"),
                Cell(number(own.monthly_lease, 2)),
                Cell(f"{number(own.buy_back, 0)} at {own.half_years}"),
            ]
        rows.append(Row(cell.title, tuple(cells)))
    heads = ["Best age [years]", f"Lease [{esc(unit)}/month]", f"Buy-back [{esc(unit)} at years]"]
    groups = "".join(
        f'<th scope="colgroup" colspan="{len(heads)}" class="n first">{esc(NAMES[name])}</th>' for name in found
    )
    return table(
        "Batteries that the company owns",
        f"Per vehicle of {number(ageing.capacity_kwh / ageing.fleet, 1)} kWh. The best age has the least cost a year; "
        "the lease pays for the battery over it; the buy-back price leaves the owner as well off as keeping it. "
        f"{inputs.ageing.company_source}.",
        ["Cell", *(heads * len(found))],
        rows,
        slug=slug,
        groups=f'<tr class="groups"><td class="blank"></td>{groups}</tr>',
        wide=True,
    )


def _stationary_table(result: CaseResult, slug: str) -> str:
    """What is left of the stationary battery under the strategies that use it."""
    found = result.stationary
    if not found:
        return ""
    rows = []
    for place, cell in enumerate(found[0].cells):
        cells = [Cell(percent(cell.at_start, 1))]
        for item in found:
            own = item.cells[place]
            ends = "beyond ten years" if own.years_to_end is None else f"{number(own.years_to_end, 1)} years"
            cells += [Cell(percent(own.after_5, 1), style="first"), Cell(percent(own.after_10, 1)), Cell(ends)]
        rows.append(Row(cell.title, tuple(cells)))
    heads = ["After 5 years", "After 10 years", f"Until {esc(percent(found[0].end))}"]
    groups = "".join(
        f'<th scope="colgroup" colspan="{len(heads)}" class="n first">{esc(NAMES[item.strategy])}</th>'
        for item in found
    )
    cycles = sentence_list([f"{NAMES[item.strategy].lower()} {number(item.cycles_per_year)}" for item in found])
    return table(
        "The stationary battery",
        f"Per cent of the capacity it had when new; it begins here at {percent(found[0].health)}. Full cycles of its "
        f"present capacity a year: {cycles}. Where a law does not come down to that start, it begins higher.",
        ["Cell", "At the start", *(heads * len(found))],
        rows,
        slug=slug,
        groups=f'<tr class="groups"><td class="blank"></td><td class="blank"></td>{groups}</tr>',
        wide=True,
    )


def _temperatures(ageing: Ageing, inputs: StudyInputs) -> str:
    by_month = inputs.ageing.temperature_by_month_c
    if not by_month:
        return f"The cells are at {number(ageing.temperature_c)} °C all the time ({ageing.temperature_source})."
    met = inputs.ageing.celsius(np.unique(inputs.grid.local.month))
    return (
        f"The cells have the temperature of the month, here {number(met.min())} to {number(met.max())} °C "
        f"({ageing.temperature_source})."
    )


def _worth(ageing: Ageing, inputs: StudyInputs) -> list[str]:
    """What batteries are worth, by kind where the scenario tells kinds apart."""
    if inputs.wear is None:
        kinds = [("", ageing.value, ageing.value_source)]
    else:
        kinds = [(f" ({item.name})", item.value, item.source) for item in inputs.wear.segments]
    unit, found = inputs.currency, []
    for who, value, source in kinds:
        if value is not None:
            found.append(
                f"Value{who} falls in a straight line from {money(value.replacement_per_kwh, unit)} per kWh new to "
                f"{money(value.residual_per_kwh, unit)} at {percent(value.end_of_life)} of capacity ({source})."
            )
    return found


def rests_on(ageing: Ageing, inputs: StudyInputs) -> list[str]:
    """What was assumed, in sentences."""
    found = [
        f"The {number(ageing.profile_days)} days of the study repeat for ten years, without other seasons.",
        "Between stays the state of charge goes in a straight line from plug-out to the next plug-in.",
        _temperatures(ageing, inputs),
    ]
    batteries = count(ageing.fleet, "battery", "batteries")
    if ageing.by_charger:
        found.append(
            f"{number(ageing.by_charger)} of {batteries} stand for the unnamed vehicles of a charger, as if it were "
            "always the same one."
        )
    if ageing.batteries < ageing.fleet:
        found.append(
            f"{number(ageing.batteries)} of {batteries} were aged, chosen evenly in the order of their energy; money "
            "is scaled to all."
        )
    known = ageing.fleet - ageing.assumed_capacity
    found.append(
        f"Capacity is assumed for {number(ageing.assumed_capacity)} of {batteries}"
        + (f" and known for {number(known)}" if known else "")
        + f"; the state of charge at plug-in is assumed in {number(ageing.assumed_soc)} of {inputs.stays.size:,} stays."
    )
    worth = _worth(ageing, inputs)
    found += worth
    if not worth:
        found.append("No prices of batteries were given ([ageing] replacement_per_kwh), so nothing is said in money.")
    use = sentence_list(
        [f"{NAMES[item.strategy].lower()} {number(item.cycles_per_year)}" for item in ageing.strategies]
    )
    rest = sentence_list([f"{NAMES[item.strategy].lower()} {percent(item.mean_soc)}" for item in ageing.strategies])
    found.append(f"Full cycles a year, driving included: {use}. Mean state of charge: {rest}.")
    found.append("The laws have no knee: below 70 % believe nothing. See docs/explanation/wear.md.")
    return found
