"""Tables of money: the answer side by side, and the bill of every strategy with what stands beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bothways.studies.inputs import StudyInputs
from bothways.studies.report.amounts import COMPONENTS, amounts, find, yearly_blindness, yearly_saving
from bothways.studies.report.figures.base import NAMES
from bothways.studies.report.markup import Cell, Row, table
from bothways.studies.report.text import ABSENT, energy, esc, money_decimals, number, power
from bothways.studies.report.words import per_unit
from bothways.studies.result import CaseResult, Outcome, StudyResult
from bothways.tariffs.structure import Amounts, Tariff


def dot(outcome: Outcome) -> str:
    """The strategy's colour as a dot, hollow where the future is known."""
    bound = " bound" if outcome.run.foresight else ""
    return f'<span class="dot {esc(outcome.run.strategy)}{bound}" aria-hidden="true"></span>'


def scoreboard(study: StudyResult) -> str:
    """All cases and strategies side by side, one row each."""
    currency = study.inputs.currency
    costs = [case.yearly_cost(outcome.run.key) for case in study.cases for outcome in case.outcomes]
    decimals = money_decimals(max(abs(cost) for cost in costs))
    rows: list[Row] = []
    for case in study.cases:
        if len(study.cases) > 1:
            rows.append(Row(case.case.name, (Cell("", span=6),), "part"))
        rows += [
            _score(case, outcome, study.inputs, decimals) for outcome in case.outcomes if not outcome.run.foresight
        ]
    return table(
        "The strategies side by side",
        f"Money in {currency} per year, energy over the period. The cost of not knowing the future is already inside "
        "the cost per year: it is what perfect foresight would have saved.",
        [
            "Strategy", "Cost per year", "Saving per year", "Saving each", "Cost of not knowing the future",
            "Highest import [kW]", "Energy drivers missed",
        ],
        rows,
        slug="scoreboard",
        wide=True,
    )  # fmt: skip


def _score(case: CaseResult, outcome: Outcome, inputs: StudyInputs, decimals: int) -> Row:
    strategy = outcome.run.strategy
    cost = number(case.yearly_cost(outcome.run.key), decimals)
    peak, missing = (
        Cell(power(outcome.peak_import_kw)),
        "none" if outcome.unserved_kwh <= 0 else energy(outcome.unserved_kwh),
    )
    if strategy == "uncontrolled":
        cells = (Cell("reference", style="none"), Cell(ABSENT), Cell("plans nothing", style="none"))
    else:
        saving, blind = yearly_saving(case, strategy, "uncontrolled"), yearly_blindness(case, strategy)
        cells = (
            Cell(number(saving, decimals)),
            Cell(ABSENT if saving is None else per_unit(inputs, saving)),
            Cell(number(blind, decimals)),
        )
    return Row(NAMES[strategy], (Cell(cost), *cells, peak, Cell(missing)))


def money_table(result: CaseResult, inputs: StudyInputs, slug: str) -> str:
    """The bill and everything beside it, one column per strategy, then the cost of not knowing the future."""
    outcomes = result.outcomes
    blind = [key for key in ("smart", "bidirectional") if find(result, key) and find(result, f"{key}_foresight")]
    lines = [amounts(outcome) for outcome in outcomes]
    decimals = money_decimals(max(abs(outcome.cost) for outcome in outcomes))
    columns = len(outcomes) + len(blind)

    def of(label: str, values: Sequence[float], style: str = "") -> Row:
        return Row(label, _money_cells(result, values, blind, decimals), style)

    rows: list[Row] = []
    for key, label in COMPONENTS.items():
        values = [line[key] for line in lines]
        if any(round(value, 2) for value in values):
            rows.append(of(label, values))
        else:
            rows.append(_absent_row(label, _why_zero(key, result), columns))
        if key == "other":
            rows += [of(f"of which {name}", values) for name, values in _other_lines(outcomes).items()]
    rows.append(of("Bill", [float(outcome.bill.total) for outcome in outcomes], "mid"))
    wear = [outcome.wear_cost for outcome in outcomes]
    rows.append(
        of("Battery wear", wear) if any(wear) else _absent_row("Battery wear", _why_no_wear(result, inputs), columns)
    )
    rows.append(
        of("Energy not served", [outcome.unserved_cost for outcome in outcomes])
        if any(outcome.unserved_cost for outcome in outcomes)
        else _absent_row("Energy not served", _why_no_unserved(result), columns)
    )
    rows.append(of("Total", [outcome.cost for outcome in outcomes], "sum"))
    reference = find(result, "uncontrolled")
    if reference is not None:
        rows.append(_saving_row(result, reference, len(blind), decimals))
    rows.extend(_physical(result, columns, len(blind)))
    return table(
        "Bill, wear and energy by strategy",
        f"Money in {inputs.currency} over the period of the study, not scaled to a year.",
        ["", *[_head(outcome, place) for place, outcome in enumerate(outcomes)], *_blind_heads(blind)],
        rows,
        slug=slug,
        groups=_groups(result, blind),
        wide=True,
    )


