"""Puts the outage plan's page together, in the look of the study's report."""

from __future__ import annotations

from plotly.offline import get_plotlyjs

from bothways.app.outage.loading import LoadedOutage
from bothways.app.outage.report import tables
from bothways.app.outage.report.figures import compliance, label, seasons, survival, telling, trade_off, year_map
from bothways.app.outage.summary import saved_per_outage, side_of
from bothways.app.outage.words import QUESTION, answer_sentences, chance, hours_in_words
from bothways.resilience.planning import OutagePlan
from bothways.studies.report.markup import Row, bullets, facts, figure, paragraph, table, words
from bothways.studies.report.page import Document
from bothways.studies.report.script import program
from bothways.studies.report.text import BREAK, count, esc, money, number, sentence, signed

STANDARDS = (
    """Vehicles here supply loads that are not critical or extend other backup. They do not replace the emergency and \
legally required standby systems of NEC 700 and 701; optional standby is NEC 702. In Canada: CSA C22.3 No. 9.""",
    """A charger that feeds a building needs UL 9741, its inverter UL 1741 SB and IEEE 1547-2018; where the inverter \
is in the vehicle, SAE J3072. An island may only begin behind a listed device that separates it from the \
street.""",
)
EXACT = (
    """Exact: failures of generators (at the start and in every hour, no repair), whether battery and PV work, the \
energy that is left, from every start hour of the year. Without generators nothing is rounded; with them \
stored energy is rounded down to a hundredth of the store when one fails, so that survival is not overstated.""",
    """Drawn: vehicles only. Each draw takes all of them from the same hour of one week of their record, so that what \
they have in common stays common, and lets drivers refuse, leave, come back or be called in.""",
    """All stores act as one: the dispatch is taken to spread its calls so that no unit runs empty before the others. \
A vehicle that leaves takes the share of the energy with it that it brought.""",
    """Hours are whole: loads, sun and trips are hourly means. Peaks inside an hour, and switching a tier on again \
after it was shed, are the live controller's business.""",
    """Tiers that are switched off at once are off for the whole outage. The live controller may switch them on again \
when the sun shines.""",
)


def render(loaded: LoadedOutage, plan: OutagePlan, *, rerun: str, version: str) -> str:
    """Writes the page: one HTML file that works offline.

    Args:
        loaded: the scenario with its files.
        plan: what was worked out.
        rerun: the command that gives this result again.
        version: of the software.

    Returns:
        A self-contained HTML document.
    """
    side = side_of(loaded, plan)
    parts = [
        ("answer", "The answer", _answer(loaded, plan)),
        ("staying", "What stays on", _staying(loaded, plan)),
        ("when", "When it fails", _when(loaded, plan)),
        ("more", "One thing more", f"<h2>One thing more</h2>{tables.one_more(loaded, plan)}"),
    ]
    if plan.fleet is not None:
        kept = "<h2>What drivers keep, and who takes part</h2>" + tables.kept(plan, side)
        parts.append(("drivers", "Drivers", kept + figure(trade_off(plan)) + figure(compliance(plan))))
    if plan.cases:
        parts.append(("bad-days", "Bad days", f"<h2>Heat and fire</h2>{tables.cases(loaded, plan)}"))
    parts.append(("energy", "Energy", f"<h2>Energy and fuel</h2>{tables.sources(plan, side)}"))
    if side.alone or side.cars:
        parts.append(("alone", "Without a building", f"<h2>Without a building</h2>{tables.stand_alone(side)}"))
    parts += [
        ("method", "How it was computed", _method()),
        ("assumptions", "Assumptions", _assumptions(loaded)),
        ("rerun", "Run it again", _rerun(loaded, plan, rerun, version)),
    ]
    links = "".join(f'<li><a href="#{slug}">{esc(name)}</a></li>' for slug, name, _ in parts)
    sections = "".join(f'<section id="{slug}">{content}</section>' for slug, _, content in parts)
    footer = (
        f'<footer class="wrap">bothways {esc(version)}, seed {loaded.scenario.outage.seed}. '
        "This file needs no network. "
        "It is a plan, not an installation's certificate.</footer>"
    )
    without = (
        "<noscript><p>The figures are drawn by a script, which is switched off here. Their data are told in words "
        "under each of them, and the tables hold the numbers.</p></noscript>"
    )
    body = (
        '<a class="skip" href="#answer">Skip to the answer</a>'
        f"{_masthead(loaded, plan, version, links)}"
        f'<main class="wrap">{without}{sections}</main>{footer}'
    )
    title = f"{loaded.scenario.outage.name}: {QUESTION}"
    return Document(title, body, (get_plotlyjs(), program())).html()


