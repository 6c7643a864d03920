"""What ``bothways outage`` shows on the terminal: which loads stay on, how long, what vehicles add."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bothways.app.outage.loading import LoadedOutage
from bothways.app.outage.summary import reserves
from bothways.app.outage.words import answer_sentences, chance
from bothways.resilience.planning import OutagePlan
from bothways.studies.report.text import number


@contextlib.contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Gives a function that shows on stderr what is being worked out; nothing where ``quiet``."""
    if quiet:
        yield lambda _: None
        return
    with Console(stderr=True).status("reading") as status:
        yield status.update


def show(
    loaded: LoadedOutage, plan: OutagePlan, summary: dict[str, object], folder: Path, *, as_json: bool
) -> None:  # fmt: skip
    """Prints the answer: sentences and short tables, or the summary as JSON."""
    if as_json:
        print(json.dumps(summary, allow_nan=False))
        return
    console = Console()
    console.print(render(loaded, plan))
    console.print(f"Report: {folder / 'report.html'}", soft_wrap=True)


def render(loaded: LoadedOutage, plan: OutagePlan) -> RenderableType:
    """The answer within 80 columns."""
    parts: list[RenderableType] = [Text(loaded.scenario.outage.name, style="bold"), Text()]
    parts += [Text(sentence) for sentence in answer_sentences(loaded, plan)]
    parts += [Text(), _tiers(plan), Text(), _marginal(plan)]
    if plan.fleet is not None:
        parts += [Text(), _reserves(plan)]
    return Group(*parts)


def _table(title: str) -> Table:
    return Table(title=Text(title, style="bold"), title_justify="left", box=None, pad_edge=False, width=80)


def _tiers(plan: OutagePlan) -> Table:
    target = plan.wishes.target
    table = _table("Kept on, everything below switched off at once")
    table.add_column("Up to", vertical="bottom")
    for head in (
        f"lasts\n{target} h",
        "worst tenth\nof starts",
        "hours\nat 90 %",
        "hours\nat 50 %",
        "at 90 % without\nvehicles",
    ):
        table.add_column(Text(head), justify="right", no_wrap=True)
    for tier, answer, without in zip(plan.site.tiers, plan.answers, plan.without, strict=True):
        low = float(answer.quantiles((0.1,))[0, target - 1])
        table.add_row(
            Text(f"T{tier.level} {tier.name}"), chance(answer.at(target)), chance(low), number(answer.hours_at(0.9)),
            number(answer.hours_at(0.5)), number(without.hours_at(0.9)),
        )  # fmt: skip
    return table


def _marginal(plan: OutagePlan) -> Table:
    first, last = plan.site.tiers[0], plan.site.tiers[-1]
    table = _table(f"One thing more: chance to last {plan.wishes.target} h, in percentage points")
    table.add_column("", vertical="bottom")
    table.add_column(Text(f"T{first.level}\nonly"), justify="right", no_wrap=True)
    if first is not last:
        table.add_column(Text(f"all to\nT{last.level}"), justify="right", no_wrap=True)
    table.add_column(Text("unserved kWh\nsaved"), justify="right", no_wrap=True)
    for item in plan.marginal:
        gained = 100.0 * (item.chance - plan.base.chance)
        cells = [f"{gained[0]:+.1f}"] + ([f"{gained[-1]:+.1f}"] if first is not last else [])
        table.add_row(Text(item.name), *cells, number(plan.base.unserved_kwh - item.unserved_kwh, 1))
    return table


def _reserves(plan: OutagePlan) -> Table:
    table = _table("Kept in every vehicle for the way out")
    for head, side in (("Vehicles", "left"), ("km", "right"), ("kWh", "right"), ("kWh in cold months", "right")):
        table.add_column(head, justify=side, no_wrap=side == "right")  # type: ignore[arg-type]
    for row in reserves(plan):
        table.add_row(
            Text(f"{row['count']} × {row['vehicle']}"), number(float(row["km"])), number(float(row["kwh"]), 1),
            number(float(row["kwh_cold"]), 1),
        )  # fmt: skip
    return table
