"""Tables of the outage plan's page."""

from __future__ import annotations

import numpy as np

from bothways.app.outage.loading import LoadedOutage
from bothways.app.outage.report.figures import label
from bothways.app.outage.summary import Side, reserves, ride_through
from bothways.app.outage.words import chance
from bothways.resilience.planning import OutagePlan
from bothways.resilience.site import Tier
from bothways.studies.report.markup import Cell, Row, table, words
from bothways.studies.report.text import (
    ABSENT,
    count,
    decimals_for,
    esc,
    money_decimals,
    number,
    percent,
    sentence,
    signed,
)

NUMBER_HEAD = '<th scope="col" class="n">{}</th>'


def tiers(loaded: LoadedOutage, plan: OutagePlan) -> str:
    """What the tiers are."""
    unit = loaded.scenario.outage.currency
    rows = [
        Row(
            label(tier),
            (
                Cell(number(float(tier.load_kw.mean() * 24.0), 1)), Cell(number(float(tier.load_kw.max()), 1)),
                Cell(number(tier.inrush_kw, 1) if tier.inrush_kw else ABSENT), Cell(number(tier.voll_per_kwh, 2)),
                Cell(_needs(plan, place)),
            ),
        )
        for place, tier in enumerate(plan.site.tiers)
    ]  # fmt: skip
    rows += [Row(name, (Cell("not counted: stays on its own emergency system", numeric=False, span=5, style="none"),))
             for name in loaded.left_out]  # fmt: skip
    return table(
        "The loads, in the order in which they are kept",
        "Shed from the last row up. The last column is what the hardest hour asks of the sources, inrush included.",
        ["Tier", "kWh a day", "highest kW", "inrush kW", f"lost load {esc(unit)}/kWh", "power needed, kW"],
        rows,
        slug="loads",
        wide=True,
    )  # fmt: skip


def _needs(plan: OutagePlan, place: int) -> str:
    below = sum((tier.load_kw for tier in plan.site.tiers[:place]), np.zeros(plan.site.hours))
    own: Tier = plan.site.tiers[place]
    return number(float((below + np.maximum(own.load_kw, own.inrush_kw)).max()), 1)


def riding_through(plan: OutagePlan) -> str:
    """Chances by length of the outage, with spread over starts and interval of the sampling."""
    rows: list[Row] = []
    lengths: list[int] = []
    for tier, answer, without in zip(plan.site.tiers, plan.answers, plan.without, strict=True):
        found = ride_through(answer)
        bare = ride_through(without)
        lengths = [int(item["hours"] or 0) for item in found]
        rest = "alone" if tier is plan.site.tiers[0] else "and all before it"
        rows.append(Row(f"{label(tier)} {rest}", (Cell("", span=len(found)),), "part"))
        rows.append(Row("mean of all start hours", tuple(Cell(_percent(item["chance"])) for item in found), "mid"))
        spread = (_bare(item["p10"], item["p50"], item["p90"]) for item in found)
        rows.append(Row("worst tenth · middle · best tenth", tuple(Cell(text) for text in spread)))
        if answer.draws:
            sure = (_bare(item["interval_low"], item["interval_high"]) for item in found)
            rows.append(Row(f"sampling, {answer.draws} draws, 95 %", tuple(Cell(text) for text in sure)))
            rows.append(Row("without vehicles", tuple(Cell(_percent(item["chance"])) for item in bare)))
    return table(
        "Riding through",
        "Chance to have every hour of an outage of this length, in per cent. The worst tenth of the start hours lies "
        "at or below the first of three numbers. The sampling line is for one start hour; the mean is far surer.",
        ["Kept on", *[f"{hours} h" for hours in lengths]],
        rows,
        slug="ride",
        wide=True,
    )


def _bare(*values: float | None) -> str:
    return " · ".join(ABSENT if value is None else number(100.0 * float(value)) for value in values)


def _percent(value: float | None) -> str:
    return ABSENT if value is None else chance(float(value)).replace("more than ", ">").replace("less than ", "<")


