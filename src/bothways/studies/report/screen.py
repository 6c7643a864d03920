"""The answer on a terminal: one line per strategy, within 80 columns."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bothways.studies.ageing import YEARS
from bothways.studies.report.ageing_page import points_range
from bothways.studies.report.amounts import yearly_saving
from bothways.studies.report.text import ABSENT, count, decimals_for, money_decimals, number, sentence_list, shorten
from bothways.studies.result import CaseResult, Outcome, StudyResult

_NAMES = {
    "uncontrolled": "Uncontrolled",
    "smart": "Smart",
    "bidirectional": "Bidirectional",
    "smart_foresight": "Smart, foresight",
    "bidirectional_foresight": "Bidir., foresight",
}


def render_summary(study: StudyResult) -> RenderableType:
    """A short table per case.

    Args:
        study: what the study found.

    Returns:
        What rich prints: per strategy the cost of the period and of a year, the yearly saving, the highest import,
        what vehicles fed back, and what drivers missed.
    """
    decimals = money_decimals(
        max((abs(outcome.cost) for case in study.cases for outcome in case.outcomes), default=0.0)
    )
    parts: list[RenderableType] = [_table(case, study.inputs.currency, decimals) for case in study.cases]
    parts += [Text(line) for line in _ageing(study)]
    days = study.inputs.grid.periods * study.inputs.grid.step_h / 24.0
    parts.append(
        Text(
            f"{count(study.inputs.stays.size, 'stay')} on {count(study.inputs.stays.evse_count, 'charger')}, "
            f"{number(days)} days. Cost is bill, wear and energy not served, before equipment.",
            style="dim",
        )
    )
    return Group(*parts)


def _ageing(study: StudyResult) -> list[str]:
    """Per case what is left after ten years, and what the strategies change, from the worst cell to the best."""
    lines = []
    for case in study.cases:
        found = case.ageing
        if found is None:
            continue
        low, high = found.strategies[0].lowest_to_highest(YEARS)
        changes = [
            f"{_NAMES[item.strategy].lower()} {points_range(found.changes(item.strategy, YEARS))}"
            for item in found.strategies[1:]
        ]
        name = f"{shorten(case.case.name, 24)}: b" if len(study.cases) > 1 else "B"
        lines.append(f"{name}atteries after 10 years: {100 * low:.0f} to {100 * high:.0f} % left, by cell")
        if changes:
            lines[-1] += f";\n  in points, {sentence_list(changes)}"
    return lines


def _table(case: CaseResult, currency: str, decimals: int) -> Table:
    table = Table(title=Text(case.case.name, style="bold"), title_justify="left", box=None, pad_edge=False, width=80)
    table.add_column("Strategy", no_wrap=True, min_width=17, vertical="bottom")
    for head, width in (
        (f"{currency} per\nperiod", 11), (f"{currency} per\nyear", 11), ("saved per\nyear", 11),
        ("peak\nkW", 7), ("fed back\nkWh", 9), ("missing\nkWh", 8),
    ):  # fmt: skip
        table.add_column(Text(head), justify="right", no_wrap=True, min_width=width - 2)
    for outcome in case.outcomes:
        cells = (Text(cell) for cell in _row(case, outcome, decimals))
        table.add_row(*cells, style="dim" if outcome.run.foresight else "")
    return table


def _row(case: CaseResult, outcome: Outcome, decimals: int) -> list[str]:
    key = outcome.run.key
    saving = None if key == "uncontrolled" else yearly_saving(case, key, "uncontrolled")
    return [
        _NAMES.get(key, key),
        number(outcome.cost, decimals),
        number(case.yearly_cost(key), decimals),
        ABSENT if saving is None else number(saving, decimals),
        number(outcome.peak_import_kw, 0 if outcome.peak_import_kw >= 100 else 1),
        number(outcome.discharged_kwh, decimals_for(outcome.discharged_kwh)) if outcome.discharged_kwh > 0 else "none",
        number(outcome.unserved_kwh, decimals_for(outcome.unserved_kwh)) if outcome.unserved_kwh > 0 else "none",
    ]
