"""Time to age a fleet on two cores, with the figures of BLAST-Lite and PySAM beside it. Run by hand.

The comparison figures are of the same machine class (2 cores), of one vehicle, one year repeated ten times, hourly:
BLAST-Lite 1.1.1 and PySAM 7.1.1 (BatteryStateful, step by step from Python).

``wall`` is what the clock says; ``cpu/2`` is the processor time over two cores, which does not grow when other programs
run beside it.
"""

from __future__ import annotations

import resource
import time

import numba
import numpy as np

from bothways.battery.ageing import age_fleet
from bothways.battery.models import MODELS

VEHICLES, YEARS = 1000, 10
BLAST_LITE_S = {"lfp-250ah": 0.44, "lfp-sony": 1.30, "nca-panasonic": 0.43, "nmc111-sanyo": 0.62, "nmc-50ah": 0.49}
PYSAM_S = {"nmc-nrel": 0.85}
LIMITS_S = {1.0: 8.0, 0.25: 30.0}


def fleet(step_h: float) -> tuple[np.ndarray, np.ndarray]:
    """A year of commuting and nightly feeding back for every vehicle, each on its own clock."""
    rng = np.random.default_rng(1)
    hours = np.arange(round(8760 / step_h)) * step_h
    clock = hours % 24
    soc = np.empty((VEHICLES, hours.shape[0]))
    for n in range(VEHICLES):
        shift, trip, low = rng.uniform(-1.5, 1.5), rng.uniform(0.05, 0.15), rng.uniform(0.3, 0.5)
        points = np.array([0, 7, 8, 17, 18, 18.5, 21, 23, 24]) + np.array([0, 1, 1, 1, 1, 1, 1, 0, 0]) * shift
        levels = [0.5, 0.8, 0.8 - trip, 0.8 - trip, 0.8 - 2 * trip, 0.8 - 2 * trip, low, low, 0.5]
        soc[n] = np.interp(clock, points, levels)
    return soc, 15.0 + 10.0 * np.sin(2 * np.pi * (hours / 24 - 110) / 365)


def main() -> None:
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    for model in MODELS.values():  # compile
        for parallel in (False, True):
            age_fleet(model, np.full((2, 24), 0.5), 1.0, 20.0, capacity_kwh=60.0, parallel=parallel)
    print(f"{VEHICLES} vehicles x {YEARS} years; other: BLAST-Lite or PySAM, one vehicle's time x {VEHICLES}")
    names = ("step", "cell", "wall", "cpu/2", "limit", "ns/step", "other", "ratio")
    print("{:>6} {:<15} {:>7} {:>7} {:>6} {:>8} {:>9} {:>9}".format(*names))
    for step_h, limit in LIMITS_S.items():
        soc, celsius = fleet(step_h)
        for key, model in MODELS.items():
            begin, spent = time.perf_counter(), time.process_time()
            age_fleet(model, soc, step_h, celsius, capacity_kwh=60.0, years=YEARS, parallel=True)
            wall, half = time.perf_counter() - begin, (time.process_time() - spent) / 2.0
            other = VEHICLES * (BLAST_LITE_S | PYSAM_S).get(key, 0.0) / (step_h if key in PYSAM_S else 1.0)
            per_step = 2.0 * half / (VEHICLES * YEARS * 8760 / step_h) * 1e9
            ratio = f"{other:>9.0f} {other / half:>8.0f}x" if other else f"{'-':>9} {'-':>9}"
            row = f"{step_h:>5}h {key:<15} {wall:>7.2f} {half:>7.2f} {limit:>6.0f} {per_step:>8.1f}"
            print(f"{row} {ratio}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB (limit 1024)")


if __name__ == "__main__":
    main()
