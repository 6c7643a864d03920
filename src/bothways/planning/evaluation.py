"""What a schedule costs and which limits it breaks: the one place where the objective is defined in code."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from bothways.planning.part_load import stored_by
from bothways.planning.problem import Floats, PlanProblem
from bothways.planning.stock import reserve_of_rows

TOLERANCE = 1e-6
"""Excess over a limit that still counts as keeping it [kW or kWh]: ten times the solvers' own tolerance."""

_BLOCK = 4096  # vehicles handled at once, so that temporary arrays stay small for very large fleets


@dataclass(frozen=True)
class Violations:
    """By how much a schedule breaks each hard limit at its worst place; 0 where it keeps it.

    Attributes:
        charge_kw: power above a vehicle's charging power [kW].
        discharge_kw: discharge above a vehicle's discharging power [kW].
        absent_kw: power of a vehicle that is not there [kW].
        ceiling_kwh: stored energy above the ceiling (or the energy at arrival, where that is higher) [kWh].
        floor_kwh: stored energy below the floor (or the energy at arrival, where that is lower) [kWh].
        min_charge_kw: charging power inside the gap between 0 and the vehicle's least (``Fleet.least_charge_kw``) [kW].
        pauses: interruptions of charging of vehicles that must not pause, summed over the fleet.
        export_kw: export above the export limit [kW].
        import_hard_kw: import above the hard import limit [kW].
        group_kw: power beyond a hard group limit [kW].
    """

    charge_kw: float = 0.0
    discharge_kw: float = 0.0
    absent_kw: float = 0.0
    ceiling_kwh: float = 0.0
    floor_kwh: float = 0.0
    min_charge_kw: float = 0.0
    pauses: int = 0
    export_kw: float = 0.0
    import_hard_kw: float = 0.0
    group_kw: float = 0.0

    @property
    def worst(self) -> float:
        """The greatest of all excesses [kW, kWh or count]."""
        return max(float(getattr(self, item.name)) for item in fields(self))

    @property
    def none(self) -> bool:
        """Whether every limit is kept within ``TOLERANCE``."""
        return self.worst <= TOLERANCE

    def sentences(self) -> tuple[str, ...]:
        """The broken limits in words."""
        return tuple(
            f"{item.name}: {getattr(self, item.name):.6g} beyond the limit"
            for item in fields(self)
            if getattr(self, item.name) > TOLERANCE
        )


@dataclass(frozen=True)
class Flows:
    """What the site meter sees; every array has shape ``(T,)``.

    Attributes:
        import_kw: import [kW].
        export_kw: export [kW].
        curtailed_kw: surplus curtailed [kW].
        excess_kw: import above the contractual limit [kW].
        peak_kw: highest import within the steps of each demand charge [kW], one per charge.
    """

    import_kw: Floats
    export_kw: Floats
    curtailed_kw: Floats
    excess_kw: Floats
    peak_kw: Floats


@dataclass(frozen=True)
class Cost:
    """The objective and its parts [currency]; a credit is negative.

    Attributes:
        energy: Σ Δ(import_price·import − export_price·export).
        wear: wear of discharged energy.
        demand: Σ price_per_kw·max(0, peak − peak_so_far).
        excess: penalty for import above the contractual limit.
        terminal: −terminal_value·energy at the end of each stay.
        groups: penalties for power beyond group limits.
        reserve: penalty for missing energy reserve.
    """

    energy: float
    wear: float
    demand: float
    excess: float
    terminal: float
    groups: float = 0.0
    reserve: float = 0.0

    @property
    def total(self) -> float:
        """The objective [currency]."""
        return self.energy + self.wear + self.demand + self.excess + self.terminal + self.groups + self.reserve


