"""A study small enough to think through: an office, a few vehicles, two prices, one demand charge."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from bothways.domain.timegrid import TimeGrid
from bothways.mobility.sessions import DataQuality
from bothways.simulation.stays import Stays
from bothways.studies.beliefs import Forecast, PriceBelief
from bothways.studies.inputs import Case, Emissions, Limits, PolicySettings, StudyInputs
from bothways.tariffs.prices import DemandTerm
from bothways.tariffs.structure import EnergyTier, Tariff

STEP_S = 900
PER_DAY = 96


def small_grid(days=3):
    """Whole days of June in UTC."""
    first = date(2024, 6, 3)
    return TimeGrid.for_days(first, first + timedelta(days=days - 1), timedelta(minutes=15), "UTC")


def small_stays(grid, *, vehicles=4, truthful=True, seed=1, discharge_kw=7.0):
    """Vehicles that come every morning and leave in the afternoon; ``truthful`` drivers say exactly when."""
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(grid.periods // PER_DAY):
        for v in range(vehicles):
            arrival = day * PER_DAY + int(rng.integers(28, 38))
            departure = day * PER_DAY + int(rng.integers(64, 74))
            energy, wish = float(rng.uniform(15, 25)), float(rng.uniform(8, 20))
            said = departure if truthful else departure + int(rng.integers(-4, 10))
            rows.append((arrival, departure, v, energy, wish, said))
    rows.sort()
    n = len(rows)
    arrival, departure, evse, energy, wish, said = (np.array(column) for column in zip(*rows, strict=True))
    target = energy + wish
    return Stays(
        session_id=tuple(f"stay{k}" for k in range(n)),
        evse=evse.astype(np.int64),
        evse_ids=tuple(f"E{v}" for v in range(vehicles)),
        arrival=arrival.astype(np.int64),
        departure=departure.astype(np.int64),
        declared=said.astype(np.int64),
        energy_kwh=energy,
        floor_kwh=np.full(n, 10.0),
        asked_kwh=target if truthful else energy + wish * rng.uniform(0.8, 1.8, n),
        target_kwh=target,
        charge_kw=np.full(n, 7.0),
        discharge_kw=np.full(n, discharge_kw),
        eta_c=np.full(n, 0.9),
        eta_d=np.full(n, 0.9),
        minimum_kw=np.zeros(n),
        previous=np.full(n, -1, dtype=np.int64),
        away_kwh=np.zeros(n),
        target_known=np.full(n, truthful),
        capacity_kwh=np.full(n, 60.0),
    )


def small_case(grid, *, office_kw=40.0, limits=None, battery=None, demand=10.0):
    """An office that peaks in the early afternoon, cheap mornings and dear afternoons."""
    hour = (np.arange(grid.periods) % PER_DAY) / 4.0
    load = 5.0 + office_kw * np.exp(-(((hour - 14.0) / 2.0) ** 2))
    price = np.where((hour >= 12) & (hour < 18), 0.35, 0.12)
    known = Forecast(load, "known", STEP_S, np.zeros(0))
    return Case(
        name="office",
        description="",
        tariff=Tariff(name="flat", energy=((EnergyTier(rate=0.2),),)),
        tariff_prices=None,
        limits=limits or Limits(),
        load=known,
        pv=Forecast(np.zeros(grid.periods), "known", STEP_S, np.zeros(0)),
        battery=battery,
        import_price=PriceBelief(price, None, STEP_S),
        export_price=PriceBelief(np.zeros(grid.periods), None, STEP_S),
        demand=(DemandTerm(demand, np.ones(grid.periods, dtype=np.bool_), "2024-06", "flat"),) if demand else (),
    )


def small_inputs(*, days=3, truthful=True, wear=0.03, case=None, stays=None, **changes):
    """The whole small study; ``case`` and ``stays`` replace the ordinary ones."""
    grid = small_grid(days)
    stays = stays or small_stays(grid, truthful=truthful)
    inputs = StudyInputs(
        name="small",
        summary="",
        grid=grid,
        stays=stays,
        arrival_s=grid.start_s + stays.arrival * STEP_S,
        departure_s=grid.start_s + stays.departure * STEP_S,
        declared_s=np.where(stays.declared >= 0, grid.start_s + stays.declared * STEP_S, -1),
        vehicle_id=(None,) * stays.size,
        settings=PolicySettings(wear_per_kwh=wear),
        cases=(case or small_case(grid),),
        emissions=Emissions(None, "", 0.3, "test"),
        unserved_price_per_kwh=0.5,
        currency="EUR",
        quality=DataQuality("hand-made", stays.size, stays.size),
        assumptions=(),
        seed=1,
        scenario_path="small.toml",
    )
    return replace(inputs, **changes)
