"""The answer in sentences, for screen and page."""

from __future__ import annotations

from bothways.app.outage.loading import LoadedOutage
from bothways.app.outage.summary import saved_per_outage
from bothways.resilience.planning import OutagePlan
from bothways.studies.report.text import count, money, number, percent, sentence_list

QUESTION = "If the grid fails now, or at any hour of the year, which loads stay on?"


def answer_sentences(loaded: LoadedOutage, plan: OutagePlan) -> list[str]:
    """Which loads stay on, how long, with what chance; what vehicles add; who must keep what."""
    return [
        *_staying(plan), *_without(plan), *_one_more(plan), *_keeping(plan), *_money(loaded, plan), *_left_out(loaded),
    ]  # fmt: skip


def _staying(plan: OutagePlan) -> list[str]:
    target, found = plan.wishes.target, []
    for tier, answer in zip(plan.site.tiers, plan.answers, strict=True):
        chance = answer.at(target)
        only = "alone" if tier is plan.site.tiers[0] else "and all before it"
        found.append(
            f"T{tier.level} {tier.name} {only}: {percent(chance)} of outages of {target} h are carried; "
            f"{hours_in_words(answer.hours_at(0.9), plan.wishes.horizon)} with nine chances in ten."
        )
    return found


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
    return [f"Vehicles raise the chance to carry {name} for {target} h from {percent(bare)} to {percent(first)}."]


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
    said = [
        f"{count(kind.count, 'vehicle')} of kind {kind.name} {number(kind.reserve_kwh(cold=False), 1)} kWh "
        f"({number(kind.reserve_kwh(cold=True), 1)} in cold months) for {kind.evacuation_km:g} km"
        for kind in plan.fleet.kinds
    ]
    return [f"Energy that stays in each for the way out: {sentence_list(said)}."]


def _money(loaded: LoadedOutage, plan: OutagePlan) -> list[str]:
    if plan.fleet is None:
        return []
    outage = loaded.scenario.outage
    saved = saved_per_outage(plan)
    text = f"Vehicles avoid lost load worth {money(saved, outage.currency)} per outage of {plan.wishes.target} h"
    if outage.per_year is not None:
        text += f", {money(outage.per_year * saved, outage.currency)} a year at {outage.per_year:g} outages"
    return [f"{text}."]


def _left_out(loaded: LoadedOutage) -> list[str]:
    if not loaded.left_out:
        return []
    names = sentence_list(list(loaded.left_out))
    return [
        f"Not counted here: {names}, which stays on its own emergency system (NEC 700); vehicles do not replace it."
    ]
