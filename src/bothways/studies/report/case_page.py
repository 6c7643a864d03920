"""Tables of one case beside its bill: equipment, sensitivity, who got less energy, how the plans came about."""

from __future__ import annotations

from collections.abc import Callable

from bothways.studies.inputs import StudyInputs
from bothways.studies.report.figures.base import NAMES
from bothways.studies.report.markup import Cell, Row, bullets, table, words
from bothways.studies.report.text import ABSENT, count, energy, esc, money, money_decimals, number, percent, sentence
from bothways.studies.result import CaseResult, InvestmentResult

_TOP = 20
_MESSAGES = 40


def bill_notes(result: CaseResult) -> str:
    """Rules and assumptions that the bills rest on, told by the bills themselves."""
    told = dict.fromkeys(note for outcome in result.outcomes for note in outcome.bill.notes)
    if not told:
        return ""
    return f"<details><summary>What the bills rest on</summary>{bullets(list(told))}</details>"


def investment_table(result: CaseResult, inputs: StudyInputs, slug: str) -> str:
    """What is bought and what it earns over its life, one column per comparison."""
    items, currency = result.investments, inputs.currency
    decimals = money_decimals(max(abs(item.outlay) for item in items))
    labels = list(dict.fromkeys(label for item in items for label, _ in item.lines))
    rows = [Row(sentence(label), tuple(Cell(_line(item, label, decimals)) for item in items)) for label in labels]

    def of(label: str, value: Callable[[InvestmentResult], str], style: str = "") -> Row:
        return Row(label, tuple(Cell(value(item)) for item in items), style)

    rows += [
        of("Outlay", lambda i: number(i.outlay, decimals), "mid"),
        of("Saving per year", lambda i: number(i.yearly_saving, decimals)),
        of("Running cost per year", lambda i: number(i.yearly_cost, decimals)),
        of("Net present value", lambda i: number(i.npv, decimals), "sum"),
        of("Internal rate of return", lambda i: "none" if i.irr.value is None else percent(i.irr.value, 1)),
        of("Modified rate of return", lambda i: "none" if i.mirr.value is None else percent(i.mirr.value, 1)),
        of("Simple payback", lambda i: _years(i.simple_payback_years.value)),
        of("Discounted payback", lambda i: _years(i.discounted_payback_years.value)),
        of("Break-even price per charger", lambda i: _break_even(i.break_even_charger_price.value, decimals)),
    ]
    first = items[0]
    named = {
        "Internal rate of return": "irr",
        "Modified rate of return": "mirr",
        "Simple payback": "simple_payback_years",
        "Discounted payback": "discounted_payback_years",
        "Break-even price": "break_even_charger_price",
    }
    remarks = dict.fromkeys(
        f"{label}, {NAMES[item.strategy].lower()} instead of {item.reference}: {getattr(item, field).note}"
        for item in items for label, field in named.items() if getattr(item, field).note
    )  # fmt: skip
    return table(
        "What the equipment costs and earns",
        f"Money in {currency}, over {first.years} years at a discount rate of {percent(first.discount_rate, 1)}. The "
        "break-even price is that of a charger at which the net present value is zero.",
        ["", *[f"{esc(NAMES[item.strategy])} instead of {esc(NAMES[item.reference].lower())}" for item in items]],
        rows,
        slug=slug,
        wide=True,
    ) + (f"<details><summary>Remarks on these figures</summary>{bullets(list(remarks))}</details>" if remarks else "")


def _line(item: InvestmentResult, label: str, decimals: int) -> str:
    values = [amount for name, amount in item.lines if name == label]
    return number(sum(values), decimals) if values else ABSENT


def _years(value: float | None) -> str:
    return "never" if value is None else f"{number(value, 1)} years"


def _break_even(price: float | None, decimals: int) -> str:
    if price is None:
        return "none"
    return number(price, decimals) if price > 0 else f"none (would be {number(price, decimals)})"


