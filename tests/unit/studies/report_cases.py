"""A small but real study result for the report's tests: hand-made stays, simple rules, real bills."""

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from bothways.domain.timegrid import TimeGrid
from bothways.economics.figures import Figure
from bothways.mobility.sessions import DataQuality, QualityCount
from bothways.simulation.rule_based import Trace
from bothways.simulation.stays import Stays
from bothways.studies.baseline import run_uncontrolled, store_surplus
from bothways.studies.beliefs import Forecast, PriceBelief
from bothways.studies.compare import outcome_of
from bothways.studies.inputs import (
    Assumption,
    Case,
    Emissions,
    Limits,
    PolicySettings,
    StationaryBattery,
    StudyInputs,
)
from bothways.studies.period import YearScale
from bothways.studies.result import CaseResult, InvestmentResult, Sensitivity, SensitivityRow, StudyResult
from bothways.studies.runs import Planning, StrategyRun, site_flows
from bothways.tariffs.prices import DemandTerm
from bothways.tariffs.structure import Amounts, DemandCharges, DemandTier, EnergyTier, Schedule, Tariff

LATE_H = (16, 21)


def make_stays(grid, evses, seed=3):
    """One stay per EVSE on most weekdays; every eighth driver declares nothing."""
    rng = np.random.default_rng(seed)
    local, per_day = grid.local, round(24 / grid.step_h)
    starts = np.flatnonzero((local.hour == 0) & (local.minute == 0))
    rows = []
    for first in starts:
        busy = 0.85 if local.weekday[first] < 5 else 0.1
        for evse in range(evses):
            if rng.random() > busy or first + per_day > grid.periods:
                continue
            arrival = first + round(rng.normal(8.2, 0.9) / grid.step_h)
            departure = min(first + round(rng.normal(17.3, 1.1) / grid.step_h), grid.periods)
            rows.append((arrival, max(departure, arrival + 4), evse, rng.uniform(8, 30), rng.uniform(8, 26)))
    rows.sort()
    n = len(rows)
    arrival, departure, evse, energy, wish = (np.array(column) for column in zip(*rows, strict=True))
    declared = departure + rng.integers(-3, 4, n)
    declared = np.where(np.arange(n) % 8 == 7, -1, np.maximum(declared, arrival + 1))
    return Stays(
        session_id=tuple(f"stay-{k}" for k in range(n)),
        evse=evse.astype(np.int64),
        evse_ids=tuple(f"AG-1F{k + 1:02d}" for k in range(evses)),
        arrival=arrival.astype(np.int64),
        departure=departure.astype(np.int64),
        declared=declared.astype(np.int64),
        energy_kwh=energy,
        floor_kwh=np.full(n, 6.0),
        asked_kwh=energy + wish,
        target_kwh=energy + wish,
        charge_kw=np.full(n, 6.6),
        discharge_kw=np.full(n, 6.6),
        eta_c=np.full(n, 0.92),
        eta_d=np.full(n, 0.92),
        minimum_kw=np.zeros(n),
        previous=np.full(n, -1, dtype=np.int64),
        away_kwh=np.zeros(n),
        target_known=np.zeros(n, dtype=np.bool_),
        capacity_kwh=np.full(n, 60.0),
    )


def play(stays, grid, strategy, *, spare_h=0.5):
    """Charges as late as ``spare_h`` before plug-out allows; two-way also feeds back in the late hours."""
    periods, step_h = grid.periods, grid.step_h
    power = np.zeros((stays.evse_count, periods))
    stored = np.zeros((stays.evse_count, periods))
    who = np.full((stays.evse_count, periods), -1, dtype=np.int32)
    energy, charged, discharged = stays.energy_kwh.copy(), np.zeros(stays.size), np.zeros(stays.size)
    for i in range(stays.size):
        end = int(stays.departure[i]) - round(spare_h / step_h)
        feeds = strategy == "bidirectional" and i % 3 == 0
        for t in range(int(stays.arrival[i]), int(stays.departure[i])):
            room, hours = stays.target_kwh[i] - energy[i], (end - t) * step_h
            late = LATE_H[0] - 2 <= grid.local.hour[t] < LATE_H[0]
            flow = 0.0
            if feeds and late and energy[i] > stays.floor_kwh[i] + 4.0 and hours > 2.5:
                flow = -stays.discharge_kw[i]
                energy[i] += flow * step_h / stays.eta_d[i]
                discharged[i] -= flow * step_h
            elif room > 1e-9:
                even = room / (stays.eta_c[i] * max(step_h, hours))
                flow = min(max(even, 1.5), stays.charge_kw[i], room / (stays.eta_c[i] * step_h))
                energy[i] += flow * step_h * stays.eta_c[i]
                charged[i] += flow * step_h
            place = (int(stays.evse[i]), t)
            power[place], stored[place], who[place] = flow, energy[i], i
    return Trace(power, stored, who, energy, stays.energy_kwh.copy(), discharged, charged)


