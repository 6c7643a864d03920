"""Outages from every start hour: survival, expected energy, and what follows from them.

Exact over generators and stored energy, sampled over vehicles only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.planning.engine.threads import on_threads
from bothways.resilience.drawing import CAPACITY, ROUND_TRIP, draw_path, pool_path
from bothways.resilience.fleet import WEEK_H, Fleet
from bothways.resilience.fuel import fuel_lasts
from bothways.resilience.serving import (
    FROM_BATTERY,
    FROM_VEHICLES,
    GENERATED,
    PV_USED,
    SERVED,
    UNSERVED,
    follow_outage,
)
from bothways.resilience.site import Floats, Ints, Site, generator_states

Bools = NDArray[np.bool_]

HORIZON_H = 96
BINS = 101
DRAWS = 100
RIDE_THROUGH_H = (4, 6, 12, 24, 72)

_BLOCKS = 16
"""Parts of the starts, summed in order: the answer does not depend on the number of threads."""


@dataclass(frozen=True)
class Starts:
    """Hours at which outages begin; arrays have shape ``(S,)``.

    Attributes:
        hour: hour of the year, 0…T−1.
        week_hour: local hour of the week, 0 is Monday 0:00.
        day_hour: local hour of the day.
        month: local month 1…12.
    """

    hour: Ints
    week_hour: Ints
    day_hour: Ints
    month: Ints

    @property
    def size(self) -> int:
        """Number of starts ``S``."""
        return int(self.hour.size)

    def select(self, which: Bools) -> Starts:
        """The starts of a mask."""
        return Starts(self.hour[which], self.week_hour[which], self.day_hour[which], self.month[which])


def starts_of(grid: TimeGrid, every: int = 1) -> Starts:
    """Every hour of ``grid`` (steps of one hour), or every n-th; 5, 11 and 13 still meet every hour of the week.

    Raises:
        DomainError: the steps are not hours.
    """
    if grid.step_s != 3600 or every < 1:
        msg = "starts need a grid of hours, and every must be at least 1"
        raise DomainError(msg)
    local = grid.local
    hours = np.arange(0, grid.periods, every, dtype=np.int64)
    return Starts(hours, (local.weekday * 24 + local.hour)[hours], local.hour[hours], local.month[hours])


@dataclass(frozen=True)
class Answer:
    """What outages bring while the first ``keep`` tiers are kept on and the others are off.

    Attributes:
        keep: tiers kept.
        survived: chance that the kept tiers had every hour so far, by start and hours since, shape ``(S, H)``.
        energy: expected energy of every hour since the start, mean over starts [kWh], shape ``(H, 5 + J)``; ``None``
            where it was not asked for.
        draws: of vehicles per start; 0 where nothing was drawn.
        voll: value of lost load of every tier [per kWh], shape ``(J,)``.
        load_kwh: mean energy that the tiers would have taken by hours since the start [kWh], shape ``(H, J)``.
    """

    keep: int
    survived: Floats
    energy: Floats | None
    draws: int
    voll: Floats
    load_kwh: Floats

    @property
    def curve(self) -> Floats:
        """Survival by duration, mean over starts, shape ``(H,)``."""
        return np.asarray(self.survived.mean(axis=0), dtype=np.float64)

    def quantiles(self, shares: tuple[float, ...] = (0.1, 0.5, 0.9)) -> Floats:
        """Survival by duration that ``shares`` of the start hours stay below, shape ``(len(shares), H)``."""
        return np.asarray(np.quantile(self.survived, shares, axis=0), dtype=np.float64)

    def at(self, hours: int) -> float:
        """Chance to carry an outage of ``hours``, mean over starts."""
        return float(self.survived[:, hours - 1].mean())

    def hours_at(self, chance: float) -> int:
        """Longest outage that is carried with at least ``chance`` [h], 0 for not even one hour."""
        carried = self.curve >= chance - 1e-12
        return int(np.argmin(carried)) if not carried.all() else int(carried.size)

    def unserved_kwh(self, hours: int) -> Floats:
        """Expected energy that is missing in an outage of ``hours``, by tier [kWh], shape ``(J,)``; off counts."""
        missing = self._account()[:hours, UNSERVED:].sum(axis=0)
        missing[self.keep :] = self.load_kwh[:hours, self.keep :].sum(axis=0)
        return np.asarray(missing, dtype=np.float64)

    def cost(self, hours: int) -> float:
        """Expected cost of an outage of ``hours``: unserved energy at the tiers' value of lost load."""
        return float(self.unserved_kwh(hours) @ self.voll)

    def sources_kwh(self, hours: int) -> dict[str, float]:
        """Expected energy by source in an outage of ``hours`` [kWh]; what is stored anew is in PV and generators."""
        total = self._account()[:hours].sum(axis=0)
        names = {
            "generators": GENERATED, "pv": PV_USED, "battery": FROM_BATTERY, "vehicles": FROM_VEHICLES,
            "served": SERVED,
        }  # fmt: skip
        return {name: float(total[column]) for name, column in names.items()}

    def _account(self) -> Floats:
        if self.energy is None:
            msg = "this answer was computed without an energy account"
            raise DomainError(msg)
        return self.energy