def keeping(loaded: LoadedOutage, plan: OutagePlan) -> str:
    """What is lost by how many tiers are kept on from the beginning."""
    target, unit = plan.wishes.target, loaded.scenario.outage.currency
    costs = [answer.cost(target) for answer in plan.answers]
    digits = money_decimals(max(costs))
    best = int(np.argmin(costs))
    rows = []
    for place, (tier, answer) in enumerate(zip(plan.site.tiers, plan.answers, strict=True)):
        missing = answer.unserved_kwh(target)
        cells = [Cell(number(answer.hours_at(share))) for share in (0.9, 0.5, 0.1)]
        cells += [Cell(number(float(value), decimals_for(float(value)))) for value in missing]
        cells += [Cell(number(costs[place], digits)), Cell(number(plan.without[place].cost(target), digits))]
        rows.append(Row(label(tier), tuple(cells), "mid" if place == best else ""))
    heads = ["Kept on up to", "hours at 90 %", "hours at 50 %", "hours at 10 %"]
    heads += [f"T{tier.level} unserved kWh" for tier in plan.site.tiers]
    heads += [f"cost {esc(unit)}", "without vehicles"]
    return table(
        f"How many tiers to keep: an outage of {target} h",
        "Expected energy that is missing, and its cost at the value of lost load, from every 11th start hour. "
        "Loads are shed in order where power or energy falls short. The row in bold costs least.",
        heads,
        rows,
        slug="keeping",
        wide=True,
    )  # fmt: skip


def one_more(loaded: LoadedOutage, plan: OutagePlan) -> str:
    """What one thing more adds."""
    unit, base = loaded.scenario.outage.currency, plan.base
    rows = []
    for item in plan.marginal:
        cells = [Cell(signed(100.0 * float(gain), 1)) for gain in item.chance - base.chance]
        cells += [Cell(signed(float(gain), 1)) for gain in item.mean_hours - base.mean_hours]
        cells += [Cell(number(base.unserved_kwh - item.unserved_kwh, 1)), Cell(number(base.cost - item.cost, 1))]
        rows.append(Row(sentence(item.name), tuple(cells)))
    names = [f"T{tier.level}" for tier in plan.site.tiers]
    heads = ["One thing more", *[f"{name} points" for name in names], *[f"{name} hours" for name in names]]
    heads += ["kWh saved", f"{esc(unit)} saved"]
    return table(
        "What one thing more adds",
        f"Percentage points of the chance to last {plan.wishes.target} h and hours carried on average, by tiers "
        f"kept; energy and cost per outage of {plan.wishes.target} h. Same luck for every row.",
        heads,
        rows,
        slug="marginal",
        wide=True,
    )  # fmt: skip


def cases(loaded: LoadedOutage, plan: OutagePlan) -> str:
    """Heat waves and fires beside the ordinary outage."""
    if not plan.cases:
        return ""
    rows = [_case("Ordinary outage", plan.base.chance, plan.base.hours, plan.base.unserved_kwh, plan.base.cost)]
    rows += [_case(case.name, item.chance, item.hours, item.unserved_kwh, item.cost) for case, item in plan.cases]
    names = [f"T{tier.level}" for tier in plan.site.tiers]
    target = plan.wishes.target
    heads = ["Case", *[f"{name} {target} h" for name in names], *[f"{name} hours at 90 %" for name in names]]
    heads += ["unserved kWh", f"cost {esc(loaded.scenario.outage.currency)}"]
    return table(
        "Bad days",
        "Sun behind smoke, cooling load, people and cars that leave: see the assumptions for each.",
        heads,
        rows,
        slug="cases",
        wide=True,
    )


def _case(name: str, shares: np.ndarray, hours: np.ndarray, missing: float, cost: float) -> Row:
    cells = [Cell(_percent(float(value))) for value in shares] + [Cell(number(float(value))) for value in hours]
    return Row(name, (*cells, Cell(number(missing, 1)), Cell(number(cost))))


