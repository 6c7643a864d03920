"""The whole outage plan of a site: curves by tier, what one thing more adds, reserves, compliance, bad cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bothways.domain.errors import DomainError
from bothways.resilience.fleet import Departure, Fleet
from bothways.resilience.site import Floats, Generator, Site, Store
from bothways.resilience.survival import Answer, Starts, follow


@dataclass(frozen=True)
class BadCase:
    """A heat wave, a wildfire: what is different from an ordinary outage.

    Attributes:
        name: as the report calls it.
        months: months in which it happens; all starts if empty.
        pv_factor: production as a share of the usual one (smoke).
        load_factor: loads as a share of the usual ones (people who leave).
        cooling_kw: additional load of one tier [kW], shape ``(T,)``.
        cooling_tier: position of that tier.
        departure: common departure of vehicles; ``None`` leaves the scenario's.
        source: where the numbers come from.
    """

    name: str
    months: tuple[int, ...] = ()
    pv_factor: float = 1.0
    load_factor: float = 1.0
    cooling_kw: Floats | None = None
    cooling_tier: int = 0
    departure: Departure | None = None
    source: str = ""

    def site(self, site: Site) -> Site:
        """The site as it is in this case."""
        tiers = [replace(tier, load_kw=tier.load_kw * self.load_factor) for tier in site.tiers]
        if self.cooling_kw is not None:
            hot = tiers[self.cooling_tier]
            tiers[self.cooling_tier] = replace(hot, load_kw=hot.load_kw + self.cooling_kw)
        return replace(site, tiers=tuple(tiers), pv_kw=site.pv_kw * self.pv_factor)

    def starts(self, starts: Starts) -> Starts:
        """The starts of its months."""
        return starts.select(np.isin(starts.month, self.months)) if self.months else starts

    def fleet(self, fleet: Fleet | None) -> Fleet | None:
        """The vehicles as they behave in this case."""
        return fleet if fleet is None or self.departure is None else replace(fleet, departure=self.departure)


@dataclass(frozen=True)
class Wishes:
    """What is to be worked out.

    Attributes:
        horizon: longest outage [h].
        target: hours that the most important tier should last.
        draws: of vehicles per start for the curves.
        quick_draws: for variants, which share their luck with one another.
        quick_every: every n-th start for variants and for energies; 11 meets every hour of the week.
        compliance: shares of drivers to sweep.
        reserve_km: distances kept to sweep [km].
        more_kwh: step of battery energy in the marginal table [kWh].
        more_generator_kw: size of the generator there where the site has none [kW].
        key: of the random numbers.
        threads: that share the starts.
    """

    horizon: int = 96
    target: int = 24
    draws: int = 50
    quick_draws: int = 10
    quick_every: int = 11
    compliance: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    reserve_km: tuple[float, ...] = (0.0, 50.0, 100.0, 150.0, 200.0, 300.0)
    more_kwh: float = 10.0
    more_generator_kw: float = 20.0
    key: int = 1
    threads: int = 2


@dataclass(frozen=True)
class Variant:
    """A variant of the plan: by number of tiers kept, the chance to last the target and hours at 90 %.

    Attributes:
        name: what is different.
        value: the number that was changed; 0 where there is none.
        chance: to last the target hours, by tiers kept, shape ``(J,)``.
        hours: carried with 90 %, by tiers kept, shape ``(J,)`` [h].
        mean_hours: carried on average, at most the horizon, shape ``(J,)`` [h].
        unserved_kwh: expected in the target hours while all tiers are on, all tiers together [kWh].
        cost: of that.
    """

    name: str
    value: float
    chance: Floats
    hours: Floats
    mean_hours: Floats
    unserved_kwh: float
    cost: float


@dataclass(frozen=True)
class OutagePlan:
    """Everything that the report shows.

    Attributes:
        site: loads and sources.
        fleet: vehicles; ``None`` for none.
        starts: of the curves.
        wishes: what was asked for.
        answers: with one tier kept, two tiers, …
        without: the same without vehicles; ``answers`` itself where there are none.
        base: the plan as the variants are computed, for comparison with them.
        marginal: one more vehicle, some energy, one generator, one charger.
        compliance: by share of drivers who let their energy be used; empty without vehicles.
        reserve: by distance kept; empty without vehicles.
        cases: bad cases.
    """

    site: Site
    fleet: Fleet | None
    starts: Starts
    wishes: Wishes
    answers: tuple[Answer, ...]
    without: tuple[Answer, ...]
    base: Variant
    marginal: tuple[Variant, ...]
    compliance: tuple[Variant, ...]
    reserve: tuple[Variant, ...]
    cases: tuple[tuple[BadCase, Variant], ...]


def plan_outages(
    site: Site,
    fleet: Fleet | None,
    starts: Starts,
    wishes: Wishes,
    cases: Sequence[BadCase] = (),
    step: Callable[[str], None] = lambda _: None,
) -> OutagePlan:
    """Works out the outage plan.

    Args:
        site: loads and sources.
        fleet: vehicles; ``None`` for none.
        starts: hours at which outages begin.
        wishes: what is to be worked out.
        cases: heat waves and fires.
        step: is told what begins, for a display of progress.

    Returns:
        The plan.

    Raises:
        DomainError: the target lies beyond the horizon, or a case has no start.
    """
    if not 1 <= wishes.target <= wishes.horizon:
        msg = f"the target must lie in 1…{wishes.horizon} h, not {wishes.target}"
        raise DomainError(msg)
    few = _every(starts, wishes.quick_every)
    tiers = range(1, len(site.tiers) + 1)
    step("without vehicles")
    without = tuple(_answer(site, None, keep, starts, few, wishes) for keep in tiers)
    answers = without
    if fleet is not None and fleet.kinds:
        found = []
        for keep in tiers:
            step(f"with vehicles, {keep} of {len(site.tiers)} tiers on")
            found.append(_answer(site, fleet, keep, starts, few, wishes))
        answers = tuple(found)
    step("variants")
    base = _variant("as planned", 0.0, site, fleet, few, wishes)
    marginal = tuple(_variant(name, 1.0, s, f, few, wishes) for name, s, f in _one_more(site, fleet, wishes))
    compliance: tuple[Variant, ...] = ()
    reserve: tuple[Variant, ...] = ()
    if fleet is not None and fleet.kinds:
        step("compliance and reserves")
        compliance = tuple(
            _variant(f"{share:.0%}", share, site, fleet.with_kinds(compliance=share), few, wishes)
            for share in wishes.compliance
        )
        reserve = tuple(
            _variant(f"{km:g} km", km, site, fleet.with_kinds(evacuation_km=km), few, wishes)
            for km in wishes.reserve_km
        )  # fmt: skip
    bad = []
    for case in cases:
        step(case.name)
        begin = case.starts(few)
        if begin.size == 0:
            msg = f"case {case.name!r}: no outage begins in its months {case.months}"
            raise DomainError(msg)
        bad.append((case, _variant(case.name, 0.0, case.site(site), case.fleet(fleet), begin, wishes)))
    return OutagePlan(
        site, fleet, starts, wishes, answers, without, base, marginal, compliance, reserve, tuple(bad)
    )  # fmt: skip


def _answer(site: Site, fleet: Fleet | None, keep: int, starts: Starts, few: Starts, wishes: Wishes) -> Answer:
    """Survival from every start; expected energies, which are means of means, from few of them."""
    run = partial(
        follow, site, keep=keep, fleet=fleet, horizon=wishes.horizon, draws=wishes.draws, key=wishes.key,
        threads=wishes.threads,
    )  # fmt: skip
    whole, energies = run(starts, account=False), run(few, account=True)
    return replace(whole, energy=energies.energy, load_kwh=energies.load_kwh)


def _every(starts: Starts, stride: int) -> Starts:
    return starts.select(np.arange(starts.size) % stride == 0) if starts.size > 24 * stride else starts


def _variant(name: str, value: float, site: Site, fleet: Fleet | None, starts: Starts, wishes: Wishes) -> Variant:
    chance, hours, mean = [], [], []
    last = len(site.tiers)
    answer = None
    for keep in range(1, last + 1):
        answer = follow(
            site, starts, keep=keep, fleet=fleet, horizon=wishes.horizon, draws=wishes.quick_draws, key=wishes.key,
            account=keep == last, threads=wishes.threads,
        )  # fmt: skip
        chance.append(answer.at(wishes.target))
        hours.append(float(answer.hours_at(0.9)))
        mean.append(float(answer.curve.sum()))
    assert answer is not None  # noqa: S101  (a site has at least one tier)
    missing = float(answer.unserved_kwh(wishes.target).sum())
    return Variant(name, value, np.array(chance), np.array(hours), np.array(mean), missing, answer.cost(wishes.target))


def _one_more(site: Site, fleet: Fleet | None, wishes: Wishes) -> list[tuple[str, Site, Fleet | None]]:
    """The site with one thing more, one at a time."""
    found: list[tuple[str, Site, Fleet | None]] = []
    if fleet is not None and fleet.kinds:
        found.append((f"one more {fleet.kinds[0].name}", site, fleet.one_more()))
        charger = f"one more charger for {fleet.kinds[0].name}"
        found.append((charger, site, fleet.one_more(charger_only=True)))
    store = site.store or Store(0.0, 0.0)
    # a site without a battery gets one that gives its energy in two hours
    bigger = replace(
        store, capacity_kwh=store.capacity_kwh + wishes.more_kwh, power_kw=store.power_kw or wishes.more_kwh / 2.0
    )
    where = "in the battery" if site.store else f"in a first battery of {bigger.power_kw:g} kW"
    found.append((f"{wishes.more_kwh:g} kWh more {where}", replace(site, store=bigger), fleet))
    first = site.generators[0] if site.generators else None
    if first is None:
        more: tuple[Generator, ...] = (Generator("generator", wishes.more_generator_kw),)
        name = f"a first generator of {wishes.more_generator_kw:g} kW, unlimited fuel"
    else:
        tank = first.tank_kwh * (first.count + 1) / first.count
        more = (replace(first, count=first.count + 1, tank_kwh=tank), *site.generators[1:])
        name = f"one more {first.name} of {first.kw:g} kW with its fuel"
    found.append((name, replace(site, generators=more), fleet))
    return found