def _masthead(loaded: LoadedOutage, plan: OutagePlan, version: str, links: str) -> str:
    outage, site = loaded.scenario.outage, plan.site
    items = [
        ("Outages that were followed", f"{plan.starts.size:,} start hours, {plan.wishes.horizon} h each"),
        ("Year and zone", f"{outage.year}, {outage.tz.replace('_', ' ').replace('/', '/' + BREAK)}"),
        ("Load, all tiers", f"{number(float(site.load_kw.sum(axis=0).mean() * 24.0), 1)} kWh a day"),
        ("Vehicles", _vehicles(plan)),
        ("PV", _pv(loaded)),
        ("Battery", f"{site.store.capacity_kwh:g} kWh, {site.store.power_kw:g} kW" if site.store else "none"),
        (
            "Generators",
            ", ".join(f"{item.count} × {item.kw:g} kW" for item in site.generators) if site.generators else "none",
        ),
    ]
    return (
        f'<header class="mast wrap"><p class="brand"><b>bothways</b> outage plan, version {esc(version)}</p>'
        f"<h1>{esc(outage.name)}</h1>{paragraph(outage.summary, 'lede')}{facts(items)}"
        f'<nav aria-label="Contents"><ol>{links}</ol></nav></header>'
    )


def _pv(loaded: LoadedOutage) -> str:
    part = loaded.scenario.pv
    if part is None:
        return "none"
    if part.peak_kw is not None:
        return f"{part.peak_kw:g} kW peak"
    return f"{number(float(loaded.site.pv_kw.max()), 1)} kW at most"


def _vehicles(plan: OutagePlan) -> str:
    if plan.fleet is None:
        return "none"
    return ", ".join(f"{kind.count} × {kind.name}" for kind in plan.fleet.kinds)


def _answer(loaded: LoadedOutage, plan: OutagePlan) -> str:
    first, *others = answer_sentences(loaded, plan)
    return (
        f'<h2>{esc(QUESTION)}</h2><div class="answer"><p class="say">{esc(first)}</p>'
        f'<dl class="stats">{_stats(loaded, plan)}</dl><div class="pays">{bullets(others)}</div></div>'
    )


def _stats(loaded: LoadedOutage, plan: OutagePlan) -> str:
    target, first, last = plan.wishes.target, plan.answers[0], plan.answers[-1]
    low = float(first.quantiles((0.1,))[0, target - 1])
    tiers = plan.site.tiers
    items = [
        (
            "bidirectional", f"T{tiers[0].level} lasts {target} h", chance(first.at(target)),
            f"in the worst tenth of start hours {chance(low)} or less",
        ),
        (
            "smart", "Nine outages out of ten", hours_in_words(first.hours_at(0.9), plan.wishes.horizon),
            f"T{tiers[0].level} only; all tiers: {hours_in_words(last.hours_at(0.9), plan.wishes.horizon)}",
        ),
    ]  # fmt: skip
    if plan.fleet is not None:
        gained = 100.0 * (plan.marginal[0].chance - plan.base.chance)
        items.append(
            (
                "", "One more vehicle", f"{signed(float(gained[0]), 1)} points",
                f"T{tiers[0].level} for {target} h; all tiers {signed(float(gained[-1]), 1)}",
            )
        )  # fmt: skip
        saved = saved_per_outage(plan)
        items.append(
            (
                "", "Lost load that vehicles avoid", money(saved, loaded.scenario.outage.currency),
                f"per outage of {target} h, all tiers on",
            )
        )  # fmt: skip
    return "".join(
        f'<div class="{style}"><dt>{esc(name)}</dt><dd>{esc(value)}<small>{esc(remark)}</small></dd></div>'
        for style, name, value, remark in items
    )


def _staying(loaded: LoadedOutage, plan: OutagePlan) -> str:
    return (
        f"<h2>What stays on, and for how long</h2>{figure(survival(plan))}{tables.riding_through(plan)}"
        f"{tables.keeping(loaded, plan)}{tables.tiers(loaded, plan)}"
    )


def _when(loaded: LoadedOutage, plan: OutagePlan) -> str:
    place = telling(plan)
    rest = "with everything else off" if place == 0 else "and all before it, with the rest off"
    said = f"Both figures are for {label(plan.site.tiers[place])} {rest}: the tier for which the hour matters most."
    return (
        f"<h2>When the grid fails matters</h2>{paragraph(said, 'muted small')}"
        f"{figure(year_map(loaded, plan))}{figure(seasons(plan))}"
    )


def _method() -> str:
    return (
        '<h2>How it was computed</h2><div class="two">'
        f"<div><h3>Exact and drawn</h3>{bullets(EXACT)}</div>"
        f"<div><h3>What vehicles may feed</h3>{bullets(STANDARDS)}</div></div>"
    )


def _assumptions(loaded: LoadedOutage) -> str:
    rows = [Row(sentence(item.name), words(item.value, item.source)) for item in loaded.assumptions]
    return "<h2>Assumptions</h2>" + table(
        "Numbers that were not measured",
        f"{count(len(rows), 'assumption')}, each with where it comes from.",
        ["Assumption", "Value", "Source"],
        rows,
        slug="assumed",
        numeric=False,
        wide=True,
    )


def _rerun(loaded: LoadedOutage, plan: OutagePlan, command: str, version: str) -> str:
    draws = f", {plan.answers[0].draws} draws of vehicles per start" if plan.fleet is not None else ""
    made = f"bothways {version}, seed {loaded.scenario.outage.seed}{draws}, scenario {loaded.path}."
    return (
        "<h2>Run it again</h2><p>The same command gives the same figures:</p>"
        f'<pre tabindex="0"><code>{esc(command)}</code></pre>{paragraph(made, "muted small")}'
        f"{paragraph('Every number of this page lies beside it as Parquet, CSV and JSON.', 'muted small')}"
    )
