# ruff: noqa: D102, ARG002
"""The control loop of one site: how long a plan, an image with dispatch, and a whole tick take.

    python benchmarks/site_loop.py [EVSEs …]

Vehicles are plugged in everywhere; every one has a need, a third may discharge. Medians of 15 runs after the first.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import sys
from datetime import UTC, datetime, timedelta
from time import perf_counter, process_time

import numpy as np

from bothways.operations.events import Sample, TransactionChanged
from bothways.operations.orders import CommandResult
from bothways.operations.ports import Prices, SiteReading
from bothways.operations.site.gate import ListedPairs, PairAbility
from bothways.operations.site.loop import SiteLoop
from bothways.operations.site.memory import Forgetful
from bothways.operations.site.settings import LoopOptions, SiteSettings
from bothways.operations.stations import DriverNeed, EvseRecord, GridPermission, StationRecord

RUNS = 15
START = datetime(2026, 6, 3, 8, 0, tzinfo=UTC)


class Here:
    """Clock, registry, store, gateway and prices in one: everything answers at once."""

    def __init__(self, count):
        self.instant = START
        self.records = [
            StationRecord(f"S{k}", "site", (EvseRecord(1, 11.0, 10.0 * (k % 3 == 0), 4.1, 3, 1 + k % 3),),
                          discharge="v2x", model="Box")
            for k in range(count)
        ]  # fmt: skip
        self.sent = 0

    def now(self):
        return self.instant

    async def sleep(self, seconds):
        self.instant += timedelta(seconds=seconds)

    async def stations(self, site_id=None):
        return self.records

    async def transactions(self, **_):
        return []

    async def samples(self, *_):
        return []

    async def needs(self, _):
        return {}

    async def permission(self, site_id):
        return GridPermission(site_id, "A", 500.0, "relay", (("charger", START + timedelta(days=900)),))

    async def note(self, *_):
        return None

    def connected(self):
        return frozenset(record.station_id for record in self.records)

    async def set_power(self, order, evse):
        self.sent += 1
        return CommandResult(accepted=True, status="Accepted", commanded_kw=order.power_kw, at=self.instant)

    async def set_safe_profile(self, profile):
        return CommandResult(accepted=True, status="Accepted", commanded_kw=profile.charge_kw, at=self.instant)

    async def composite(self, evse):
        return None

    async def prices(self, grid):
        hour = grid.local.hour
        price = np.where((hour >= 16) & (hour < 21), 0.45, 0.15)
        return Prices(grid, tuple(price.tolist()), tuple((0.5 * price).tolist()), (), "benchmark")


def plug(loop, here, count):
    rng = np.random.default_rng(1)
    for k in range(count):
        samples = (
            Sample(here.instant, "Power.Active.Import", 0.0, "kW"),
            Sample(here.instant, "SoC", float(rng.uniform(0.2, 0.8)), "fraction"),
        )
        loop.on_event(TransactionChanged(
            station_id=f"S{k}", at=here.instant, received_at=here.instant, kind="started", transaction_id=f"t{k}",
            evse_id=1, id_token=f"car{k}", samples=samples,
        ))  # fmt: skip
        ready = here.instant + timedelta(hours=float(rng.uniform(1, 12)))
        loop._needs[f"car{k}"] = DriverNeed(
            f"n{k}", f"car{k}", ready, here.instant, None, float(rng.uniform(0.5, 1.0)), 0.2, k % 3 == 0
        )


async def measure(count):
    here = Here(count)
    register = ListedPairs(
        {(f"car{k}", "Box"): PairAbility(discharge=True, discharge_kw=10.0, source="benchmark") for k in range(count)}
    )
    site = SiteSettings("site", import_hard_limit_kw=4.0 * count, export_limit_kw=count, phase_limit_kw=1.5 * count)
    loop = SiteLoop(
        site, here, here, here, None, here, here, LoopOptions(plan_in_thread=False, ramp_kw_per_min=1e6),
        memory=Forgetful(), register=register,
    )  # fmt: skip
    await loop.open()
    plug(loop, here, count)
    both, alone, idle = [], [], []
    cpu = {id(both): [], id(alone): []}
    for run in range(RUNS + 1):
        for kind in (both, alone, idle):
            if kind is both:
                loop._desk.news(here.instant - timedelta(seconds=60))
            if kind is not idle:  # the building's load moves, so that orders change
                load = count * (1.0 + 0.5 * math.sin(run))
            loop.on_reading(SiteReading(here.instant, load, (load / 3,) * 3))
            began, used = perf_counter(), process_time()
            await loop.step()
            taken, used = perf_counter() - began, process_time() - used
            await loop._orders.settled()
            here.instant += timedelta(seconds=1)
            if run:
                kind.append(1e3 * taken)
            if run and id(kind) in cpu:
                cpu[id(kind)].append(1e3 * used)
    plan = loop.snapshot().plan.plan.solution
    print(f"{count:6d} EVSEs: re-planned and dispatched {statistics.median(both):7.1f} ms "
          f"(processor {statistics.median(cpu[id(both)]):.1f} ms), dispatched {statistics.median(alone):6.1f} ms "
          f"(processor {statistics.median(cpu[id(alone)]):.1f} ms), nothing new {statistics.median(idle):6.1f} ms; "
          f"{plan.solver}, gap {plan.gap:.0e}, {here.sent} orders")  # fmt: skip


if __name__ == "__main__":
    for number in [int(text) for text in sys.argv[1:]] or [20, 200, 1000]:
        asyncio.run(measure(number))