def make_tariff(currency="USD", *, demand=True):
    """Two energy periods, a flat and a late demand charge, a fixed charge."""
    hours = tuple(1 if LATE_H[0] <= hour < LATE_H[1] else 0 for hour in range(24))
    matrix = (hours,) * 12
    charged = {
        "flat_demand": DemandCharges(periods=((DemandTier(rate=9.5),),)),
        "tou_demand": DemandCharges(periods=((DemandTier(rate=0.0),), (DemandTier(rate=14.2),))),
        "tou_demand_schedule": Schedule(matrix, matrix),
    }
    return Tariff(
        name="two periods",
        currency=currency,
        energy=((EnergyTier(rate=0.11),), (EnergyTier(rate=0.38),)),
        energy_schedule=Schedule(matrix, matrix),
        fixed=Amounts(per_month=120.0),
        **(charged if demand else {}),
    )


def make_case(grid, name, *, office_kw=0.0, solar_kw=0.0, demand=True, battery=False, limits=None, currency="USD"):
    """A case with an office that works by day; prices as in :func:`make_tariff`."""
    hour = grid.local.hour + grid.local.minute / 60.0
    works = np.where(grid.local.weekday < 5, 1.0, 0.35)
    wave = 0.06 * np.sin(np.arange(grid.periods) * 0.37)
    load = office_kw * works * (0.3 + 0.7 * np.exp(-(((hour - 14.0) / 4.0) ** 2)) + wave)
    sun = solar_kw * np.maximum(0.0, np.cos((hour - 12.5) / 6.5 * math.pi / 2)) * (np.abs(hour - 12.5) < 6.5)
    late = (hour >= LATE_H[0]) & (hour < LATE_H[1])
    step_s, none = grid.step_s, np.zeros(0)
    every = np.ones(grid.periods, dtype=np.bool_)
    return Case(
        name=name,
        description="The garage stands on a meter of its own." if not office_kw else "The garage behind the office.",
        tariff=make_tariff(currency, demand=demand),
        tariff_prices=None,
        limits=limits or Limits(),
        load=Forecast(load, "known", step_s, none),
        pv=Forecast(sun, "known", step_s, none),
        battery=StationaryBattery(40.0, 20.0, 0.95, 0.95, 0.02) if battery else None,
        import_price=PriceBelief(np.where(late, 0.38, 0.11), None, step_s),
        export_price=PriceBelief(np.full(grid.periods, 0.05), None, step_s),
        demand=(DemandTerm(9.5, every, "2024-05", "flat"),) if demand else (),
    )


def make_inputs(days=4, evses=6, *, cases=None, signal=True, name="Garage", **changes):
    """The study's inputs, in the time zone of Los Angeles."""
    first = date(2019, 5, 1)
    grid = TimeGrid.for_days(first, first + timedelta(days=days - 1), timedelta(minutes=15), "America/Los_Angeles")
    stays = make_stays(grid, evses)
    hour = grid.local.hour + grid.local.minute / 60.0
    marginal = 0.28 + 0.14 * np.cos((hour - 20.0) / 24.0 * 2 * math.pi) + 0.02 * np.sin(np.arange(grid.periods) * 1.7)
    inputs = StudyInputs(
        name=name,
        summary="Real cars, a real tariff, and the question what feeding back is worth.",
        grid=grid,
        stays=stays,
        arrival_s=grid.start_s + stays.arrival * grid.step_s,
        departure_s=grid.start_s + stays.departure * grid.step_s,
        declared_s=np.where(stays.declared >= 0, grid.start_s + stays.declared * grid.step_s, -1),
        vehicle_id=(None,) * stays.size,
        settings=PolicySettings(wear_per_kwh=0.04),
        cases=cases(grid)
        if cases
        else (make_case(grid, "Garage alone"), make_case(grid, "With office", office_kw=160.0)),
        emissions=Emissions(marginal if signal else None, "hand-made", 0.24 if signal else None, "hand-made"),
        unserved_price_per_kwh=0.45,
        currency="USD",
        quality=DataQuality(
            "hand-made",
            stays.size + 2,
            stays.size,
            (
                QualityCount("zero_length", "stays of zero length", 2, "dropped"),
                QualityCount("undeclared", "stays without a declared departure", 12, "kept, never discharged"),
                QualityCount("overlapping", "stays that overlap on one station", 0, "the later one is moved"),
            ),
        ),
        assumptions=(
            Assumption("usable capacity", "60 kWh", "a common battery of the year, not measured"),
            Assumption("wear", "0.04 USD/kWh discharged", "pack price over warranted throughput"),
        ),
        seed=1,
        scenario_path="examples/garage/scenario.toml",
    )
    return replace(inputs, **changes)


