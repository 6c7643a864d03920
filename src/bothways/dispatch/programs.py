"""A small linear program put together from triplets, for HiGHS."""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import SolverError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """An optimum: values of the columns, prices of the rows (what a unit more of a row's side costs), and the cost."""

    x: Floats
    prices: Floats
    cost: float


class Triplets:
    """min cost·x, row_low ≤ A x ≤ row_high, low ≤ x ≤ high; columns and rows are added in groups."""

    def __init__(self) -> None:
        self._cost: list[Floats] = []
        self._low: list[Floats] = []
        self._high: list[Floats] = []
        self._row_low: list[Floats] = []
        self._row_high: list[Floats] = []
        self._entries: list[tuple[Ints, Ints, Floats]] = []
        self._columns = self._rows = 0

    def columns(self, cost: Floats, high: Floats, low: Floats | None = None) -> Ints:
        """Adds columns between ``low`` (0 if left out) and ``high``; returns their numbers."""
        self._cost.append(cost)
        self._low.append(np.zeros(cost.shape[0]) if low is None else low)
        self._high.append(high)
        self._columns += cost.shape[0]
        return np.arange(self._columns - cost.shape[0], self._columns)

    def rows(self, low: Floats, high: Floats) -> Ints:
        """Adds rows; returns their numbers."""
        self._row_low.append(low)
        self._row_high.append(high)
        self._rows += low.shape[0]
        return np.arange(self._rows - low.shape[0], self._rows)

    def set(self, rows: Ints, columns: Ints, values: Floats) -> None:
        """Sets coefficients, each pair once."""
        self._entries.append((rows, columns, values))

    def solve(self) -> Found:
        """Solves it.

        Raises:
            SolverError: it has no optimum.
        """
        rows, columns, values = (np.concatenate(parts) for parts in zip(*self._entries, strict=True))
        order = np.argsort(columns, kind="stable")
        starts = np.searchsorted(columns[order], np.arange(self._columns + 1))
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", "off")
        solver.setOptionValue("threads", 1)
        solver.passModel(
            self._columns, self._rows, rows.size, 1, 1, 0.0, np.concatenate(self._cost), np.concatenate(self._low),
            np.concatenate(self._high), np.concatenate(self._row_low), np.concatenate(self._row_high),
            starts.astype(np.int32), rows[order].astype(np.int32), values[order],
            np.zeros(self._columns, dtype=np.int32),
        )  # fmt: skip
        solver.run()
        status = solver.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            msg = f"a linear program of dispatch ended with {solver.modelStatusToString(status)}"
            raise SolverError(msg)
        found = solver.getSolution()
        cost = float(solver.getInfo().objective_function_value)
        return Found(np.array(found.col_value), np.array(found.row_dual), cost)
