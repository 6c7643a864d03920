"""The sites' programs as one, with the rows that carry a battery from one stay to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bothways.planning.highs.model import Choices, FleetProgram, Soft, build
from bothways.planning.highs.program import Program
from bothways.planning.journeys.problem import JourneyProblem
from bothways.planning.journeys.reach import Linked
from bothways.planning.problem import Floats, Ints, PlanProblem


@dataclass(frozen=True)
class JourneyProgram:
    """One program for all sites.

    Attributes:
        program: the arrays.
        sites: the sites' own programs, for the meaning of their columns.
        columns: first column of each site in the whole, with the end behind, ``(len + 1,)``.
        soft: what may be broken, or ``None``.
    """

    program: Program
    sites: tuple[FleetProgram, ...]
    columns: Ints
    soft: Soft | None

    def of_site(self, x: Floats, number: int) -> Floats:
        """One site's part of the columns' values."""
        return x[self.columns[number] : self.columns[number + 1]]


def build_journeys(
    problem: JourneyProblem, parts: tuple[Linked, ...], choices: tuple[Choices, ...], *, soft: bool
) -> JourneyProgram:
    """Writes all sites and the trips between them as one program.

    Args:
        problem: what is asked.
        parts: its sites with what their stays can reach.
        choices: which decisions are integers, per site.
        soft: as in ``highs.model.build``.
    """
    models = tuple(
        build(_arriving_empty(part), part.layout, part.bounds, choice, soft=soft)
        for part, choice in zip(parts, choices, strict=True)
    )
    columns = np.cumsum([0, *(model.program.column_count for model in models)])
    rows = np.cumsum([0, *(model.program.row_count for model in models)])
    program = _side_by_side([model.program for model in models])
    program = _with_trips(problem, parts, models, program, columns, rows)
    merged = None
    if soft:
        program, merged = _one_soft(program, [model.soft for model in models if model.soft is not None], columns)
    return JourneyProgram(program, models, columns, merged)


def _arriving_empty(part: Linked) -> PlanProblem:
    # What they arrive with is a decision: the rows say so, and where needs give way it may be next to nothing.
    fleet = part.problem.fleet
    start = np.where(part.trip_to >= 0, 0.0, fleet.energy_at_arrival_kwh)
    return replace(part.problem, fleet=replace(fleet, energy_at_arrival_kwh=start))


def _side_by_side(programs: list[Program]) -> Program:
    at_column = np.cumsum([0, *(one.column_count for one in programs)])
    at_row = np.cumsum([0, *(one.row_count for one in programs)])
    at_entry = np.cumsum([0, *(one.rows.size for one in programs)])
    starts = [one.starts[:-1] + at_entry[k] for k, one in enumerate(programs)]
    return Program(
        cost=np.concatenate([one.cost for one in programs]),
        lower=np.concatenate([one.lower for one in programs]),
        upper=np.concatenate([one.upper for one in programs]),
        row_lower=np.concatenate([one.row_lower for one in programs]),
        row_upper=np.concatenate([one.row_upper for one in programs]),
        starts=np.concatenate([*starts, at_entry[-1:]]),
        columns=np.concatenate([one.columns + at_column[k] for k, one in enumerate(programs)]),
        rows=np.concatenate([one.rows + at_row[k] for k, one in enumerate(programs)]),
        values=np.concatenate([one.values for one in programs]),
        integer=np.concatenate([one.integer for one in programs]),
    )


def _with_entries(program: Program, rows: Ints, columns: Ints, values: Floats) -> Program:
    """The program with some more entries."""
    all_columns = np.concatenate([program.columns, columns])
    order = np.argsort(all_columns, kind="stable")
    all_columns = all_columns[order]
    return replace(
        program,
        starts=np.searchsorted(all_columns, np.arange(program.column_count + 1)),
        columns=all_columns,
        rows=np.concatenate([program.rows, rows])[order],
        values=np.concatenate([program.values, values])[order],
    )


def _with_trips(
    problem: JourneyProblem, parts: tuple[Linked, ...], models: tuple[FleetProgram, ...], program: Program,
    columns: Ints, rows: Ints,
) -> Program:  # fmt: skip
    """Stays that a trip leads to begin with what it left: e_k − … = e_last − trip; e_last has no value of its own."""
    trips = problem.trips
    lower, cost = program.lower.copy(), program.cost.copy()
    row_lower, row_upper = program.row_lower.copy(), program.row_upper.copy()
    at_row, at_column = np.empty(trips.size, dtype=np.int64), np.empty(trips.size, dtype=np.int64)
    for m in range(trips.size):
        here, row = int(trips.from_site[m]), int(trips.from_vehicle[m])
        there, to = int(trips.to_site[m]), int(trips.to_vehicle[m])
        before, after = parts[here].layout, parts[there].layout
        last = int(before.first[row] + before.duration[row] - 1)
        at_column[m] = columns[here] + models[here].energy[last]
        at_row[m] = rows[there] + models[there].stored[int(after.first[to])]
        lower[at_column[m]] = max(lower[at_column[m]], float(trips.energy_kwh[m]))
        cost[at_column[m]] = 0.0
    row_lower[at_row] = -trips.energy_kwh
    row_upper[at_row] = -trips.energy_kwh
    lower = np.minimum(lower, program.upper)
    changed = replace(program, lower=lower, cost=cost, row_lower=row_lower, row_upper=row_upper)
    return _with_entries(changed, at_row, at_column, -np.ones(trips.size))


def _one_soft(program: Program, parts: list[Soft], columns: Ints) -> tuple[Program, Soft]:
    """Sums of what is broken at all sites, as one row each."""
    kinds = [
        np.concatenate([columns[k] + getattr(part, name) for k, part in enumerate(parts)])
        for name in ("over", "floor", "short")
    ]
    step_h = parts[0].step_h
    first = program.row_count
    more = np.concatenate([np.full(kind.size, first + k) for k, kind in enumerate(kinds)])
    weights = np.concatenate([np.ones(kinds[0].size), np.full(kinds[1].size, step_h), np.ones(kinds[2].size)])
    free = np.full(3, np.inf)
    wider = replace(
        program,
        row_lower=np.concatenate([program.row_lower, -free]),
        row_upper=np.concatenate([program.row_upper, free]),
    )
    wider = _with_entries(wider, more, np.concatenate(kinds), weights)
    return wider, Soft(kinds[0], kinds[1], kinds[2], first, first + 1, first + 2, step_h)