@dataclass(frozen=True)
class Coupled:
    """What the limits beside the meter see.

    Attributes:
        group_kw: power at each group limit, base included, ``(G, T)`` [kW].
        reserve_kwh: energy kept back at the end of each step, ``(T,)`` [kWh, AC side]; empty without a reserve.
        deficit_kwh: what is missing of the reserve, ``(T,)`` [kWh]; empty without one.
    """

    group_kw: Floats
    reserve_kwh: Floats
    deficit_kwh: Floats

    @classmethod
    def start(cls, problem: PlanProblem) -> Coupled:
        """What they see without vehicles."""
        bases = np.zeros((len(problem.group_limits), problem.periods))
        for row, limit in zip(bases, problem.group_limits, strict=True):
            row[:] = limit.base_kw
        required = np.zeros(0) if problem.energy_reserve is None else problem.energy_reserve.required_kwh
        return cls(bases, np.zeros(required.size), required.copy())

    def with_rows(self, problem: PlanProblem, rows: slice, power: Floats, stored: Floats) -> Coupled:
        """The same with some more vehicles."""
        groups, reserve = problem.group_limits, problem.energy_reserve
        seen = self.group_kw
        if groups:
            seen = seen + np.stack([limit.weight[rows] for limit in groups]) @ power
        if reserve is None:
            return Coupled(seen, self.reserve_kwh, self.deficit_kwh)
        kept = self.reserve_kwh + reserve_of_rows(problem, reserve, rows, stored)
        return Coupled(seen, kept, np.maximum(reserve.required_kwh - kept, 0.0))

    def costs(self, problem: PlanProblem) -> tuple[float, float]:
        """Penalties for soft group limits and for missing reserve [currency]."""
        groups = math.fsum(
            limit.penalty_per_kwh * problem.step_h * float(limit.beyond_kw(row).sum())
            for limit, row in zip(problem.group_limits, self.group_kw, strict=True)
            if not limit.hard
        )
        reserve = problem.energy_reserve
        return groups, 0.0 if reserve is None else reserve.penalty_per_kwh * float(self.deficit_kwh.sum())

    def broken_kw(self, problem: PlanProblem) -> float:
        """Greatest power beyond a hard group limit [kW]."""
        hard = [
            float(limit.beyond_kw(row).max())
            for limit, row in zip(problem.group_limits, self.group_kw, strict=True)
            if limit.hard
        ]
        return max(hard, default=0.0)


@dataclass(frozen=True)
class Evaluation:
    """A schedule seen from outside: flows, energies, money, broken limits.

    Attributes:
        flows: what the meter sees.
        peak_import_kw: highest import of all steps [kW].
        energy_kwh: stored energy at step boundaries ``(N, T + 1)`` [kWh], constant outside the stay;
            ``None`` where it was not asked for.
        energy_end_kwh: stored energy at the end of each stay ``(N,)`` [kWh].
        shortfall_kwh: energy missing at the end of each stay ``(N,)`` [kWh].
        cost: the objective in parts.
        violations: broken hard limits.
        coupled: what group limits and the energy reserve see.
    """

    flows: Flows
    peak_import_kw: float
    energy_kwh: Floats | None
    energy_end_kwh: Floats
    shortfall_kwh: Floats
    cost: Cost
    violations: Violations
    coupled: Coupled

    @property
    def objective(self) -> float:
        """The objective [currency]."""
        return self.cost.total


def site_flows(problem: PlanProblem, total_power_kw: Floats, curtailed_kw: Floats | None = None) -> Flows:
    """Import, export and curtailment for the fleet's total power.

    Import and export never happen in the same step: the meter sees the net. Where ``curtailed_kw`` is not given,
    surplus above the export limit is curtailed, and more of what may be curtailed only where that costs nothing and
    export (or import) at a negative price pays.

    Args:
        problem: the site.
        total_power_kw: sum of the vehicles' AC power ``(T,)`` [kW].
        curtailed_kw: curtailment chosen by a solver ``(T,)`` [kW].

    Returns:
        The flows; export may exceed its limit where discharge alone does (see ``Violations``).
    """
    net = problem.base_load_kw + total_power_kw
    if curtailed_kw is None:
        curtailed_kw = _cheapest_curtailment_kw(problem, net)
    net = net + curtailed_kw
    imported = np.maximum(net, 0.0)
    return Flows(
        import_kw=imported,
        export_kw=np.maximum(-net, 0.0),
        curtailed_kw=np.asarray(curtailed_kw, dtype=np.float64),
        excess_kw=np.maximum(imported - problem.import_limit_kw, 0.0),
        peak_kw=np.array([_peak_kw(imported, charge.steps) for charge in problem.demand_charges], dtype=np.float64),
    )