def kept(plan: OutagePlan, side: Side) -> str:
    """Who keeps how much to drive away, and what each can give."""
    if plan.fleet is None:
        return ""
    rows = []
    for row, kind in zip(reserves(plan), plan.fleet.kinds, strict=True):
        full = side.stored[kind.name] * kind.capacity_kwh
        gives = [max(0.0, full - kind.reserve_kwh(cold=cold)) * kind.discharge_efficiency for cold in (False, True)]
        rows.append(
            Row(
                f"{row['count']} × {kind.name}",
                (
                    Cell(number(kind.evacuation_km)), Cell(number(float(row["kwh"]), 1)),
                    Cell(number(float(row["kwh_cold"]), 1)), Cell(percent(side.stored[kind.name])),
                    Cell(number(gives[0], 1)), Cell(number(gives[1], 1)), Cell(percent(kind.compliance)),
                ),
            )
        )  # fmt: skip
    return table(
        "Who must keep energy to drive away",
        "Each vehicle keeps its reserve, or its floor where that is more. What it gives is at the mean charge with "
        "which it stands here.",
        ["Vehicles", "km kept", "kWh kept", "when cold", "mean charge", "gives kWh", "gives when cold", "take part"],
        rows,
        slug="kept",
        wide=True,
    )  # fmt: skip


def sources(plan: OutagePlan, side: Side) -> str:
    """Where the energy of an outage comes from, and the diesel that vehicles displace."""
    target = plan.wishes.target
    here, bare = plan.answers[-1].sources_kwh(target), plan.without[-1].sources_kwh(target)
    names = {"pv": "PV used", "battery": "From the battery", "vehicles": "From vehicles", "generators": "Generators"}
    rows = [
        Row(name, (Cell(number(here[key], 1)), Cell(number(bare[key], 1))))
        for key, name in names.items()
        if here[key] + bare[key] > 0.0
    ]  # fmt: skip
    rows.append(Row("Served", (Cell(number(here["served"], 1)), Cell(number(bare["served"], 1))), "sum"))
    body = table(
        f"Where the energy comes from: an outage of {target} h, all tiers on",
        "Expected kWh; PV and generators include what they store first, so that rows add up to more than is served.",
        ["Source", "with vehicles", "without"],
        rows,
        slug="sources",
    )
    return body + _diesel(side)


def _diesel(side: Side) -> str:
    if side.diesel is None:
        return ""
    saved = side.diesel
    rows = [
        Row("Energy out of vehicles", (Cell(number(saved.kwh, 1)), Cell("kWh", numeric=False))),
        Row("Diesel of a generator instead", (Cell(number(saved.litres, 1)), Cell("l", numeric=False))),
        Row("CO₂ of that diesel", (Cell(number(saved.kg_avoided, 1)), Cell("kg", numeric=False))),
        Row("CO₂ of charging the vehicles before", (Cell(number(saved.kg_of_energy, 1)), Cell("kg", numeric=False))),
        Row("CO₂ avoided", (Cell(number(saved.kg_net, 1)), Cell("kg", numeric=False)), "sum"),
    ]  # fmt: skip
    return table(
        "Diesel displaced",
        "Per outage. Ageing of batteries and making of chargers are not in it: the study has them.",
        ["Line", "Amount", '<th scope="col">Unit</th>'],
        rows,
        slug="diesel",
    )


def stand_alone(side: Side) -> str:
    """V2L and V2V."""
    body = ""
    if side.alone:
        rows = [
            Row(
                item.load,
                (
                    *words(item.vehicle), Cell(number(item.kw, 2)), Cell(number(item.hours, 1)),
                    Cell(number(item.days, 1)), *words("yes" if item.carries else "no: more than the outlet gives"),
                ),
            )
            for item in side.alone
        ]  # fmt: skip
        body += table(
            "A vehicle feeding one load by its outlet (V2L)",
            "At the mean charge with which it stands here, the cold-weather reserve kept.",
            [
                "Load",
                '<th scope="col">Vehicle</th>',
                "kW",
                "hours on",
                "days of use",
                '<th scope="col">Outlet enough</th>',
            ],
            rows,
            slug="v2l",
            wide=True,
        )
    if side.cars:
        rows = [
            Row(
                f"{item.giver} gives {item.taker} {item.km:g} km",
                (
                    Cell(number(item.given_kwh, 1)), Cell(number(item.km_given_up)), Cell(number(item.hours, 1)),
                    *words("yes" if item.possible else "no: below its own reserve"),
                ),
            )
            for item in side.cars
        ]  # fmt: skip
        body += table(
            "Car to car (V2V)",
            f"{count(len(rows), 'pair')}; cold-weather consumption.",
            ["Transfer", "kWh given", "km given up", "hours", '<th scope="col">Reserve kept</th>'],
            rows,
            slug="v2v",
            wide=True,
        )
    return body
