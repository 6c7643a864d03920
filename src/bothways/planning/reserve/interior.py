"""The interior-point loop: Mehrotra's predictor and corrector over all vehicles and the site at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bothways.planning.problem import Floats
from bothways.planning.reserve.cars import Cars, Kit
from bothways.planning.reserve.market import Market
from bothways.planning.reserve.newton import assemble
from bothways.planning.reserve.steps import begin, correct, direct

_BACK = 0.995  # share of the way to the nearest limit
_CORRECTORS = 3  # centrality corrections of each step (Gondzio)


@dataclass
class Point:
    """Variables z, slacks w and multipliers q of all vehicles, then of the site, and the prices y between them."""

    z: Floats
    w: Floats
    q: Floats
    s: Floats
    sw: Floats
    sq: Floats
    y: Floats


@dataclass(frozen=True)
class _Directions:
    """Where the point is to move, and the steepest fall of slacks and of multipliers, relative to their size."""

    z: Floats
    w: Floats
    q: Floats
    s: Floats
    sw: Floats
    sq: Floats
    y: Floats
    steep_w: float
    steep_q: float

    def lengths(self, back: float) -> tuple[float, float]:
        """How far slacks and multipliers may move, at most 1."""
        return min(1.0, back / self.steep_w), min(1.0, back / self.steep_q)


@dataclass
class _System:
    """One Newton system: what is factored, and the right-hand side collected so far."""

    solved: Floats
    hessian: tuple[Floats, Floats]
    residual: Floats
    weight: Floats
    uneven: Floats
    target: Floats
    site_step: Floats
    extra: Floats
    site_extra: Floats


class Interior:
    """The state of one search.

    Args:
        cars: the vehicles with a choice.
        market: the site.
        price_unit: a typical price of one kW for one step [currency/kW].
    """

    def __init__(self, cars: Cars, market: Market, price_unit: float) -> None:
        self.cars, self.market = cars, market
        self.kit: Kit = (
            cars.step_h, cars.lower, cars.before, cars.moved, cars.is_up, cars.row_at, cars.row_up, cars.pointer,
            cars.terms, cars.hours, cars.wear_share, cars.drifts,
        )  # fmt: skip
        variables, rows = int(cars.variables[-1]), int(cars.rows[-1])
        size = market.side.size
        self.point = Point(
            np.empty(variables), np.empty(rows), np.empty(rows), np.empty(0), np.empty(0), np.empty(0), np.zeros(size)
        )
        point = self.point
        self.many = begin(
            cars.table, self.kit, cars.variables, cars.rows, cars.kinds, price_unit, point.z, point.w, point.q
        )
        width = cars.is_up.size + 1
        point.y[::width] = -price_unit
        n = market.free.size + market.slacks.size
        low = np.concatenate([market.program.lower[market.free], np.zeros(market.slacks.size)])
        high = np.concatenate([market.program.upper[market.free], np.full(market.slacks.size, np.inf)])
        self._cost = np.concatenate([market.cost, np.zeros(n - market.free.size)])
        far = float(np.abs(market.side).max()) + float(cars.table[:, 4].sum()) / 2.0 + 1.0
        point.s = low + np.minimum(0.5 * (high - low), 0.2 * far)
        point.sw = np.maximum(market.most - market.limited(point.s), 0.05 * far)
        point.sq = price_unit * 0.2 * far / point.sw
        self.many += point.sq.size
        self._factors = np.empty((variables, cars.band + 1))
        self._ends, self._shares = np.empty(variables), np.zeros(cars.vehicle.size)
        self._step, self._along = np.empty(variables), np.zeros(variables)
        self.primal = self.dual = np.inf

    @property
    def complementarity(self) -> float:
        """Σ w·q, the duality gap of a point that keeps its equations [currency]."""
        point = self.point
        return float(point.w @ point.q + point.sw @ point.sq)

    def iterate(self) -> float:
        """One step: predictor, corrector, centrality corrections; returns its length, 0 where it could not be made."""
        point, cars, market = self.point, self.cars, self.market
        size = point.y.size
        schur, target, total = np.zeros((size, size)), np.zeros(size), np.zeros(size)
        primal, dual = assemble(
            cars.table, self.kit, cars.variables, cars.rows, cars.band, cars.kinds, point.z, point.w, point.q, point.y,
            self._factors, self._ends, self._shares, self._along, self._step, schur, target, total,
        )  # fmt: skip
        schur = np.tril(schur) + np.tril(schur, -1).T
        residual = market.limited(point.s) + point.sw - market.most
        weight = point.sq / point.sw
        matrix, slack = market.curvature(weight)
        respond = np.linalg.solve(matrix, market.coupling.T)
        f = -self._cost - market.priced(point.y)
        gradient = market.spread(point.sq) - f
        f -= market.spread(weight * residual)
        hessian = (np.asarray(np.linalg.inv(matrix), dtype=np.float64), slack)
        site_step = _through(hessian, f)
        schur += market.coupling @ respond
        schur[market.slacks, market.slacks] += 1.0 / slack
        diagonal = schur[np.diag_indices_from(schur)]
        schur[np.diag_indices_from(schur)] = np.where(diagonal > 0.0, diagonal * (1.0 + 1e-12), 1.0)
        uneven = total + market.coupled(point.s) - market.side
        self.primal = max(primal, float(np.abs(residual).max()), float(np.abs(uneven).max()))
        self.dual = max(dual, float(np.abs(gradient).max()))
        solved = np.asarray(np.linalg.inv(schur), dtype=np.float64)
        system = _System(
            solved, hessian, residual, weight, uneven, target, site_step, np.zeros(point.w.size),
            np.zeros(point.sw.size),
        )  # fmt: skip
        ahead = self._direct(system)
        alpha_w, alpha_q = ahead.lengths(1.0)
        gap = self.complementarity
        after = float(
            (point.w + alpha_w * ahead.w) @ (point.q + alpha_q * ahead.q)
            + (point.sw + alpha_w * ahead.sw) @ (point.sq + alpha_q * ahead.sq)
        )
        centre = (max(after, 0.0) / gap) ** 3 * gap / self.many
        more = np.where(point.q > 0.0, ahead.w * ahead.q - centre, 0.0)
        self._correct(system, more, ahead.sw * ahead.sq - centre)
        step = self._direct(system)
        for _ in range(_CORRECTORS):
            self._correct(system, *self._off_centre(step, centre))
            better = self._direct(system)
            if sum(better.lengths(_BACK)) < sum(step.lengths(_BACK)) + 0.02:
                break
            step = better
        return self._move(step)

    def _move(self, step: _Directions) -> float:
        point = self.point
        if not all(np.isfinite(part).all() for part in (step.z, step.q, step.s, step.y)):
            return 0.0
        alpha_w, alpha_q = step.lengths(_BACK)
        point.z += alpha_w * step.z
        point.w += alpha_w * step.w
        point.s += alpha_w * step.s
        point.sw += alpha_w * step.sw
        point.q += alpha_q * step.q
        point.sq += alpha_q * step.sq
        point.y += alpha_q * step.y
        return max(alpha_w, alpha_q)

    def _correct(self, system: _System, more: Floats, site_more: Floats) -> None:
        """Adds what the products w·q are to lose besides themselves, per row of the vehicles and of the site."""
        cars, extra, target = self.cars, more / self.point.w, np.zeros(system.target.size)
        correct(
            cars.table, self.kit, cars.variables, cars.rows, cars.band, cars.kinds, self._factors, self._ends,
            self._shares, self._along, extra, self._step, target,
        )  # fmt: skip
        site_extra = site_more / self.point.sw
        system.target = system.target + target
        system.site_step = system.site_step + _through(system.hessian, self.market.spread(site_extra))
        system.extra = system.extra + extra
        system.site_extra = system.site_extra + site_extra

    def _off_centre(self, step: _Directions, centre: float) -> tuple[Floats, Floats]:
        """Products that a longer step would leave far from the centre (Gondzio 1996), to be corrected."""
        point = self.point
        alpha_w, alpha_q = (min(1.0, 1.3 * alpha + 0.1) for alpha in step.lengths(1.0))
        found = []
        for w, q, dw, dq in (
            (point.w, point.q, step.w, step.q), (point.sw, point.sq, step.sw, step.sq),
        ):  # fmt: skip
            product = (w + alpha_w * dw) * (q + alpha_q * dq)
            off = np.clip(product - np.clip(product, 0.1 * centre, 10.0 * centre), None, 10.0 * centre)
            found.append(np.where(q > 0.0, off, 0.0))
        return found[0], found[1]

    def _direct(self, system: _System) -> _Directions:
        point, cars = self.point, self.cars
        change = system.solved @ (system.target + self.market.coupled(system.site_step) + system.uneven)
        dz, dw, dq = np.zeros(point.z.size), np.zeros(point.w.size), np.zeros(point.q.size)
        steep_w, steep_q = direct(
            cars.table, self.kit, cars.variables, cars.rows, cars.band, cars.kinds, point.z, point.w, point.q,
            self._factors, self._ends, self._shares, self._along, self._step, change, system.extra, dz, dw, dq,
        )  # fmt: skip
        ds = system.site_step - _through(system.hessian, self.market.priced(change))
        dsw = -system.residual - self.market.limited(ds)
        dsq = -point.sq - system.site_extra - system.weight * dsw
        steep_w = max(float(steep_w), float((-dsw / point.sw).max()))
        steep_q = max(float(steep_q), float((-dsq / point.sq).max()))
        return _Directions(dz, dw, dq, ds, dsw, dsq, change, steep_w, steep_q)


def _through(hessian: tuple[Floats, Floats], vector: Floats) -> Floats:
    """Inverse of the site's Newton matrix times a vector."""
    inverse, slack = hessian
    free = inverse.shape[0]
    return np.concatenate([inverse @ vector[:free], vector[free:] / slack])
