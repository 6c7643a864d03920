"""The outage plan as data: what ``--json`` prints and summary.json holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bothways.app.outage.loading import LoadedOutage
from bothways.resilience.arithmetic import (
    CarToCar,
    DieselDisplaced,
    StandAlone,
    car_to_car,
    diesel_displaced,
    stand_alone,
)
from bothways.resilience.fleet import Kind
from bothways.resilience.intervals import wilson
from bothways.resilience.planning import OutagePlan, Variant
from bothways.resilience.survival import RIDE_THROUGH_H, Answer

SEASONS = (
    ("December to February", (12, 1, 2)), ("March to May", (3, 4, 5)), ("June to August", (6, 7, 8)),
    ("September to November", (9, 10, 11)),
)  # fmt: skip


@dataclass(frozen=True)
class Side:
    """What needs no simulation: V2L, V2V, diesel.

    Attributes:
        alone: stand-alone loads on one vehicle.
        cars: car to car.
        diesel: displaced by vehicles in an outage of the target length, all tiers on; ``None`` where not asked for.
        stored: mean share of the capacity in a vehicle that is there, by kind.
    """

    alone: tuple[StandAlone, ...]
    cars: tuple[CarToCar, ...]
    diesel: DieselDisplaced | None
    stored: Mapping[str, float]


def side_of(loaded: LoadedOutage, plan: OutagePlan) -> Side:
    """Works out the side tables."""
    scenario = loaded.scenario
    kinds = {kind.name: kind for kind in (plan.fleet.kinds if plan.fleet else ())}
    stored = {name: mean_soc(kind) for name, kind in kinds.items()}
    outlets = {part.name: part.outlet_kw for part in scenario.vehicle}
    alone = [
        stand_alone(kind, item.name, item.kw, item.hours_per_day, soc=stored[name], outlet_kw=outlets[name])
        for item in scenario.v2l
        for name, kind in kinds.items()
        if outlets[name] > 0.0
    ]
    cars = [
        car_to_car(
            kinds[item.giver],
            kinds[item.taker],
            item.km,
            soc=stored[item.giver],
            kw=item.kw,
            efficiency=item.efficiency,
        )
        for item in scenario.v2v
    ]
    diesel = None
    if scenario.diesel is not None and plan.fleet is not None:
        part = scenario.diesel
        turn = float(
            np.average(
                [kind.charge_efficiency * kind.discharge_efficiency for kind in plan.fleet.kinds],
                weights=[kind.count for kind in plan.fleet.kinds],
            )
        )
        delivered = plan.answers[-1].sources_kwh(plan.wishes.target)["vehicles"]
        diesel = diesel_displaced(
            delivered, part.charging_kg_per_kwh, turn, litres_per_kwh=part.litres_per_kwh,
            kg_per_litre=part.kg_per_litre,
        )  # fmt: skip
    return Side(tuple(alone), tuple(cars), diesel, stored)


def mean_soc(kind: Kind) -> float:
    """Mean share of the capacity of a vehicle while it is there."""
    if kind.called is not None:
        return kind.called.stored_kwh / kind.capacity_kwh
    assert kind.record is not None  # noqa: S101  (the kind's own check)
    stored = kind.record.stored_kwh
    there = stored >= 0.0
    return float(stored[there].mean()) / kind.capacity_kwh if there.any() else 0.0


def ride_through(answer: Answer, hours: Iterable[int] = RIDE_THROUGH_H) -> list[dict[str, float | int | None]]:
    """Chances to ride through, with quantiles over start hours and the interval of the sampling."""
    found: list[dict[str, float | int | None]] = []
    for length in hours:
        if length > answer.survived.shape[1]:
            continue
        column = answer.survived[:, length - 1]
        p10, p50, p90 = np.quantile(column, [0.1, 0.5, 0.9])
        mean = min(1.0, float(column.mean()))
        row: dict[str, float | int | None] = {
            "hours": length, "chance": mean, "p10": float(p10), "p50": float(p50), "p90": float(p90),
            "interval_low": None, "interval_high": None,
        }  # fmt: skip
        if answer.draws:
            row["interval_low"], row["interval_high"] = wilson(mean, answer.draws)
        found.append(row)
    return found


def by_season_and_hour(plan: OutagePlan, answer: Answer) -> list[dict[str, object]]:
    """Chance to last the target hours by season and local hour of the start; ``None`` where no start is."""
    column = answer.survived[:, plan.wishes.target - 1]
    found: list[dict[str, object]] = []
    for name, months in SEASONS:
        inside = np.isin(plan.starts.month, months)
        row = []
        for hour in range(24):
            which = inside & (plan.starts.day_hour == hour)
            row.append(float(column[which].mean()) if which.any() else None)
        found.append({"season": name, "by_hour": row})
    return found


def summary(loaded: LoadedOutage, plan: OutagePlan) -> dict[str, object]:
    """Everything of the plan that another program may want, JSON-ready."""
    side, target = side_of(loaded, plan), plan.wishes.target
    per_year = loaded.scenario.outage.per_year
    return {
        "name": loaded.scenario.outage.name,
        "scenario": loaded.path,
        "currency": loaded.scenario.outage.currency,
        "seed": loaded.scenario.outage.seed,
        "draws_per_start": plan.answers[0].draws,
        "starts": plan.starts.size,
        "horizon_h": plan.wishes.horizon,
        "target_h": target,
        "left_out": list(loaded.left_out),
        "tiers": [_tier(plan, keep) for keep in range(len(plan.answers))],
        "sources_kwh_in_target_hours": plan.answers[-1].sources_kwh(target),
        "backup_value_per_year": None if per_year is None else per_year * saved_per_outage(plan),
        "marginal": [_variant(item, plan.base) for item in plan.marginal],
        "compliance": [_variant(item, None) for item in plan.compliance],
        "reserve": [_variant(item, None) for item in plan.reserve],
        "cases": [{**_variant(item, None), "source": case.source} for case, item in plan.cases],
        "reserves_kept": reserves(plan),
        "v2l": [vars_of(item) for item in side.alone],
        "v2v": [vars_of(item) for item in side.cars],
        "diesel": None if side.diesel is None else {**vars_of(side.diesel), "kg_net": side.diesel.kg_net},
    }


def saved_per_outage(plan: OutagePlan) -> float:
    """Lost load that vehicles avoid in one outage of the target length, all tiers on in their order."""
    target = plan.wishes.target
    return plan.without[-1].cost(target) - plan.answers[-1].cost(target)


def reserves(plan: OutagePlan) -> list[dict[str, float | str | int]]:
    """What every kind of vehicle keeps to drive away."""
    return [
        {
            "vehicle": kind.name, "count": kind.count, "km": kind.evacuation_km,
            "kwh": kind.reserve_kwh(cold=False), "kwh_cold": kind.reserve_kwh(cold=True),
        }
        for kind in (plan.fleet.kinds if plan.fleet else ())
    ]  # fmt: skip


def vars_of(item: object) -> dict[str, object]:
    """A small dataclass as a mapping."""
    return {name: getattr(item, name) for name in item.__dataclass_fields__}  # type: ignore[attr-defined]


def _tier(plan: OutagePlan, place: int) -> dict[str, object]:
    tier, answer, without = plan.site.tiers[place], plan.answers[place], plan.without[place]
    target = plan.wishes.target
    names = [item.name for item in plan.site.tiers]
    return {
        "name": tier.name,
        "level": tier.level,
        "kwh_per_day": float(tier.load_kw.mean() * 24.0),
        "peak_kw": float(tier.load_kw.max()),
        "kept_on": names[: place + 1],
        "ride_through": ride_through(answer),
        "ride_through_without_vehicles": ride_through(without),
        "hours_at": {str(share): answer.hours_at(share) for share in (0.9, 0.5, 0.1)},
        "hours_at_without_vehicles": {str(share): without.hours_at(share) for share in (0.9, 0.5, 0.1)},
        "curve": [round(float(value), 6) for value in answer.curve],
        "quantiles": [[round(float(value), 6) for value in row] for row in answer.quantiles()],
        "unserved_kwh_by_tier": dict(zip(names, map(float, answer.unserved_kwh(target)), strict=True)),
        "cost_per_outage": answer.cost(target),
        "cost_per_outage_without_vehicles": without.cost(target),
        "by_season_and_hour": by_season_and_hour(plan, answer),
    }


def _variant(item: Variant, base: Variant | None) -> dict[str, object]:
    found: dict[str, object] = {
        "name": item.name, "value": item.value, "chance_at_target": _list(item.chance),
        "hours_at_90": _list(item.hours), "mean_hours": _list(item.mean_hours),
        "unserved_kwh": item.unserved_kwh, "cost": item.cost,
    }  # fmt: skip
    if base is not None:
        found |= {
            "chance_gained": _list(item.chance - base.chance),
            "mean_hours_gained": _list(item.mean_hours - base.mean_hours),
            "kwh_saved": base.unserved_kwh - item.unserved_kwh, "cost_saved": base.cost - item.cost,
        }  # fmt: skip
    return found


def _list(values: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
    return [float(value) for value in values]
