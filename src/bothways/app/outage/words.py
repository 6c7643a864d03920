"""The answer in sentences, for screen and page."""

from __future__ import annotations

from bothways.app.outage.loading import LoadedOutage
from bothways.app.outage.summary import saved_per_outage
from bothways.resilience.planning import OutagePlan
from bothways.studies.report.text import money, number, percent, sentence_list

QUESTION = "If the grid fails now, or at any hour of the year, which loads stay on?"


def answer_sentences(loaded: LoadedOutage, plan: OutagePlan) -> list[str]:
    """Which loads stay on, how long, with what chance; what vehicles add; who must keep what."""
    return [
        *_staying(plan), *_without(plan), *_one_more(plan), *_keeping(plan), *_money(loaded, plan), *_left_out(loaded),
    ]  # fmt: skip


def _staying(plan: OutagePlan) -> list[str]:
    target, found = plan.wishes.target, []
    for tier, answer in zip(plan.site.tiers, plan.answers, strict=True):
        share = answer.at(target)
        only = "alone" if tier is plan.site.tiers[0] else "and all before it"
        found.append(
            f"T{tier.level} {tier.name} {only}: {chance(share)} of outages of {target} h are carried; "
            f"{hours_in_words(answer.hours_at(0.9), plan.wishes.horizon)} with nine chances in ten."
        )
    return found


def chance(value: float) -> str:
    """A probability as per cent; what is not certain is not rounded to 100 % and what is possible not to 0 %.

    >>> chance(0.42), chance(0.9996), chance(0.998), chance(1.0), chance(0.0003)
    ('42 %', 'more than 99.9 %', '99.8 %', '100 %', 'less than 0.1 %')
    """
    if 0.9995 <= value < 1.0 - 1e-9:
        return "more than 99.9 %"
    if 1e-9 < value < 0.0005:
        return "less than 0.1 %"
    return percent(value, 1 if 0.0 < value < 0.0095 or 0.9905 < value < 1.0 - 1e-9 else 0)


def hours_in_words(hours: int, horizon: int) -> str:
    """Hours as a sentence has them, the end of the study named as such."""
    if hours >= horizon:
        return f"{horizon} h and longer"
    return "not one hour" if hours == 0 else f"{hours} h"


def _without(plan: OutagePlan) -> list[str]:
    if plan.fleet is None:
        return ["There are no vehicles in this plan."]
    target = plan.wishes.target
    first, bare = plan.answers[0].at(target), plan.without[0].at(target)
    name = plan.site.tiers[0].name
    return [f"Vehicles raise the chance to carry {name} for {target} h from {chance(bare)} to {chance(first)}."]


def _one_more(plan: OutagePlan) -> list[str]:
    if plan.fleet is None:
        return []
    more = plan.marginal[0]
    places = [
        f"{100.0 * gained:+.1f} points for T{tier.level}"
        for tier, gained in zip(plan.site.tiers, more.chance - plan.base.chance, strict=True)
    ]
    return [f"{more.name[:1].upper()}{more.name[1:]} adds {sentence_list(places)} ({plan.wishes.target} h)."]


def _keeping(plan: OutagePlan) -> list[str]:
    if plan.fleet is None:
        return []
    return [
        f"To drive away, each {kind.name} keeps {number(kind.reserve_kwh(cold=False), 1)} kWh "
        f"({number(kind.reserve_kwh(cold=True), 1)} in cold months), enough for {kind.evacuation_km:g} km."
        for kind in plan.fleet.kinds
    ]


def _money(loaded: LoadedOutage, plan: OutagePlan) -> list[str]:
    if plan.fleet is None:
        return []
    outage = loaded.scenario.outage
    saved = saved_per_outage(plan)
    text = f"Vehicles avoid lost load worth {money(saved, outage.currency)} in an outage of {plan.wishes.target} h"
    if outage.per_year is not None:
        often = f"{outage.per_year:g} {'outage' if outage.per_year == 1 else 'outages'} a year"
        text += f", {money(outage.per_year * saved, outage.currency)} a year with {often}"
    return [f"{text}."]


def _left_out(loaded: LoadedOutage) -> list[str]:
    if not loaded.left_out:
        return []
    names = sentence_list(list(loaded.left_out))
    return [f"Not counted here: {names}. Life safety stays on its own emergency system; vehicles do not replace it."]