def follow(
    site: Site,
    starts: Starts,
    *,
    keep: int | None = None,
    fleet: Fleet | None = None,
    horizon: int = HORIZON_H,
    draws: int = DRAWS,
    key: int = 1,
    bins: int = BINS,
    account: bool = True,
    threads: int = 2,
) -> Answer:
    """Follows outages from every start.

    Markov chain over generators running × bins of stored energy, after the reliability module of REopt (NREL), with
    exact mean energies in the cells instead of whole bins; vehicles are drawn, and everything else is exact given the
    draw. Loads, PV and failures are those of whole hours. Battery and PV work or fail as a whole, at the start.

    Args:
        site: loads and sources.
        starts: when outages begin.
        keep: how many tiers are kept on; all if left out.
        fleet: vehicles; ``None`` for none.
        horizon: longest outage [h].
        draws: of vehicles per start.
        key: of the random numbers; the same key gives the same luck to every variant.
        bins: of stored energy.
        account: also expected energies, which needs those outages to be followed that have missed an hour.
        threads: that share the starts.

    Returns:
        The answer.

    Raises:
        DomainError: keep, horizon, draws or bins out of range.
    """
    kept = len(site.tiers) if keep is None else keep
    _check(kept, len(site.tiers), horizon, draws, bins)
    with_fleet = fleet is not None and bool(fleet.kinds)
    work = _Work(
        site, starts, kept, fleet if with_fleet else None, horizon, draws if with_fleet else 1, key, bins, account
    )
    if starts.size > 64:
        work.part(0, 0)  # loading a kernel for the first time is not safe in two threads at once
    parts = on_threads(partial(_share, work, threads), threads)
    energy = np.zeros((horizon, UNSERVED + len(site.tiers)))
    for block in range(_BLOCKS):
        energy += parts[block % threads][block // threads]
    index = (starts.hour[:, None] + np.arange(horizon)[None, :]) % site.hours
    load = np.stack([site.load_kw[j][index].mean(axis=0) for j in range(len(site.tiers))], axis=1)
    return Answer(
        keep=kept,
        survived=np.clip(work.survived, 0.0, 1.0),
        energy=energy / starts.size if account else None,
        draws=draws if with_fleet else 0,
        voll=site.voll,
        load_kwh=load,
    )


def _check(keep: int, tiers: int, horizon: int, draws: int, bins: int) -> None:
    for name, value, low, high in (
        ("keep", keep, 1, tiers), ("horizon", horizon, 1, 2000), ("draws", draws, 1, 100_000),
        ("bins", bins, 2, 10_001),
    ):  # fmt: skip
        if not low <= value <= high:
            msg = f"{name} must lie in {low}…{high}, not {value}"
            raise DomainError(msg)


def _share(work: _Work, threads: int, thread: int) -> list[Floats]:
    edges = np.linspace(0, work.starts.size, _BLOCKS + 1).astype(int)
    return [work.part(int(edges[b]), int(edges[b + 1])) for b in range(thread, _BLOCKS, threads)]


class _Work:
    """The arrays of one call, and the kernel called on a part of the starts."""

    def __init__(
        self, site: Site, starts: Starts, keep: int, fleet: Fleet | None, horizon: int, draws: int, key: int,
        bins: int, account: bool,
    ) -> None:  # fmt: skip
        self.site, self.starts, self.keep, self.horizon, self.bins = site, starts, keep, horizon, bins
        self.draws, self.key, self.account = draws, key, account
        self.states = generator_states(site.generators)
        self.survived = np.zeros((starts.size, horizon))
        self.cold = np.zeros(starts.size, dtype=np.bool_)
        if fleet is None:
            self.kinds, self.lanes = np.zeros((0, 1)), np.zeros((0, 2), dtype=np.int64)
            self.stored, self.until = np.zeros((WEEK_H, 0), dtype=np.float32), np.zeros((WEEK_H, 0), dtype=np.int32)
            self.common, self.weeks = np.zeros(3), 1
            return
        self.kinds, self.lanes = fleet.numbers, fleet.lanes
        self.stored, self.until, self.weeks = fleet.stored_kwh, fleet.until_h, fleet.weeks
        gone = fleet.departure
        self.common = np.array([gone.chance, gone.share, float(gone.after_h)])
        self.cold = np.isin(starts.month, fleet.cold_months)

    def part(self, first: int, last: int) -> Floats:
        """Follows the starts ``first`` … ``last − 1``; returns the sum of their energy accounts."""
        energy = np.zeros((self.horizon, UNSERVED + len(self.site.tiers)))
        site, states = self.site, self.states
        _follow_starts(
            first, last, self.starts.hour, self.starts.week_hour, self.cold, site.load_kw, site.inrush_kw, self.keep,
            site.pv_kw, site.worlds, site.store_numbers, states.start, states.move, states.running, states.unit_kw,
            states.tank_kwh, self.kinds, self.lanes, self.stored, self.until, self.common, self.weeks, self.draws,
            np.int64(self.key), self.bins, self.account, self.survived, energy,
        )  # fmt: skip
        return energy


@njit(cache=True, nogil=True, error_model="numpy")
def _follow_starts(
    first: int, last: int, hour: Ints, week_hour: Ints, cold: Bools, loads: Floats, inrush: Floats, keep: int,
    pv: Floats, worlds: Floats, store: Floats, gen_start: Floats, gen_move: Floats, units: Floats, unit_kw: Floats,
    tank: Floats, kinds: Floats, lanes: Ints, stored: NDArray[np.float32], until: NDArray[np.int32], common: Floats,
    weeks: int, draws: int, key: int, bins: int, account: bool, survived: Floats, energy: Floats,
) -> None:  # fmt: skip
    """Follows every draw and every world (battery and PV working or not) of the starts ``first`` … ``last − 1``."""
    states, horizon = gen_start.shape[0], survived.shape[1]
    cars, path = np.zeros((horizon, 5)), np.zeros((horizon, 7))
    there, works = np.zeros((kinds.shape[0], horizon)), np.zeros(horizon)
    rows, missed, mass = np.zeros((states, 4 * bins)), np.zeros((states, bins)), np.zeros(states)
    span = np.zeros((states, 2), dtype=np.int64)
    needs, fresh, frac = np.zeros((3, loads.shape[0] + 1)), np.zeros((1, bins)), np.zeros(states)
    burnt = np.zeros((1, UNSERVED + loads.shape[0]))
    low, high = np.zeros(states, dtype=np.int64), np.zeros(states, dtype=np.int64)
    left, lasts = np.zeros(unit_kw.shape[0]), np.full(unit_kw.shape[0], float(horizon))
    burns, turn = False, _round_trip(kinds)
    for k in range(tank.shape[0]):
        burns = burns or np.isfinite(tank[k])
    for s in range(first, last):
        for draw in range(draws):
            if kinds.shape[0] > 0:
                draw_path(
                    kinds, lanes, stored, until, common, week_hour[s], weeks, cold[s], key, draw, hour[s], cars,
                    there, works,
                )  # fmt: skip
            for w in range(worlds.shape[0]):
                share = max(min(draws, 5), math.ceil(draws * worlds[w, 0]))  # draws go where the weight is
                if draw >= share:
                    continue
                pool_path(cars, turn, store, worlds[w, 1], path)
                if burns:
                    fuel_lasts(
                        hour[s], loads, inrush, keep, pv, worlds[w, 2], path, units, unit_kw, tank, left, lasts, burnt
                    )  # fmt: skip
                follow_outage(
                    hour[s], loads, inrush, keep, pv, worlds[w, 2], path, gen_start, gen_move, units, unit_kw, lasts,
                    account, worlds[w, 0] / share, rows, missed, span, needs, fresh, frac, low, high, mass, survived[s],
                    energy,
                )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def _round_trip(kinds: Floats) -> float:
    """AC out per AC in of all vehicles together."""
    turn = size = 0.0
    for k in range(kinds.shape[0]):
        turn += kinds[k, ROUND_TRIP] * kinds[k, CAPACITY]
        size += kinds[k, CAPACITY]
    return turn / size if size > 0.0 else 0.0
