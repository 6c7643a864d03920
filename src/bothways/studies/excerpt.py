"""A study cut down to its first days, for the many runs of a sensitivity analysis."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bothways.simulation.stays import Stays
from bothways.studies.beliefs import Forecast, PriceBelief
from bothways.studies.inputs import Case, StudyInputs, VehicleWear
from bothways.studies.period import DAYS_PER_MONTH


def select_stays(stays: Stays, chosen: NDArray[np.intp]) -> Stays:
    """The stays at ``chosen`` (ascending); a link to a stay that is left out is cut."""
    place = np.full(stays.size + 1, -1, dtype=np.int64)
    place[chosen] = np.arange(chosen.shape[0])
    columns: dict[str, Any] = {
        name: (tuple(value[i] for i in chosen) if name == "session_id" else value[chosen])
        for name, value in stays.__dict__.items()
        if name not in {"evse_ids", "previous", "part_load"}
    }
    part_load = None if stays.part_load is None else stays.part_load.of(chosen)
    return Stays(**columns, part_load=part_load, evse_ids=stays.evse_ids, previous=place[stays.previous[chosen]])


@dataclass(frozen=True)
class Excerpt:
    """A part of a study.

    Attributes:
        inputs: the study cut down.
        case: its case.
        demand_share: by what monthly demand prices were multiplied, so that a few days weigh energy against demand
            as a month does; 1 where nothing was cut.
    """

    inputs: StudyInputs
    case: Case
    demand_share: float


def first_days(inputs: StudyInputs, case: Case, days: int) -> Excerpt:
    """The first ``days`` local days of a study, with the stays that end within them.

    Returns the inputs and the case unchanged where the study is no longer than that.
    """
    local_day = inputs.grid.local.date_ordinal
    steps = int(np.searchsorted(local_day, local_day[0] + days))
    if steps >= inputs.grid.periods:
        return Excerpt(inputs, case, 1.0)
    share = min(1.0, steps * inputs.grid.step_h / (24.0 * DAYS_PER_MONTH))
    chosen = np.flatnonzero(inputs.stays.departure <= steps)
    carbon = inputs.emissions
    marginal = None if carbon.marginal_kg_per_kwh is None else carbon.marginal_kg_per_kwh[:steps]
    short_case = replace(
        case,
        tariff_prices=None if case.tariff_prices is None else case.tariff_prices[:steps],
        load=_cut_forecast(case.load, steps),
        pv=_cut_forecast(case.pv, steps),
        import_price=_cut_price(case.import_price, steps),
        export_price=_cut_price(case.export_price, steps),
        demand=tuple(
            replace(term, steps=term.steps[:steps], price_per_kw=term.price_per_kw * share)
            for term in case.demand
            if term.steps[:steps].any()
        ),
    )
    short = replace(
        inputs,
        grid=inputs.grid.slice(0, steps),
        stays=select_stays(inputs.stays, chosen),
        arrival_s=inputs.arrival_s[chosen],
        departure_s=inputs.departure_s[chosen],
        declared_s=inputs.declared_s[chosen],
        vehicle_id=tuple(inputs.vehicle_id[i] for i in chosen),
        capacity_known=None if inputs.capacity_known is None else inputs.capacity_known[chosen],
        wear=None if inputs.wear is None else _cut_wear(inputs.wear, chosen),
        cases=(short_case,),
        emissions=replace(carbon, marginal_kg_per_kwh=marginal),
    )
    return Excerpt(short, short_case, share)


def _cut_forecast(forecast: Forecast, steps: int) -> Forecast:
    return replace(forecast, values=forecast.values[:steps])


def _cut_wear(wear: VehicleWear, chosen: NDArray[np.intp]) -> VehicleWear:
    return replace(wear, per_kwh=wear.per_kwh[chosen], segment=wear.segment[chosen])


def _cut_price(price: PriceBelief, steps: int) -> PriceBelief:
    known = None if price.known_until is None else np.minimum(price.known_until[:steps], steps)
    return replace(price, values=price.values[:steps], known_until=known)
