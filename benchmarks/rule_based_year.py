"""Rule-based year of 100 vehicles at 15 minutes, all in: a fresh process that reads, simulates and bills nothing else.

Peers on two cores, vehicle-steps per second all in (measured elsewhere, quoted): SpiceEV 161 k, ACN-Sim 101 k,
EV2Gym 24 k.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

VEHICLES, DAYS, STEPS_PER_DAY = 100, 365, 96
PEERS = {"SpiceEV": 161_000, "ACN-Sim": 101_000, "EV2Gym": 24_000}

WORK = """
from datetime import UTC, datetime, timedelta
import numpy as np
from bothways.app.cli import runtime
runtime.prepare()
from bothways.domain.timegrid import TimeGrid
from bothways.simulation.rule_based import charge_on_arrival
from bothways.simulation.stays import Stays

vehicles, days, per_day = {vehicles}, {days}, {per_day}
rng = np.random.default_rng(1)
n = vehicles * days
day = np.repeat(np.arange(days), vehicles)
arrival = day * per_day + rng.integers(28, 44, n)
order = np.argsort(arrival, kind="stable")
evse = np.tile(np.arange(vehicles), days)[order]
arrival = arrival[order]
departure = arrival + rng.integers(12, 40, n)
energy = rng.uniform(5.0, 30.0, n)
ones = np.ones(n)
target = energy + rng.uniform(5.0, 25.0, n)
stays = Stays(tuple(map(str, range(n))), evse, tuple(map(str, range(vehicles))), arrival, departure,
              np.full(n, -1), energy, 0 * ones, target, target, 7.0 * ones, 0 * ones, 0.9 * ones, 0.9 * ones,
              0 * ones, np.full(n, -1), 0 * ones, np.zeros(n, dtype=bool), 60.0 * ones)
grid = TimeGrid(datetime(2023, 1, 1, tzinfo=UTC), timedelta(minutes=15), days * per_day)
trace = charge_on_arrival(stays, np.zeros(grid.periods), grid.step_h, import_hard_limit_kw={limit})
print(trace.vehicles_kw.max())
"""


def seconds(limit: str) -> float:
    """Wall time of one fresh process."""
    code = WORK.format(vehicles=VEHICLES, days=DAYS, per_day=STEPS_PER_DAY, limit=limit)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Prints the table."""
    total = VEHICLES * DAYS * STEPS_PER_DAY
    print(f"rule-based year, {VEHICLES} vehicles x {DAYS * STEPS_PER_DAY} steps, whole process, kernels cached")
    for label, limit in (("no limit", "float('inf')"), ("hard limit 300 kW, every step dispatched", "300.0")):
        seconds(limit)
        took = statistics.median(seconds(limit) for _ in range(5))
        rate = total / took
        ratios = ", ".join(f"{rate / peer:.0f}x {name}" for name, peer in PEERS.items())
        print(f"  {label:42s} {took:6.2f} s  {rate / 1e6:6.2f} M vehicle-steps/s  ({ratios})")


if __name__ == "__main__":
    main()
