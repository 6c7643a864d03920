"""The interior-point method: what ends the search where steps towards one schedule at a time do not.

Mehrotra's predictor and corrector (1992) over all vehicles and the meter at once. The vehicles are eliminated one by
one (see ``passes``); what is left is a band over the steps and one row per step of each demand charge (see ``rows``).
Prices and schedules that come out are a guess like any other: the certificate makes the bounds.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from bothways.planning.engine.coupling import Coupling
from bothways.planning.engine.interior import own, passes, start
from bothways.planning.engine.interior.bounds import BOW, GAP, LACK, PULL, SHARE, SUMS, TILT, WIDER, Point
from bothways.planning.engine.interior.cars import Cars
from bothways.planning.engine.interior.kinds import Kinds, collect, spread
from bothways.planning.engine.interior.meter import Meter
from bothways.planning.engine.interior.passes import Chains
from bothways.planning.engine.interior.rows import Rows
from bothways.planning.engine.model import Blocks
from bothways.planning.engine.site import Site
from bothways.planning.problem import Floats

_BACK = 0.995  # share of the way to the nearest bound
_SHORT = 1e-6  # steps shorter than this lead nowhere
_OFF = 1e-2  # a direction that is so far off is none
_WORSE = 10.0  # nor is one that makes the complementarity so many times greater

MOST_AT_ONCE, AT_ONCE = 6, 100_000
"""Steps that are made before anybody is asked whether to go on, and vehicle-steps in them."""


class State(NamedTuple):
    """Everything that a step reads and writes.

    Attributes:
        cars, at, chains: the vehicles, their variables and their rows.
        meter, own, rows: the meter, its variables and its rows.
        kinds: what lies between them.
        y: prices of the meter's rows, ``(T·m + R,)``.
        dy: their direction.
        lack: what the meter's rows lack, ``(T·m + R,)`` [kWh].
        sums: see ``bounds.SUMS``.
    """

    cars: Cars
    at: Point
    chains: Chains
    meter: Meter
    own: Point
    rows: Rows
    kinds: Kinds
    y: Floats
    dy: Floats
    lack: Floats
    sums: Floats


class Interior:
    """One search; :meth:`iterate` makes a step.

    Args:
        site: the meter.
        coupling: group limits; a reserve is none of its business.
        blocks: the vehicles.
        price: prices to start from, of energy and behind it of the groups, ``(m, T)``.
        peak_price: prices of the demand charges to start from, ``(K, T)``.
        unit: a typical price [currency/kWh].

    Attributes:
        complementarity: duality gap of a point that keeps its equations [currency].
        lacking: what the equations still lack [kWh].
    """

    def __init__(
        self, site: Site, coupling: Coupling, blocks: Blocks, price: Floats, peak_price: Floats, unit: float
    ) -> None:
        cars = Cars.of(blocks, coupling.kinds)
        shares = np.hstack([np.ones((coupling.shares.shape[0], 1)), coupling.shares])
        kinds = Kinds.of(shares, site.periods, site.width, cars.longest)
        at, chains = Point.of(3 * cars.size), Chains.of(cars.size)
        far, moving = start.place(cars, at, kinds)
        meter = Meter.of(site, cars.most_kwh(site.periods), coupling)
        its, energy = Point.of(meter.room), np.zeros(site.periods * meter.nodes)
        collect(kinds, site.periods, kinds.energy, energy)
        its_far, its_moving, capped = start.place_meter(meter, its, energy)
        y = np.concatenate([price.T.ravel(), peak_price[meter.charge, meter.step]])
        spread(kinds, site.periods, y, kinds.price)
        level = start.level_of(unit, far + its_far, moving + its_moving)
        self.complementarity = start.value(cars, at, chains, kinds, level) + start.value_meter(meter, its, y, level)
        self._count = 2.0 * moving + its_moving + capped
        rows = Rows.of(meter, kinds, cars.longest)
        room = np.empty(meter.rows), np.empty(meter.rows), np.empty(SUMS)
        self._state = State(cars, at, chains, meter, its, rows, kinds, y, *room)
        self.lacking = math.inf

    @property
    def meter(self) -> Meter:
        """The meter."""
        return self._state.meter

    @property
    def y(self) -> Floats:
        """Prices of its rows, ``(T·m + R,)`` [currency/kWh]."""
        return self._state.y

    @property
    def objective(self) -> float:
        """Cost of the present point, which need not keep its equations [currency]."""
        state = self._state
        spent = state.meter.cost @ state.own.x[: state.meter.cost.size]
        return float(spent + passes.cost(state.cars, state.at))

    def changes(self, schedules: Floats, *, as_metered: bool = False) -> None:
        """Writes changes of stored energy where the blocks keep them [kWh].

        Where a vehicle still charges and discharges at once, what that burns is not charged. Or, ``as_metered``, it is
        stored, so that the meter sees what it sees of the present point: a hard limit that is kept by burning is kept
        so as well.
        """
        passes.write_changes(self._state.cars, self._state.at, as_metered, schedules)

    def iterate(self, enough: float, until: float) -> int:
        """A few predictors and correctors; returns how many, 0 where no more can be made.

        Args:
            enough: complementarity below which nothing is gained [currency]: steps aim no lower, and what the equations
                still lack is mended there, before rounding takes over.
            until: complementarity that ends them [currency].
        """
        most = min(MOST_AT_ONCE, max(1, AT_ONCE // max(1, self._state.cars.size)))
        done, self.complementarity, self.lacking = _steps(
            self._state, self.complementarity, self._count, enough, until, most
        )
        return int(done)


@njit(cache=True, nogil=True, error_model="numpy")
def _steps(state: State, gap: float, count: float, enough: float, until: float, most: int) -> tuple[int, float, float]:
    """Steps until the complementarity is small enough, or ``most`` are done; returns how many, it, what rows lacked."""
    done, lacking = 0, math.inf
    while done < most:
        length, gap, lacking = _iterate(state, gap, count, enough)
        if not length > _SHORT:
            break
        done += 1
        if gap <= until:
            break
    return done, gap, lacking


@njit(cache=True, nogil=True, error_model="numpy")
def _iterate(state: State, gap: float, count: float, enough: float) -> tuple[float, float, float]:
    """One step from a point with so much complementarity; returns its length, the complementarity, what rows lacked."""
    lacking, off = _predict(state)
    sums, cars, at, chains = state.sums, state.cars, state.at, state.chains
    far, wide = min(1.0, 1.0 / max(sums[SHARE], 1e-300)), min(1.0, 1.0 / max(sums[WIDER], 1e-300))
    ahead = (1.0 - wide) * gap + (far - wide) * sums[TILT] - far * wide * (sums[TILT] + sums[BOW])
    centre, trust = max(min(max(ahead, 0.0) / gap, 1.0) ** 3 * gap, min(enough, gap)) / count, far * wide
    state.kinds.side[:] = 0.0
    passes.turn(cars, at, chains, state.kinds, centre, trust)
    off = max(off, own.corrector(state.meter, state.kinds, state.rows, state.own, centre, trust, state.lack, state.dy))
    _follow(state, True)  # noqa: FBT003 (a kernel's)
    far, wide = min(1.0, _BACK / max(sums[SHARE], 1e-300)), min(1.0, _BACK / max(sums[WIDER], 1e-300))
    coming = gap + wide * sums[PULL] + (far - wide) * sums[TILT] + far * wide * sums[BOW]
    if not (np.isfinite(state.dy).all() and off <= _OFF and coming <= _WORSE * gap):
        return 0.0, gap, lacking  # the point stays as it is, and may be certified
    sums[:] = 0.0
    passes.move(cars, at, chains, far, wide, sums)
    own.move(state.own, far, wide, sums)
    for j in range(state.y.shape[0]):
        state.y[j] += wide * state.dy[j]
    return max(far, wide) if math.isfinite(sums[GAP]) else 0.0, sums[GAP], lacking


@njit(cache=True, nogil=True, error_model="numpy")
def _predict(state: State) -> tuple[float, float]:
    """The direction towards a gap of 0; returns the most that a row lacks [kWh], and how far off the direction is."""
    kinds = state.kinds
    for numbers in (kinds.bands, kinds.energy, kinds.side, state.sums):
        numbers[:] = 0.0
    spread(kinds, state.meter.periods, state.y, kinds.price)
    passes.prepare(state.cars, state.at, state.chains, kinds, state.sums)
    off = own.predictor(state.meter, kinds, state.rows, state.own, state.y, state.lack, state.dy, state.sums)
    lacking = float(state.sums[LACK])
    _follow(state, False)  # noqa: FBT003 (a kernel's)
    return lacking, off


@njit(cache=True, nogil=True, error_model="numpy")
def _follow(state: State, corrects: bool) -> None:
    """The variables' directions at ``dy``, and what they take of slacks and multipliers."""
    state.sums[:] = 0.0
    passes.follow(state.cars, state.at, state.chains, state.kinds, state.sums, corrects)
    own.follow(state.meter, state.own, state.dy, state.sums, corrects)
