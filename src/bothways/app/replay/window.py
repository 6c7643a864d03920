"""A window of a study's period, so that study and live system can be given the same hours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import Problems
from bothways.simulation.stays import Stays
from bothways.studies.beliefs import Forecast, PriceBelief
from bothways.studies.excerpt import select_stays
from bothways.studies.inputs import Case, StudyInputs

STRATEGIES = ("smart", "bidirectional")


@dataclass(frozen=True, slots=True)
class WindowForm:
    """Which hours of which study are asked for; see the options of ``bothways replay``."""

    day: date | None = None
    from_h: float = 0.0
    hours: float = 24.0
    case: str | None = None
    strategy: str = "smart"


@dataclass(frozen=True)
class Window:
    """Some hours of a study.

    Attributes:
        inputs: the study from the first hour on until everybody has left who came within the hours.
        case: its one case.
        strategy: ``smart`` or ``bidirectional``.
        steps: steps that are compared; the rest is only what plans look ahead to.
        published: the same hours with the knowledge that the study as published has of vehicles.
    """

    inputs: StudyInputs
    case: Case
    strategy: str
    steps: int
    published: StudyInputs


def window_of(inputs: StudyInputs, form: WindowForm) -> Window:
    """Cuts the hours that a form asks for out of a study.

    A vehicle that is there when the window begins begins its stay then, with the energy it came with. Under
    ``bidirectional`` vehicles report their state of charge and target over OCPP 2.1, without which a live site never
    discharges; the study gets the same knowledge, and ``published`` keeps the one without.

    Raises:
        InputError: hours outside of the study, an unknown case or strategy, or a case that cannot be replayed.
    """
    case = _checked(inputs, form)
    grid = inputs.grid
    local = grid.local
    day = form.day.toordinal() if form.day is not None else _busiest(inputs)
    begins = int(np.searchsorted(local.date_ordinal, day))
    first = begins + round(form.from_h / grid.step_h)
    last = first + max(1, round(form.hours / grid.step_h))
    if form.day is not None and not (0 <= begins < grid.periods and int(local.date_ordinal[begins]) == day):
        _refuse("--day", str(form.day), f"{grid.instant(0):%Y-%m-%d} and later", "Choose a day of the study.")
    if last > grid.periods:
        _refuse("--hours", form.hours, "hours within the study", "Choose fewer hours, or an earlier day.")
    stays = inputs.stays
    chosen = np.flatnonzero((stays.departure > first) & (stays.arrival < last))
    if chosen.size == 0:
        _refuse("--day", day, "a day with sessions", "Choose another day.")
    until = max(last, min(grid.periods, int(stays.departure[chosen].max())))
    short = _case(case, first, until)
    cut = replace(
        inputs,
        grid=grid.slice(first, until),
        stays=_stays(stays, chosen, first, until - first),
        arrival_s=inputs.arrival_s[chosen],
        departure_s=inputs.departure_s[chosen],
        declared_s=inputs.declared_s[chosen],
        vehicle_id=tuple(inputs.vehicle_id[i] for i in chosen),
        capacity_known=None if inputs.capacity_known is None else inputs.capacity_known[chosen],
        cases=(short,),
        warranty=None,
        wear=None,
    )
    told = cut
    if form.strategy == "bidirectional":
        told = replace(cut, stays=Stays(**{**cut.stays.__dict__, "target_known": np.ones(chosen.size, dtype=np.bool_)}))
    return Window(told, short, form.strategy, last - first, cut)


def _checked(inputs: StudyInputs, form: WindowForm) -> Case:
    problems = Problems(at="replay")
    names = [case.name for case in inputs.cases]
    case = next((item for item in inputs.cases if form.case in {None, item.name}), None)
    if form.strategy not in STRATEGIES:
        problems.add("--strategy", form.strategy, ", ".join(STRATEGIES), "Uncontrolled charging needs no live system.")
    if case is None:
        problems.add("--case", form.case, ", ".join(names), "Name a case of the scenario.")
    elif case.battery is not None:
        problems.add("--case", case.name, "a case without stationary battery", "The live system has none to command.")
    elif case.tariff_prices is not None:
        problems.add("--case", case.name, "a tariff that says its own prices", "Choose a case with such a tariff.")
    if form.hours <= 0.0 or form.from_h < 0.0:
        problems.add("--hours", form.hours, "above 0, from 0 on", "Correct the hours.")
    problems.raise_if_any()
    assert case is not None  # noqa: S101 - a missing case would have raised
    return case


def _refuse(where: str, found: object, allowed: str, remedy: str) -> None:
    problems = Problems(at="replay")
    problems.add(where, found, allowed, remedy)
    problems.raise_if_any()


def _busiest(inputs: StudyInputs) -> int:
    """The local day on which most vehicles come."""
    days, counts = np.unique(inputs.grid.local.date_ordinal[inputs.stays.arrival], return_counts=True)
    return int(days[np.argmax(counts)])


def _stays(stays: Stays, chosen: NDArray[np.intp], first: int, periods: int) -> Stays:
    cut = select_stays(stays, chosen)
    declared = np.where(cut.declared >= 0, np.maximum(cut.declared - first, 0), -1)
    return replace(
        cut,
        arrival=np.maximum(cut.arrival - first, 0),
        departure=np.minimum(cut.departure - first, periods),
        declared=declared,
    )


def _case(case: Case, first: int, until: int) -> Case:
    return replace(
        case,
        load=_forecast(case.load, first, until),
        pv=_forecast(case.pv, first, until),
        import_price=_price(case.import_price, first, until),
        export_price=_price(case.export_price, first, until),
        demand=tuple(
            replace(term, steps=term.steps[first:until]) for term in case.demand if term.steps[first:until].any()
        ),
    )


def _forecast(forecast: Forecast, first: int, until: int) -> Forecast:
    seen = np.concatenate([forecast.history, forecast.values[:first]])
    return replace(forecast, values=forecast.values[first:until], history=seen)


def _price(price: PriceBelief, first: int, until: int) -> PriceBelief:
    known = None if price.known_until is None else np.clip(price.known_until[first:until] - first, 0, until - first)
    return replace(price, values=price.values[first:until], known_until=known)