def sensitivity_table(result: CaseResult, inputs: StudyInputs, slug: str) -> str:
    """The tornado as numbers."""
    found = result.sensitivity
    if found is None:
        return ""
    decimals = money_decimals(max([abs(found.base), *(max(abs(r.result_low), abs(r.result_high)) for r in found.rows)]))
    rows = [
        Row(
            sentence(row.name),
            (
                Cell(row.low), Cell(number(row.result_low, decimals)), Cell(row.high),
                Cell(number(row.result_high, decimals)),
                Cell(number(abs(row.result_high - row.result_low), decimals)),
            ),
        )
        for row in found.rows
    ]  # fmt: skip
    return table(
        "Sensitivity in numbers",
        f"{sentence(found.measure)}; as assumed: {money(found.base, inputs.currency)}.",
        ["Assumption", "Low", "Result", "High", "Result", "Swing"],
        rows,
        slug=slug,
        wide=True,
    )


def unserved_table(result: CaseResult, slug: str) -> str:
    """Stays that got less energy than uncontrolled charging would have given, largest first."""
    short = [(outcome, item) for outcome in result.outcomes if not outcome.run.foresight for item in outcome.unserved]
    if not short:
        return (
            "<h3>Who got less energy</h3><p>Nobody: under every strategy each stay left with at least what "
            "uncontrolled charging would have given it.</p>"
        )
    short.sort(key=lambda pair: -pair[1].missing_kwh)
    totals = [
        f"{NAMES[outcome.run.strategy]}: {count(len(outcome.unserved), 'stay')}, {energy(outcome.unserved_kwh)}"
        for outcome in result.outcomes
        if not outcome.run.foresight and outcome.unserved
    ]
    shown = short[:_TOP]
    rest = f" The {len(shown)} largest of {len(short):,} are listed." if len(short) > len(shown) else ""
    rows = [
        Row(item.session_id, (*words(NAMES[outcome.run.strategy]), Cell(number(item.missing_kwh, 2)),
                              *words(item.reason)))
        for outcome, item in shown
    ]  # fmt: skip
    return table(
        "Who got less energy",
        f"Against uncontrolled charging of the same stay. {'; '.join(totals)}.{rest}",
        ["Stay", '<th scope="col">Strategy</th>', "Missing [kWh]", '<th scope="col">Why</th>'],
        rows,
        slug=slug,
        wide=True,
    )


def _gap(gap: float) -> str:
    return "0 %" if gap <= 0 else "below 0.001 %" if gap < 1e-5 else percent(gap, 3)


def planning_table(result: CaseResult, slug: str) -> str:
    """How the plans came about."""
    rows = []
    for outcome in result.outcomes:
        plan = outcome.run.planning
        if plan.plans == 0:
            rows.append(
                Row(outcome.label, (Cell("follows a rule, plans nothing", numeric=False, span=4, style="none"),))
            )
            continue
        rows.append(
            Row(
                outcome.label,
                (
                    Cell(number(plan.plans)),
                    Cell(_gap(plan.worst_gap)),
                    Cell(number(plan.not_optimal) if plan.not_optimal else "none"),
                    Cell(number(plan.failed) if plan.failed else "none"),
                ),
            )
        )
    messages = [f"{outcome.label}: {text}" for outcome in result.outcomes for text in outcome.run.planning.messages]
    listed = ""
    if messages:
        items = "".join(f"<li>{esc(text)}</li>" for text in messages[:_MESSAGES])
        listed = (
            f"<details><summary>{count(len(messages), 'message')} from planning</summary><ul>{items}</ul></details>"
        )
    return (
        table(
            "How the plans came about",
            "The gap is between a plan's cost and a proven bound; optimal means within the gap asked for.",
            ["Strategy", "Plans", "Worst gap", "Above the gap asked for", "Failed"],
            rows,
            slug=slug,
        )
        + listed
    )
