"""The best schedule and the best bound so far, while one problem is solved by a sequence of programs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bothways.planning.answer import Shadow, relative_gap
from bothways.planning.evaluation import Evaluation, evaluate
from bothways.planning.highs.model import Choices, FleetProgram
from bothways.planning.layout import Layout
from bothways.planning.problem import Floats, Ints, PlanOptions, PlanProblem
from bothways.planning.schedule import net_power_kw, power_following, repaired_power_kw
from bothways.planning.shortfall import Reach

_BOTH_KW = 1e-6  # charging and discharging below this at once is the solver's noise, not a decision
_PATH_NOISE_KWH = 1e-6  # change of stored energy that a program leaves where nothing is meant
_RANK_NOISE = 1e-5  # difference in energy missing that is the solver's tolerance summed over a fleet [kWh]


@dataclass(frozen=True)
class Candidate:
    """A schedule with its evaluation.

    Attributes:
        power_kw: power of each vehicle-step, ``(S,)`` [kW].
        table_kw: the same as a table, ``(N, T)`` [kW].
        evaluation: what it costs and which limits it breaks.
        rank: time below the floor's path [kWh·h], and energy missing against what is reachable [kWh].
    """

    power_kw: Floats
    table_kw: Floats
    evaluation: Evaluation
    rank: tuple[float, float]


@dataclass
class Search:
    """What is known so far.

    Attributes:
        problem: what is asked.
        options: gap and time limit.
        layout: its vehicle-steps.
        bounds: what each vehicle can reach.
        choices: which decisions are integers in the program at hand.
        ranked: whether floors and requirements had to give way to a hard limit.
        seconds: solver time spent.
        best: cheapest schedule of the least rank that breaks no limit.
        bound: no schedule of the least rank costs less.
        least: no schedule has a smaller rank.
        shadow: prices of group limits and reserve, as far as a linear program has told them.
        cancel: asked while programs run; True ends the search as if its time were over.
    """

    problem: PlanProblem
    options: PlanOptions
    layout: Layout
    bounds: Reach
    choices: Choices
    ranked: bool = False
    seconds: float = 0.0
    best: Candidate | None = None
    bound: float = -math.inf
    least: tuple[float, float] = (0.0, 0.0)
    shadow: Shadow = field(default_factory=Shadow)
    cancel: Callable[[], bool] | None = None

    @property
    def seconds_left(self) -> float:
        """Solver time that is left."""
        if self.cancel is not None and self.cancel():
            return 0.0
        return max(0.0, self.options.time_limit_s - self.seconds)

    @property
    def least_rank(self) -> bool:
        """Whether the best schedule serves the drivers as well as any schedule can."""
        return self.best is not None and not self._worse_rank(self.best.rank, self.least)

    def done(self) -> bool:
        """Whether nothing better is worth looking for."""
        return (
            self.best is not None
            and self.least_rank
            and relative_gap(self.best.evaluation.objective, self.bound) <= self.options.gap
        )

    def offer(self, candidate: Candidate) -> None:
        """Keeps the candidate if it breaks no limit and is better than the best so far."""
        if not candidate.evaluation.violations.none:
            return
        best = self.best
        if best is not None:
            if self._worse_rank(candidate.rank, best.rank):
                return
            same_rank = not self._worse_rank(best.rank, candidate.rank)
            if same_rank and candidate.evaluation.objective >= best.evaluation.objective:
                return
        self.best = candidate

    def learn(self, bound: float, least: tuple[float, float] = (0.0, 0.0)) -> None:
        """Takes over a bound that a program proved for schedules of rank ``least``."""
        if self._worse_rank(least, self.least):
            # The least rank is higher than was known: what was proven about cheaper schedules no longer counts.
            self.least, self.bound = least, bound
        else:
            self.bound = max(self.bound, bound)

    def note_prices(self, model: FleetProgram, row_prices: Floats | None) -> None:
        """Reads the prices of group limits and reserve from those of a program's rows, if there are any."""
        if row_prices is not None:
            coupled = model.coupled
            self.shadow = Shadow(coupled.group_prices(self.problem, row_prices), coupled.reserve_prices(row_prices))

    def candidate(self, power_kw: Floats, curtailed_kw: Floats | None = None) -> Candidate:
        """Evaluates a schedule given per vehicle-step."""
        problem, layout, bounds = self.problem, self.layout, self.bounds
        table = layout.spread(power_kw, problem.periods)
        evaluation = evaluate(problem, table, curtailed_kw)
        energy = np.asarray(evaluation.energy_kwh)[layout.owner, layout.step + 1]
        below_floor = float(np.maximum(bounds.floor_kwh - energy, 0.0).sum()) * problem.step_h
        missing = float(np.maximum(bounds.required_kwh - evaluation.energy_end_kwh, 0.0).sum())
        return Candidate(power_kw, table, evaluation, (below_floor, missing))

    def read(self, model: FleetProgram, choices: Choices, x: Floats) -> Candidate:
        """Turns the columns of a program into a schedule that is exact in float64, and evaluates it."""
        problem, layout, bounds = self.problem, self.layout, self.bounds
        if problem.part_load is not None:
            return self._read_stored(model, x)
        charge = x[model.charge].copy()
        if model.on.size:
            _, least = choices.open_at(problem, layout)
            charge[model.on_at] = np.where(x[model.on] > 0.5, np.maximum(charge[model.on_at], least[model.on_at]), 0.0)
        discharge = np.zeros(layout.size)
        discharge[model.discharging] = x[model.discharge]
        lower = bounds.lower_kwh
        if self.ranked:
            lower = np.minimum(bounds.floor_kwh, problem.fleet.energy_at_arrival_kwh[layout.owner])
        power = net_power_kw(problem, layout, charge, discharge)
        power = repaired_power_kw(problem, layout, bounds, lower, power)
        return self.candidate(power, self._curtailed(model, x, power))

    def _curtailed(self, model: FleetProgram, x: Floats, power: Floats) -> Floats:
        """What the program curtails, moved to where the schedule is."""
        problem = self.problem
        curtailed = np.zeros(problem.periods)
        curtailed[model.curtailing] = x[model.curtail]
        net = problem.base_load_kw + self.layout.per_step(power, problem.periods)
        return np.clip(np.maximum(curtailed, -net - problem.export_limit_kw), 0.0, problem.curtailable_kw)

    def _read_stored(self, model: FleetProgram, x: Floats) -> Candidate:
        """The schedule that stores what the program stores, at the power that converters need for it."""
        problem, layout, bounds = self.problem, self.layout, self.bounds
        energy = x[model.energy]
        before = np.where(layout.k == 0, problem.fleet.energy_at_arrival_kwh[layout.owner], np.roll(energy, 1))
        on = np.abs(energy - before) > _PATH_NOISE_KWH
        if self.choices.converters:
            converters = model.converters
            either = np.zeros(layout.size)
            either[converters.charging_at] = x[converters.charging]
            either[converters.discharging_at] += x[converters.discharging]
            has = np.zeros(layout.size, dtype=np.bool_)
            has[converters.charging_at] = True
            on &= ~has | (either > 0.5)
        power = power_following(problem, layout, energy, on)
        lower = bounds.lower_kwh
        if self.ranked:
            lower = np.minimum(bounds.floor_kwh, problem.fleet.energy_at_arrival_kwh[layout.owner])
        power = repaired_power_kw(problem, layout, bounds, lower, power)
        return self.candidate(power, self._curtailed(model, x, power))

    def at_once(self, model: FleetProgram, x: Floats) -> Ints:
        """Vehicle-steps to forbid charging and discharging at once, positions in the layout.

        Those that may do both and can, in the steps where one does: held to one direction alone, it would hand the
        burning of energy on to its neighbour.
        """
        if self.problem.part_load is not None:
            return self._turning(model, x)
        charging = x[model.charge[model.discharging]]
        both = model.discharging[(charging > _BOTH_KW) & (x[model.discharge] > _BOTH_KW)]
        concerned = np.zeros(self.problem.periods, dtype=np.bool_)
        concerned[self.layout.step[np.setdiff1d(both, model.on_at)]] = True
        return model.discharging[concerned[self.layout.step[model.discharging]]]

    def _turning(self, model: FleetProgram, x: Floats) -> Ints:
        """The same where converters, once on or off, go one way anyway: only vehicles without losses are looked at."""
        part_load = self.problem.part_load
        plain = np.ones(model.discharging.size, dtype=np.bool_)
        if part_load is not None:
            plain = ~part_load.has[self.layout.owner[model.discharging]]
        at = model.discharging[plain]
        both = at[(x[model.charge[at]] > _BOTH_KW) & (x[model.discharge[plain]] > _BOTH_KW)]
        concerned = np.zeros(self.problem.periods, dtype=np.bool_)
        concerned[self.layout.step[np.setdiff1d(both, model.on_at)]] = True
        return np.asarray(at[concerned[self.layout.step[at]]])

    def integers(self, model: FleetProgram) -> tuple[Ints, Floats] | None:
        """Values of the program's integer columns that describe the best schedule so far."""
        if self.best is None:
            return None
        importing = self.best.evaluation.flows.import_kw[model.importing_at] > 0.0
        power, converters = self.best.power_kw, model.converters
        columns = [model.on, model.importing]
        values = [power[model.on_at] > 0.0, importing]
        if self.choices.converters:
            columns += [converters.charging, converters.discharging]
            values += [power[converters.charging_at] > 0.0, power[converters.discharging_at] < 0.0]
        return np.concatenate(columns), np.concatenate(values).astype(np.float64)

    def _worse_rank(self, one: tuple[float, float], other: tuple[float, float]) -> bool:
        for mine, theirs in zip(one, other, strict=True):
            noise = _RANK_NOISE + self.options.gap * theirs
            if abs(mine - theirs) > noise:
                return mine > theirs
        return False