def evaluate(
    problem: PlanProblem, power_kw: Floats, curtailed_kw: Floats | None = None, *, keep_energy: bool = True
) -> Evaluation:
    """Recomputes in float64 what a schedule means: flows, stored energy, objective, broken limits.

    Args:
        problem: what was asked.
        power_kw: AC power ``(N, T)``, positive charges [kW]; any float type.
        curtailed_kw: curtailment ``(T,)`` [kW]; chosen by :func:`site_flows` where not given.
        keep_energy: whether to return the table of stored energy (N·(T+1) numbers).

    Returns:
        The evaluation; the objective is that of :class:`~bothways.planning.problem.PlanProblem`.
    """
    fleet, periods = problem.fleet, problem.periods
    energy = np.empty((fleet.size, periods + 1)) if keep_energy else None
    energy_end = np.empty(fleet.size)
    total = np.zeros(periods)
    wear = 0.0
    worst, coupled = Violations(), Coupled.start(problem)
    for begin in range(0, fleet.size, _BLOCK):
        rows = slice(begin, min(begin + _BLOCK, fleet.size))
        power = np.asarray(power_kw[rows], dtype=np.float64)
        total += power.sum(axis=0)
        discharged = -np.minimum(power, 0.0).sum(axis=1) * problem.step_h
        wear += float(discharged @ fleet.wear_per_kwh[rows])
        stored = _stored_kwh(problem, power, rows)
        energy_end[rows] = stored[:, -1]
        if energy is not None:
            energy[rows] = stored
        worst = _worse(worst, _vehicle_violations(problem, power, stored, rows))
        coupled = coupled.with_rows(problem, rows, power, stored)
    flows = site_flows(problem, total, curtailed_kw)
    site = Violations(
        export_kw=_above(flows.export_kw, problem.export_limit_kw),
        import_hard_kw=_above(flows.import_kw, problem.import_hard_limit_kw),
        group_kw=coupled.broken_kw(problem),
    )
    return Evaluation(
        flows=flows,
        peak_import_kw=float(flows.import_kw.max()),
        energy_kwh=energy,
        energy_end_kwh=energy_end,
        shortfall_kwh=np.maximum(fleet.energy_required_kwh - energy_end, 0.0),
        cost=_cost(problem, flows, wear, energy_end, coupled),
        violations=_worse(worst, site),
        coupled=coupled,
    )


def _cost(problem: PlanProblem, flows: Flows, wear: float, energy_end_kwh: Floats, coupled: Coupled) -> Cost:
    step_h = problem.step_h
    groups, reserve = coupled.costs(problem)
    bought = float(problem.import_price @ flows.import_kw) - float(problem.export_price @ flows.export_kw)
    demand = sum(
        charge.price_per_kw * max(0.0, peak - charge.peak_so_far_kw)
        for charge, peak in zip(problem.demand_charges, flows.peak_kw.tolist(), strict=True)
    )
    return Cost(
        energy=step_h * bought,
        wear=wear,
        demand=float(demand),
        excess=step_h * problem.import_limit_penalty_per_kwh * float(flows.excess_kw.sum()),
        terminal=-problem.terminal_value_per_kwh * float(energy_end_kwh.sum()),
        groups=groups,
        reserve=reserve,
    )


def _stored_kwh(problem: PlanProblem, power: Floats, rows: slice) -> Floats:
    fleet = problem.fleet
    stored = np.empty((power.shape[0], problem.periods + 1))
    stored[:, 0] = fleet.energy_at_arrival_kwh[rows]
    stored[:, 1:] = stored_by(problem, power, np.arange(fleet.size)[rows, None])
    return np.cumsum(stored, axis=1, out=stored)