def _other_lines(outcomes: Sequence[Outcome]) -> dict[str, list[float]]:
    """What ``other`` is made of, by name; lines that are zero for everybody are left out."""
    names = dict.fromkeys(line.name for outcome in outcomes for month in outcome.bill.months for line in month.lines)
    found = {
        name: [
            sum(line.amount for month in outcome.bill.months for line in month.lines if line.name == name)
            for outcome in outcomes
        ]
        for name in names
    }
    return {name: values for name, values in found.items() if any(round(value, 2) for value in values)}


def _money_cells(result: CaseResult, values: Sequence[float], blind: Sequence[str], decimals: int) -> tuple[Cell, ...]:
    by_key = {outcome.run.key: value for outcome, value in zip(result.outcomes, values, strict=True)}
    cells = [Cell(number(value, decimals), style=_edge(result, place)) for place, value in enumerate(values)]
    for place, strategy in enumerate(blind):
        gap = by_key[strategy] - by_key[f"{strategy}_foresight"]
        cells.append(Cell(number(gap, decimals), style="first" if place == 0 else ""))
    return tuple(cells)


def _saving_row(result: CaseResult, reference: Outcome, blank: int, decimals: int) -> Row:
    cells = [
        Cell("reference", style="none")
        if outcome is reference
        else Cell(number(reference.cost - outcome.cost, decimals), style=_edge(result, place))
        for place, outcome in enumerate(result.outcomes)
    ]
    return Row("Saving against uncontrolled", (*cells, *_filler(blank)))


def _filler(blank: int) -> list[Cell]:
    """Empty cells under the cost of not knowing the future, which is money only."""
    return [Cell("", style="first" if place == 0 else "") for place in range(blank)]


def _edge(result: CaseResult, place: int) -> str:
    known = result.outcomes[place].run.foresight
    return "first" if known and not result.outcomes[place - 1].run.foresight else ""


def _head(outcome: Outcome, place: int) -> str:
    del place
    return f'<span class="nb">{dot(outcome)}{esc(NAMES[outcome.run.strategy])}</span>'


def _blind_heads(blind: Sequence[str]) -> list[str]:
    return [f"{esc(NAMES[strategy])}" for strategy in blind]


def _groups(result: CaseResult, blind: Sequence[str]) -> str:
    known = sum(outcome.run.foresight for outcome in result.outcomes)
    played = len(result.outcomes) - known
    parts = ['<td class="blank"></td>', f'<th scope="colgroup" colspan="{played}" class="n">As it would have run</th>']
    if known:
        parts.append(f'<th scope="colgroup" colspan="{known}" class="n first">If the future were known</th>')
    if blind:
        parts.append(f'<th scope="colgroup" colspan="{len(blind)}" class="n first">Cost of not knowing it</th>')
    return f'<tr class="groups">{"".join(parts)}</tr>'


def _absent_row(label: str, why: str, columns: int) -> Row:
    return Row(label, (Cell(why, numeric=False, span=columns, style="none"),))


