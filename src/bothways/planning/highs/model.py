"""The fleet problem as a program: which column is which, and what the rows say."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bothways.planning.highs.converters import Converters, Sides, add_converters
from bothways.planning.highs.coupling import CoupledRows, PowerColumns, add_coupling
from bothways.planning.highs.meter import add_meter
from bothways.planning.highs.program import Assembly, Program
from bothways.planning.layout import Layout
from bothways.planning.problem import Bools, Floats, Ints, PlanProblem
from bothways.planning.shortfall import Reach

_SAME_PRICE = 1e-9  # export dearer than import by less than this gains nothing worth a binary [currency/kWh]


def _no_positions() -> Ints:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Choices:
    """Which decisions are integers, and which are taken already.

    Attributes:
        one_direction: vehicle-steps that either charge or discharge, positions in the layout.
        semi_continuous: whether minimum powers and pauses are modelled.
        relaxed: vehicle-steps where they are not, nevertheless, ``(S,)``; ``None`` for nowhere.
        held: vehicle-steps where on or off is decided, ``(S,)``; ``None`` for nowhere.
        on: what is decided there, ``(S,)``.
        converters: whether converters with losses at part load are on or off, or anything between.
        exact: vehicle-steps in which they cannot waste anything, ``(S,)``; ``None`` for nowhere.
        near: how far they charge and discharge in a relaxed solution, ``(S,)`` each, where its decisions are to stay.
    """

    one_direction: Ints = field(default_factory=_no_positions)
    semi_continuous: bool = False
    relaxed: Bools | None = None
    held: Bools | None = None
    on: Bools | None = None
    converters: bool = False
    exact: Bools | None = None
    near: tuple[Floats, Floats] | None = None

    def open_at(self, problem: PlanProblem, layout: Layout) -> tuple[Bools, Floats]:
        """Vehicle-steps whose on or off is to be decided, and the least power of those that charge, ``(S,)`` each."""
        fleet, owner = problem.fleet, layout.owner
        least = fleet.least_charge_kw[owner] if self.semi_continuous else np.zeros(layout.size)
        if self.relaxed is not None:
            least = np.where(self.relaxed, 0.0, least)
        is_open = least > 0.0
        is_open[self.one_direction] = True
        if self.held is not None:
            is_open &= ~self.held
        return is_open & (fleet.charge_kw[owner] > 0.0), least

    def charge_bounds_kw(self, problem: PlanProblem, layout: Layout) -> tuple[Floats, Floats]:
        """Bounds of the charging power of each vehicle-step, ``(S,)`` each [kW]."""
        most = problem.fleet.charge_kw[layout.owner]
        none = np.zeros(layout.size)
        if self.held is None or self.on is None:
            return none, most
        _, least = self.open_at(problem, layout)
        return np.where(self.held & self.on, least, none), np.where(self.held & ~self.on, none, most)

    def discharge_bound_kw(self, problem: PlanProblem, layout: Layout) -> Floats:
        """Greatest discharging power of each vehicle-step, ``(S,)`` [kW]."""
        fleet = problem.fleet
        most = np.where(fleet.no_pause, 0.0, fleet.discharge_kw)[layout.owner]
        if self.held is None or self.on is None:
            return most
        return np.where(self.held & self.on, 0.0, most)


@dataclass(frozen=True)
class Soft:
    """Columns and rows of limits that may be broken while the least violation is sought.

    Attributes:
        over: power beyond hard limits, columns [kW]: import first, ``(T,)``, then group limits as in ``CoupledRows``.
        floor: energy below the floor's path, columns, one per vehicle-step concerned [kWh].
        short: energy missing at the end of a stay, columns, one per vehicle with a requirement [kWh].
        over_row: the row that sums ``over``.
        floor_row: the row that sums ``floor`` × step.
        short_row: the row that sums ``short``.
        step_h: weight of ``floor`` in its row [h].
    """

    over: Ints
    floor: Ints
    short: Ints
    over_row: int
    floor_row: int
    short_row: int
    step_h: float


@dataclass(frozen=True)
class FleetProgram:
    """A program together with the meaning of its columns.

    Attributes:
        program: the arrays.
        balance: row of each step's balance at the meter, ``(T,)``.
        stored: row of each vehicle-step's stored energy, ``(S,)``.
        charge: column of each vehicle-step's charging power, ``(S,)`` [kW].
        energy: column of the stored energy at its end, ``(S,)`` [kWh].
        discharging: vehicle-steps that may discharge, positions in the layout.
        discharge: their columns [kW].
        curtailing: steps with surplus that may be curtailed.
        curtail: their columns [kW].
        on: columns that say whether a vehicle-step charges; with ``on_at`` for their positions.
        on_at: positions in the layout of ``on``.
        starts_at: columns that mark the start of charging, same order as ``started_at``.
        started_at: positions in the layout of ``starts_at``.
        importing: columns that say whether a step imports, with ``importing_at`` for their steps.
        importing_at: steps of ``importing``.
        coupled: where group limits and the energy reserve are.
        soft: what may be broken, or ``None``.
        converters: where those with losses at part load are.
    """

    program: Program
    balance: Ints
    stored: Ints
    charge: Ints
    energy: Ints
    discharging: Ints
    discharge: Ints
    curtailing: Ints
    curtail: Ints
    on: Ints
    on_at: Ints
    starts_at: Ints
    started_at: Ints
    importing: Ints
    importing_at: Ints
    coupled: CoupledRows
    soft: Soft | None
    converters: Converters


def build(
    problem: PlanProblem, layout: Layout, bounds: Reach, choices: Choices | None = None, *, soft: bool = False
) -> FleetProgram:
    """Writes the problem as a program.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
        bounds: what each vehicle can reach.
        choices: which decisions are integers; none by default.
        soft: whether the hard limits on import and groups, the floors on the way up and the requirements may be broken
            at a cost of 0, in columns of their own (for finding the least violation).

    Returns:
        The program. Stored energy: e_k − e_{k−1} = Δ(ηc·charge − discharge/ηd). Site: import + excess − export −
        charge + discharge − curtailed = base_load. Peaks: peak_j − import − excess ≥ −peak_so_far_j.
    """
    choices = choices or Choices()
    fleet, owner, step_h = problem.fleet, layout.owner, problem.step_h
    assembly = Assembly()
    terminal = np.where(layout.is_last, -problem.terminal_value_per_kwh, 0.0)
    lower = np.minimum(bounds.floor_kwh, fleet.energy_at_arrival_kwh[owner]) if soft else bounds.lower_kwh
    least_charge, most_charge = choices.charge_bounds_kw(problem, layout)
    charge = assembly.columns(layout.size, lower=least_charge, upper=most_charge)
    energy = assembly.columns(layout.size, cost=terminal, lower=lower, upper=bounds.upper_kwh)
    most_discharge = choices.discharge_bound_kw(problem, layout)
    discharging = np.flatnonzero(((fleet.discharge_kw > 0.0) & ~fleet.no_pause)[owner])
    discharger = owner[discharging]
    discharge = assembly.columns(
        discharging.size, cost=step_h * fleet.wear_per_kwh[discharger], upper=most_discharge[discharging]
    )

    start = np.where(layout.k == 0, fleet.energy_at_arrival_kwh[owner], 0.0)
    stored = assembly.rows(layout.size, lower=start, upper=start)
    plain, plain_out = _plain(problem, layout, discharging)
    assembly.entries(stored[plain], charge[plain], -step_h * fleet.charge_efficiency[owner[plain]])
    assembly.entries(stored, energy, 1.0)
    goes_on = np.flatnonzero(~layout.is_last)
    assembly.entries(stored[goes_on + 1], energy[goes_on], -1.0)
    assembly.entries(
        stored[discharging[plain_out]], discharge[plain_out],
        step_h / fleet.discharge_efficiency[discharger[plain_out]],
    )  # fmt: skip
    _, least = choices.open_at(problem, layout)
    exact = np.zeros(layout.size, dtype=np.bool_) if choices.exact is None else choices.exact
    sides = Sides(charge, most_charge, least, discharging, discharge, most_discharge, exact, choices.near)
    converters = add_converters(problem, layout, sides, stored, assembly, whole=choices.converters)

    balance = assembly.rows(problem.periods, lower=problem.base_load_kw, upper=problem.base_load_kw)
    assembly.entries(balance[layout.step], charge, -1.0)
    assembly.entries(balance[layout.step[discharging]], discharge, 1.0)
    curtailing, curtail, importing_at, importing = _site(problem, layout, discharging, assembly, balance)

    powers = PowerColumns(charge, discharging, discharge, energy, lower)
    coupled = add_coupling(problem, layout, powers, assembly, soft=soft)
    on_at, on = add_directions(problem, layout, choices, (charge, discharging, discharge), assembly)
    started_at, starts_at = add_no_pause(problem, layout, choices, on_at, on, assembly)
    slack = _soft(problem, layout, bounds, powers, assembly, balance, coupled) if soft else None
    return FleetProgram(
        assembly.program(), balance, stored, charge, energy, discharging, discharge, curtailing, curtail,
        on, on_at, starts_at, started_at, importing, importing_at, coupled, slack, converters,
    )  # fmt: skip


def _plain(problem: PlanProblem, layout: Layout, discharging: Ints) -> tuple[Ints, Ints]:
    """Vehicle-steps whose efficiencies hold at every power, and which of ``discharging`` are among them."""
    if problem.part_load is None:
        return np.arange(layout.size), np.arange(discharging.size)
    plain = ~problem.part_load.has[layout.owner]
    return np.flatnonzero(plain), np.flatnonzero(plain[discharging])


def _site(
    problem: PlanProblem, layout: Layout, discharging: Ints, assembly: Assembly, balance: Ints
) -> tuple[Ints, Ints, Ints, Ints]:
    fleet, periods = problem.fleet, problem.periods
    most_charge = layout.per_step(fleet.charge_kw[layout.owner], periods)
    most_discharge = np.bincount(
        layout.step[discharging], weights=fleet.discharge_kw[layout.owner[discharging]], minlength=periods
    )
    most_import = np.maximum(problem.base_load_kw + most_charge + problem.curtailable_kw, 0.0)
    most_import = np.minimum(most_import, problem.import_hard_limit_kw)
    most_export = np.clip(most_discharge - problem.base_load_kw, 0.0, problem.export_limit_kw)
    meter = add_meter(assembly, problem, balance, most_import, most_export)
    imported, beyond, excess, exported = meter.imported, meter.beyond, meter.excess, meter.exported

    pays_both = problem.export_price > problem.import_price + _SAME_PRICE
    importing_at = np.flatnonzero(pays_both & (most_import > 0.0) & (most_export > 0.0))
    importing = assembly.columns(importing_at.size, upper=1.0, integer=True)
    only_import = assembly.rows(importing_at.size, upper=0.0)
    assembly.entries(only_import, imported[importing_at], 1.0)
    has_excess = np.isin(beyond, importing_at)
    assembly.entries(only_import[np.searchsorted(importing_at, beyond[has_excess])], excess[has_excess], 1.0)
    assembly.entries(only_import, importing, -most_import[importing_at])
    only_export = assembly.rows(importing_at.size, upper=most_export[importing_at])
    assembly.entries(only_export, exported[importing_at], 1.0)
    assembly.entries(only_export, importing, most_export[importing_at])
    return meter.curtailing, meter.curtail, importing_at, importing


def add_directions(
    problem: PlanProblem, layout: Layout, choices: Choices, columns: tuple[Ints, Ints, Ints], assembly: Assembly
) -> tuple[Ints, Ints]:
    """Whole numbers for the vehicle-steps that are open: on, charging at the minimum or more, or not charging.

    Args:
        problem: what is asked.
        layout: its vehicle-steps.
        choices: which of them are open.
        columns: those of charging, the vehicle-steps that may discharge, and the columns of discharging.
        assembly: what is written to.

    Returns:
        Positions of the open vehicle-steps, and the columns that say whether they are on.
    """
    charge, discharging, discharge = columns
    fleet, owner = problem.fleet, layout.owner
    is_open, least = choices.open_at(problem, layout)
    on_at = np.flatnonzero(is_open)
    on = assembly.columns(on_at.size, upper=1.0, integer=True)
    at_most = assembly.rows(on_at.size, upper=0.0)
    assembly.entries(at_most, charge[on_at], 1.0)
    assembly.entries(at_most, on, -fleet.charge_kw[owner[on_at]])
    semi = np.flatnonzero(least[on_at] > 0.0)
    at_least = assembly.rows(semi.size, lower=0.0)
    assembly.entries(at_least, charge[on_at[semi]], 1.0)
    assembly.entries(at_least, on[semi], -least[on_at[semi]])
    both = np.flatnonzero(np.isin(on_at, discharging))
    not_while_on = assembly.rows(both.size, upper=fleet.discharge_kw[owner[on_at[both]]])
    assembly.entries(not_while_on, discharge[np.searchsorted(discharging, on_at[both])], 1.0)
    assembly.entries(not_while_on, on[both], fleet.discharge_kw[owner[on_at[both]]])
    return on_at, on


def add_no_pause(
    problem: PlanProblem, layout: Layout, choices: Choices, on_at: Ints, on: Ints, assembly: Assembly
) -> tuple[Ints, Ints]:
    """Charging begins at most once in a stay: on_k − on_{k−1} ≤ started_k, and Σ_k started_k ≤ 1.

    Returns:
        Positions of the vehicle-steps that may begin, and the columns that say whether they do.
    """
    _, least = choices.open_at(problem, layout)
    which = np.flatnonzero(problem.fleet.no_pause[layout.owner[on_at]] & (least[on_at] > 0.0))
    started_at = on_at[which]
    started = assembly.columns(which.size, upper=1.0)
    begins = assembly.rows(which.size, lower=0.0)
    assembly.entries(begins, started, 1.0)
    assembly.entries(begins, on[which], -1.0)
    later = np.flatnonzero(layout.k[started_at] > 0)
    assembly.entries(begins[later], on[which[later] - 1], 1.0)
    vehicles, group = np.unique(layout.owner[started_at], return_inverse=True)
    once = assembly.rows(vehicles.size, upper=1.0)
    assembly.entries(once[group], started, 1.0)
    return started_at, started


def _soft(
    problem: PlanProblem,
    layout: Layout,
    bounds: Reach,
    columns: PowerColumns,
    assembly: Assembly,
    balance: Ints,
    coupled: CoupledRows,
) -> Soft:
    lower, energy = columns.lower, columns.energy
    most_over = np.maximum(problem.base_load_kw, 0.0) + layout.per_step(
        problem.fleet.charge_kw[layout.owner], problem.periods
    )
    over = assembly.columns(problem.periods, upper=most_over)
    assembly.entries(balance, over, 1.0)
    on_the_way = np.flatnonzero(bounds.floor_kwh > lower)
    floor = assembly.columns(on_the_way.size, upper=(bounds.floor_kwh - lower)[on_the_way])
    above_floor = assembly.rows(on_the_way.size, lower=bounds.floor_kwh[on_the_way])
    assembly.entries(above_floor, energy[on_the_way], 1.0)
    assembly.entries(above_floor, floor, 1.0)
    wanted = bounds.required_kwh[layout.staying] - lower[layout.last]
    has = np.flatnonzero(wanted > 0.0)
    short = assembly.columns(has.size, upper=wanted[has])
    above_required = assembly.rows(has.size, lower=bounds.required_kwh[layout.staying[has]])
    assembly.entries(above_required, energy[layout.last[has]], 1.0)
    assembly.entries(above_required, short, 1.0)
    over = np.concatenate((over, coupled.over))
    sums = assembly.rows(3)
    assembly.entries(np.full(over.size, sums[0]), over, 1.0)
    assembly.entries(np.full(floor.size, sums[1]), floor, problem.step_h)
    assembly.entries(np.full(short.size, sums[2]), short, 1.0)
    return Soft(over, floor, short, int(sums[0]), int(sums[1]), int(sums[2]), problem.step_h)
