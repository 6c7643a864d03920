"""Hands a program to HiGHS and brings back numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np

from bothways.domain.errors import SolverError
from bothways.planning.highs.program import Program
from bothways.planning.problem import Floats, Ints


@dataclass(frozen=True)
class Answer:
    """What HiGHS said.

    Attributes:
        status: ``optimal``, ``infeasible`` or ``stopped`` (out of time).
        x: values of the columns, or ``None`` where there are none.
        bound: lower bound on the cost: by weak duality from the row prices of a linear program, from the tree of a
            mixed-integer one.
        row_prices: what one more unit on each row's bound costs, of a linear program solved to its end.
    """

    status: str
    x: Floats | None
    bound: float
    row_prices: Floats | None = None


class Runner:
    """One HiGHS instance with one program, whose costs and row bounds can change between runs.

    Dual simplex behind presolve was the quickest of HiGHS's methods on every size of one site that was measured
    (25 × 40 to 1 000 × 96 vehicle-steps and months of sessions). Programs of several sites are larger: ``interior``
    solves a linear program once by the interior-point method without crossover.
    """

    def __init__(
        self,
        program: Program,
        *,
        time_limit_s: float,
        gap: float,
        cancel: Callable[[], bool] | None = None,
        interior: bool = False,
    ) -> None:
        self._program = program
        self._mixed = bool(program.integer.any())
        self._time_limit_s = time_limit_s
        self._highs = highspy.Highs()
        option = self._highs.setOptionValue
        option("output_flag", "off")
        option("threads", 1)
        if self._mixed:
            # Half the gap asked for leaves room for rounding on and off to whole numbers.
            option("mip_rel_gap", gap / 2.0)
            option("mip_abs_gap", gap / 2.0)
        elif interior:
            option("solver", "ipm")
            option("run_crossover", "off")
        else:
            option("solver", "simplex")
        if cancel is not None:
            _stop_when(self._highs, cancel)
        status = self._highs.passModel(
            program.column_count, program.row_count, program.rows.size, 1, 1, 0.0,
            program.cost, program.lower, program.upper, program.row_lower, program.row_upper,
            program.starts.astype(np.int32), program.rows.astype(np.int32), program.values,
            program.integer.astype(np.int32),
        )  # fmt: skip
        if status == highspy.HighsStatus.kError:
            msg = "HiGHS refused the program"
            raise SolverError(msg)

    @property
    def seconds(self) -> float:
        """Time that HiGHS has spent on this program, by its own count [s]."""
        return float(self._highs.getRunTime())

    def set_cost(self, cost: Floats) -> None:
        """Replaces the costs of all columns."""
        self._program = replace(self._program, cost=cost)
        self._highs.changeColsCost(cost.size, np.arange(cost.size, dtype=np.int32), cost)

    def limit_row(self, row: int, upper: float) -> None:
        """Sets the upper bound of one row that has no lower bound."""
        row_upper = self._program.row_upper.copy()
        row_upper[row] = upper
        self._program = replace(self._program, row_upper=row_upper)
        self._highs.changeRowBounds(row, -highspy.kHighsInf, upper)

    def start_from(self, columns: Ints, values: Floats) -> None:
        """Suggests values of some columns of a mixed-integer program; HiGHS completes them if it can."""
        if self._mixed:
            self._highs.setSolution(columns.size, columns.astype(np.int32), values.astype(np.float64))

    def run(self) -> Answer:
        """Solves what is there now, warm from the previous run."""
        self._highs.setOptionValue("time_limit", max(self._time_limit_s - self.seconds, 0.0))
        self._highs.run()
        status, info = self._highs.getModelStatus(), self._highs.getInfo()
        known = highspy.HighsModelStatus
        if status in {known.kInfeasible, known.kUnboundedOrInfeasible}:
            return Answer("infeasible", None, -np.inf)
        if status not in {known.kOptimal, known.kTimeLimit, known.kInterrupt}:
            msg = f"HiGHS stopped with {self._highs.modelStatusToString(status)}"
            raise SolverError(msg)
        feasible = info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible)
        found = self._highs.getSolution()
        known_bound = info.mip_dual_bound if self._mixed else self._program.bound(np.array(found.row_dual))
        return Answer(
            status="optimal" if status == known.kOptimal else "stopped",
            x=np.array(found.col_value) if feasible else None,
            bound=float(known_bound),
            row_prices=None if self._mixed or status != known.kOptimal else np.array(found.row_dual),
        )


def _stop_when(highs: highspy.Highs, cancel: Callable[[], bool]) -> None:
    """Lets HiGHS ask, while it runs, whether to stop."""

    def ask(event: Any) -> None:
        event.interrupt(cancel())

    for callback in (highs.cbSimplexInterrupt, highs.cbMipInterrupt):
        callback.subscribe(ask)