def make_battery(case, trace, step_h):
    """Power and energy of the stationary battery, which stores surplus; zeros without one."""
    if case.battery is None:
        return np.zeros_like(case.base_kw), np.zeros_like(case.base_kw)
    own = case.battery
    start = own.hold * own.capacity_kwh
    return store_surplus(
        case.base_kw + trace.vehicles_kw, own.capacity_kwh, own.power_kw, own.eta_c, own.eta_d, start, step_h
    )


def make_runs(inputs, case):
    """Uncontrolled by the real rule, the others by :func:`play`; the bounds have a little more time."""
    found = [run_uncontrolled(inputs, case)]
    for known in (False, True):
        for strategy in ("smart", "bidirectional"):
            trace = play(inputs.stays, inputs.grid, strategy, spare_h=0.0 if known else 0.5)
            kw, stored = make_battery(case, trace, inputs.grid.step_h)
            flows = site_flows(
                case.load.values, case.pv.values, trace.vehicles_kw, kw, stored, case.limits.export_limit_kw
            )
            plans = Planning(1, 2e-5, 0, 0, 123.4) if known else Planning(310, 8e-5, 0, 1, None, ("one plan was late",))
            found.append(StrategyRun(strategy, known, trace, flows, plans))
    return found


def make_investment(strategy, reference, saving, *, years=10, rate=0.06, outlay=9000.0):
    """Figures of an investment, the flow by hand."""
    flow = (-outlay, *([saving - 300.0] * years))
    npv = sum(amount / (1 + rate) ** year for year, amount in enumerate(flow))
    pays = saving > 300.0
    return InvestmentResult(
        strategy=strategy,
        reference=reference,
        lines=(("chargers", outlay * 0.8), ("installation", outlay * 0.2)),
        outlay=outlay,
        yearly_saving=saving,
        yearly_cost=300.0,
        npv=npv,
        irr=Figure(0.12) if pays else Figure(None, "the flow never changes sign"),
        mirr=Figure(0.09),
        simple_payback_years=Figure(outlay / (saving - 300.0)) if pays else Figure(None, "it never pays back"),
        discounted_payback_years=Figure(7.4) if npv > 0 else Figure(None, "it never pays back"),
        break_even_charger_price=Figure(1234.5 if npv > 0 else -80.0),
        years=years,
        discount_rate=rate,
        cash_flow=flow,
    )


def make_sensitivity():
    """Three assumptions moved by hand."""
    return Sensitivity(
        "yearly saving of bidirectional against smart charging [USD/year]",
        820.0,
        (
            SensitivityRow("price spread", "× 0.5", "× 1.5", 210.0, 1490.0),
            SensitivityRow("wear [USD/kWh]", "0.02", "0.1", 990.0, 260.0),
            SensitivityRow("assumed capacity [kWh]", "40", "75", 700.0, 870.0),
        ),
        "closed loop over the first 7 days, one assumption at a time",
    )


def make_result(*, bare=False, **changes):
    """A whole result; ``bare`` leaves out investments and sensitivity."""
    inputs = make_inputs(**changes)
    cases = []
    for case in inputs.cases:
        runs = make_runs(inputs, case)
        outcomes = tuple(outcome_of(inputs, case, run, runs[0]) for run in runs)
        money = () if bare else (
            make_investment("smart", "uncontrolled", 2400.0, outlay=6000.0),
            make_investment("bidirectional", "uncontrolled", 3300.0, outlay=30000.0),
            make_investment("bidirectional", "smart", 900.0, outlay=24000.0),
        )  # fmt: skip
        swing = None if bare else make_sensitivity()
        cases.append(CaseResult(case, outcomes, money, swing, YearScale.of(inputs.grid)))
    return StudyResult(inputs, tuple(cases), ("Sessions were recorded without a battery's state of charge.",))