def _why_zero(key: str, result: CaseResult) -> str:
    if key == "export_credit":
        if result.case.limits.export_limit_kw <= 0.0:
            return "none: export to the grid is not allowed here"
        if not any((outcome.run.flows.net < 0).any() for outcome in result.outcomes):
            return "none: nothing was exported"
        return "none: the tariff pays nothing for export"
    return "none in this period" if _charges(key, result.case.tariff) else "none in this tariff"


def _charges(key: str, tariff: Tariff) -> bool:
    """Whether the tariff has such a charge at all, if not in the period of the study."""
    match key:
        case "demand_tou":
            return any(tier.rate + tier.adj for tiers in tariff.tou_demand.periods for tier in tiers)
        case "demand_flat":
            return any(tier.rate + tier.adj for tiers in tariff.flat_demand.periods for tier in tiers)
        case "fixed":
            return tariff.fixed != Amounts()
        case "other":
            parts = (tariff.levies, tariff.coincident.periods, tariff.coincident_windows, tariff.contracted_import)
            return any(parts) or tariff.minimum != Amounts()
        case _:
            return bool(tariff.energy)


def _why_no_wear(result: CaseResult, inputs: StudyInputs) -> str:
    if not any(outcome.discharged_kwh > 0 for outcome in result.outcomes):
        return "none: no vehicle was discharged"
    return "not counted: the scenario gives no wear cost" if not inputs.wear_per_kwh.any() else "none"


def _why_no_unserved(result: CaseResult) -> str:
    if any(outcome.unserved_kwh > 0 for outcome in result.outcomes):
        return "not priced: the scenario gives no price for it"
    return "none: every stay got what uncontrolled charging would have given"


def _physical(result: CaseResult, columns: int, blank: int) -> list[Row]:
    def of(label: str, value: Callable[[Outcome], float], decimals: int = 0, *, zero: str = "") -> Row:
        cells = [
            Cell(zero if zero and value(outcome) <= 0 else number(value(outcome), decimals), style=_edge(result, place))
            for place, outcome in enumerate(result.outcomes)
        ]
        return Row(label, (*cells, *_filler(blank)))

    outcomes = result.outcomes
    small = max(outcome.served_kwh for outcome in outcomes) < 1000
    digits = 1 if small else 0
    peak_digits = 0 if max(outcome.peak_import_kw for outcome in outcomes) >= 100 else 1
    rows = [
        Row("Beside the money", (Cell("", span=columns),), "part"),
        of("Highest import [kW]", lambda o: o.peak_import_kw, peak_digits),
        of("Delivered to vehicles, net [kWh]", lambda o: o.served_kwh, digits),
        of("Discharged by vehicles [kWh]", lambda o: o.discharged_kwh, digits, zero="none")
        if any(outcome.discharged_kwh > 0 for outcome in outcomes)
        else _absent_row("Discharged by vehicles", "none", columns),
        of("Lost in batteries and converters [kWh]", lambda o: o.carbon.loss_kwh, digits),
        of("Missing for drivers [kWh]", lambda o: o.unserved_kwh, 1, zero="none")
        if any(outcome.unserved_kwh > 0 for outcome in outcomes)
        else _absent_row("Missing for drivers", "nothing", columns),
    ]
    base = find(result, "uncontrolled") or outcomes[0]
    rows.extend(
        [
            of("CO₂, marginal, effect on the grid [kg]", lambda o: o.carbon.marginal_kg or 0.0, digits),
            of(
                "CO₂, marginal, against uncontrolled [kg]",
                lambda o: (o.carbon.marginal_kg or 0.0) - (base.carbon.marginal_kg or 0.0),
                digits,
            ),
        ]
        if all(outcome.carbon.marginal_kg is not None for outcome in outcomes)
        else [_absent_row("CO₂, marginal", "no marginal CO₂ signal given", columns)]
    )
    rows.append(
        of("CO₂, average, of the import [kg]", lambda o: o.carbon.average_kg or 0.0, digits)
        if all(outcome.carbon.average_kg is not None for outcome in outcomes)
        else _absent_row("CO₂, average", "no average CO₂ figure given", columns)
    )
    return rows