def _vehicle_violations(problem: PlanProblem, power: Floats, stored: Floats, rows: slice) -> Violations:
    fleet, steps = problem.fleet, np.arange(problem.periods)
    present = (steps >= fleet.arrival[rows, None]) & (steps < fleet.departure[rows, None])
    at_arrival = fleet.energy_at_arrival_kwh[rows]
    ceiling = np.maximum(fleet.energy_max_kwh[rows], at_arrival)
    floor = np.minimum(fleet.energy_min_kwh[rows], at_arrival)
    least = fleet.least_charge_kw[rows]
    in_gap = 0.0
    if np.any(least > 0.0):
        # Zero is allowed too: what counts is the distance to the nearer of 0 and the minimum.
        in_gap = float(np.where(power > 0.0, np.minimum(power, least[:, None] - power), 0.0).max(initial=0.0))
    return Violations(
        charge_kw=_above((power - fleet.charge_kw[rows, None]).max(axis=1), 0.0),
        discharge_kw=_above((-power - fleet.discharge_kw[rows, None]).max(axis=1), 0.0),
        absent_kw=float(np.abs(power[~present]).max(initial=0.0)),
        ceiling_kwh=_above(stored.max(axis=1) - ceiling, 0.0),
        floor_kwh=_above(floor - stored.min(axis=1), 0.0),
        min_charge_kw=max(in_gap, 0.0),
        pauses=_pauses(power, fleet.no_pause[rows]),
    )


def _pauses(power: Floats, no_pause: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    if not np.any(no_pause):
        return 0
    on = power[no_pause] > TOLERANCE
    starts = on[:, 0].astype(np.int64) + np.count_nonzero(on[:, 1:] & ~on[:, :-1], axis=1)
    return int(np.maximum(starts - 1, 0).sum())


def _cheapest_curtailment_kw(problem: PlanProblem, net_kw: Floats) -> Floats:
    most = problem.curtailable_kw
    if not np.any(most > 0.0):
        return np.zeros(problem.periods)
    needed = np.clip(-net_kw - problem.export_limit_kw, 0.0, most)
    to_zero = np.clip(-net_kw, needed, most)
    curtailed = np.where(problem.export_price < 0.0, to_zero, needed)
    # Import at a negative price pays too, up to where it would raise a peak or pass a limit.
    imported = np.maximum(net_kw + curtailed, 0.0)
    free_up_to = np.full(problem.periods, problem.import_hard_limit_kw)
    pays = problem.import_price < 0.0
    if problem.import_limit_penalty_per_kwh > 0.0:
        dear = problem.import_price + problem.import_limit_penalty_per_kwh >= 0.0
        free_up_to = np.where(dear, np.minimum(free_up_to, problem.import_limit_kw), free_up_to)
    for charge in problem.demand_charges:
        if charge.price_per_kw > 0.0:
            level = max(charge.peak_so_far_kw, _peak_kw(imported, charge.steps))
            free_up_to = np.where(charge.steps, np.minimum(free_up_to, level), free_up_to)
    more = np.clip(free_up_to - (net_kw + curtailed), 0.0, most - curtailed)
    return np.asarray(np.where(pays & (net_kw + curtailed >= 0.0), curtailed + more, curtailed))


def _peak_kw(imported: Floats, steps: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    return float(imported[steps].max(initial=0.0))


def _above(values: Floats, limit: float) -> float:
    return 0.0 if math.isinf(limit) else max(0.0, float(values.max(initial=-math.inf)) - limit)


def _worse(one: Violations, other: Violations) -> Violations:
    worst = {item.name: max(getattr(one, item.name), getattr(other, item.name)) for item in fields(one)}
    worst["pauses"] = one.pauses + other.pauses  # a count over the fleet, not a worst place
    return Violations(**worst)
