"""Hands a program to HiGHS and brings back numbers."""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np

from bothways.domain.errors import SolverError
from bothways.planning.highs.program import Program
from bothways.planning.problem import Floats

SMALL_ROWS = 3_000


@dataclass(frozen=True)
class Answer:
    """What HiGHS said.

    Attributes:
        status: ``optimal``, ``infeasible`` or ``stopped`` (time or node limit).
        x: values of the columns, or ``None`` where there are none.
        row_prices: dual values of the rows (linear programs only), or ``None``.
        bound: best bound of a mixed-integer program; ``-inf`` for a linear one.
    """

    status: str
    x: Floats | None
    row_prices: Floats | None
    bound: float


class Runner:
    """One HiGHS instance with one program, whose costs and row bounds can change between runs."""

    def __init__(self, program: Program, *, time_limit_s: float, gap: float) -> None:
        self._program = program
        self._mixed = bool(program.integer.any())
        self._time_limit_s = time_limit_s
        self._highs = highspy.Highs()
        option = self._highs.setOptionValue
        option("output_flag", "off")
        option("threads", 1)
        option("random_seed", 0)
        small = program.row_count <= SMALL_ROWS
        if self._mixed:
            option("mip_rel_gap", gap / 2.0)
            option("mip_abs_gap", gap / 2.0)
        else:
            option("solver", "simplex")
            if small:
                option("presolve", "off")
        self._pass()

    def _pass(self) -> None:
        program = self._program
        integrality = program.integer.astype(np.int32)
        status = self._highs.passModel(
            program.column_count, program.row_count, program.rows.size, 1, 1, 0.0,
            program.cost, program.lower, program.upper, program.row_lower, program.row_upper,
            program.starts.astype(np.int32), program.rows.astype(np.int32), program.values, integrality,
        )  # fmt: skip
        if status == highspy.HighsStatus.kError:
            msg = "HiGHS refused the program"
            raise SolverError(msg)

    def set_cost(self, cost: Floats) -> None:
        """Replaces the costs of all columns."""
        every = np.arange(cost.size, dtype=np.int32)
        self._highs.changeColsCost(cost.size, every, cost)

    def limit_row(self, row: int, upper: float) -> None:
        """Sets the upper bound of one row that has no lower bound."""
        self._highs.changeRowBounds(row, -highspy.kHighsInf, upper)

    def run(self) -> Answer:
        """Solves what is there now, warm from the previous run."""
        self._highs.setOptionValue("time_limit", self._time_limit_s)
        self._highs.run()
        status = self._highs.getModelStatus()
        info = self._highs.getInfo()
        known = highspy.HighsModelStatus
        if status in {known.kInfeasible, known.kUnboundedOrInfeasible}:
            return Answer("infeasible", None, None, -np.inf)
        if status not in {known.kOptimal, known.kTimeLimit, known.kIterationLimit, known.kSolutionLimit}:
            msg = f"HiGHS stopped with {self._highs.modelStatusToString(status)}"
            raise SolverError(msg)
        feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        solution = self._highs.getSolution()
        x = np.array(solution.col_value) if feasible else None
        prices = np.array(solution.row_dual) if solution.dual_valid and not self._mixed else None
        done = status == known.kOptimal
        return Answer("optimal" if done else "stopped", x, prices, info.mip_dual_bound if self._mixed else -np.inf)
