"""Outages from every hour of the year: compiled kernels against the plain-numpy reference, and with vehicle draws.

Goals on two cores: 8 760 starts × 96 h in 0.5 s without vehicles; 100 draws of vehicles in 10 s.
"""

from __future__ import annotations

import time
from datetime import date, timedelta

import numpy as np

from bothways.domain.timegrid import TimeGrid
from bothways.mobility.assumptions import BatteryAssumption, apply
from bothways.mobility.timetable import Habit, sessions_from_timetable
from bothways.resilience.fleet import Fleet, Kind, record_of
from bothways.resilience.oracle import survival_reference
from bothways.resilience.site import Generator, Site, Store, Tier
from bothways.resilience.survival import follow, starts_of

HORIZON = 96
REFERENCE_STARTS = 73
"""The reference is timed on every 120th start and scaled up: in full it takes minutes."""


def timed(work, repeats=3):
    """Best wall time of some repeats, CPU time beside it, and the result."""
    best = (float("inf"), float("inf"))
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        found = work()
        best = min(best, (time.perf_counter() - wall, time.process_time() - cpu))
    return *best, found


def sites():
    """A site with all sources, and one with vehicles only."""
    hour = np.arange(8760)
    load = Tier("critical", 1, 20.0 + 15.0 * np.sin(2.0 * np.pi * (hour % 24 - 9) / 24.0), 0.0, 10.0)
    sun = np.maximum(0.0, 50.0 * np.sin(2.0 * np.pi * (hour % 24 - 6) / 24.0))
    full = Site((load,), sun, Store(100.0, 30.0, start_soc=0.8), (Generator("diesel", 20.0, 2),))
    return full, Site((load,), sun)


def vehicles():
    """Five cars with habits, a year of them."""
    battery = BatteryAssumption("car", 60.0, 0.6, 0.1, 11.0, 11.0, 0.95, 0.95, "benchmark")
    habit = Habit("car", battery, count=5, weekday_trip_share=0.8)
    table = sessions_from_timetable(
        habit, date(2023, 1, 2), date(2023, 12, 31), "UTC", np.random.default_rng(1)
    )  # fmt: skip
    record = record_of(table, apply(table, battery), "UTC", table.vehicle_id)
    return Fleet((Kind("car", 5, 60.0, 11.0, 11.0, 0.1, record=record),))


def main() -> None:
    """Prints the table."""
    full, bare = sites()
    starts = starts_of(TimeGrid.for_days(date(2023, 1, 1), date(2023, 12, 31), timedelta(hours=1), "UTC"))
    few = starts.select(np.arange(starts.size) % (starts.size // REFERENCE_STARTS) == 0)
    follow(full, few, horizon=2, account=False)  # compiles
    print(f"{starts.size} starts x {HORIZON} h; wall and CPU seconds")
    wall, cpu, fast = timed(lambda: follow(full, starts, horizon=HORIZON, account=False))
    print(f"  2 generators, battery, PV: survival            {wall:7.3f} s  (CPU {cpu:.3f} s; goal 0.5 s)")
    slow, _, reference = timed(lambda: survival_reference(full, few, 1, HORIZON), repeats=1)
    whole = slow * starts.size / few.size
    print(f"  the same, plain numpy (scaled from {few.size} starts)   {whole:7.1f} s  ({whole / wall:.0f}x slower)")
    gap = np.abs(fast.survived[np.isin(starts.hour, few.hour)] - reference).max()
    print(f"  largest difference of the two                  {gap:.1e}")
    wall, cpu, _ = timed(lambda: follow(full, starts, horizon=HORIZON))
    print(f"  with the energy account                        {wall:7.3f} s  (CPU {cpu:.3f} s)")
    fleet = vehicles()
    wall, cpu, _ = timed(lambda: follow(bare, starts, fleet=fleet, horizon=HORIZON, account=False), repeats=1)
    print(f"  5 vehicles and PV, 100 draws per start         {wall:7.3f} s  (CPU {cpu:.3f} s; goal 10 s)")
    wall, cpu, _ = timed(lambda: follow(full, starts, fleet=fleet, horizon=HORIZON, account=False), repeats=1)
    print(f"  5 vehicles and all sources, 100 draws          {wall:7.3f} s  (CPU {cpu:.3f} s)")


if __name__ == "__main__":
    main()
