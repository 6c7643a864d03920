"""A linear program as plain arrays, how it is put together, and the bound that any row prices give."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from bothways.planning.problem import Bools, Floats, Ints


@dataclass(frozen=True)
class Program:
    """min cost·x, row_lower ≤ A x ≤ row_upper, lower ≤ x ≤ upper; A by columns (CSC).

    Every column bound is finite, so that any row prices give a finite bound.

    Attributes:
        cost: shape ``(n,)``.
        lower: shape ``(n,)``.
        upper: shape ``(n,)``.
        row_lower: shape ``(m,)``; ``-inf`` for none.
        row_upper: shape ``(m,)``; ``inf`` for none.
        starts: first entry of each column, shape ``(n + 1,)``.
        columns: column of each entry, ascending.
        rows: row of each entry.
        values: value of each entry.
        integer: which columns are integers, shape ``(n,)``.
    """

    cost: Floats
    lower: Floats
    upper: Floats
    row_lower: Floats
    row_upper: Floats
    starts: Ints
    columns: Ints
    rows: Ints
    values: Floats
    integer: Bools

    @property
    def column_count(self) -> int:
        """Number of columns n."""
        return int(self.cost.size)

    @property
    def row_count(self) -> int:
        """Number of rows m."""
        return int(self.row_lower.size)

    def bound(self, row_prices: Floats) -> float:
        """Lower bound on the optimum by weak duality, valid for any ``row_prices`` ``(m,)``.

        Equation: Σ_rows (y⁺·row_lower − y⁻·row_upper) + Σ_columns min over [lower, upper] of (cost − Aᵀy)·x. A price
        that leans on an infinite side is set to 0 first.
        """
        prices = np.array(row_prices, dtype=np.float64)
        prices[(prices > 0.0) & np.isneginf(self.row_lower)] = 0.0
        prices[(prices < 0.0) & np.isposinf(self.row_upper)] = 0.0
        side = np.where(prices > 0.0, self.row_lower, self.row_upper)
        from_rows = float(np.dot(prices, np.where(prices == 0.0, 0.0, side)))
        priced = np.bincount(self.columns, weights=self.values * prices[self.rows], minlength=self.column_count)
        reduced = self.cost - priced
        return from_rows + float(np.minimum(reduced * self.lower, reduced * self.upper).sum())


@dataclass
class Assembly:
    """Collects columns, rows and entries in groups, and joins them once."""

    _columns: list[tuple[Floats, Floats, Floats, bool]] = field(default_factory=list)
    _rows: list[tuple[Floats, Floats]] = field(default_factory=list)
    _entries: list[tuple[Ints, Ints, Floats]] = field(default_factory=list)
    _column_count: int = 0
    _row_count: int = 0

    def columns(
        self, count: int, *, cost: ArrayLike = 0.0, lower: ArrayLike = 0.0, upper: ArrayLike, integer: bool = False
    ) -> Ints:
        """Adds ``count`` columns and returns their numbers; scalars stand for all of them."""
        self._columns.append((_column(cost, count), _column(lower, count), _column(upper, count), integer))
        self._column_count += count
        return np.arange(self._column_count - count, self._column_count)

    def rows(self, count: int, *, lower: ArrayLike = -np.inf, upper: ArrayLike = np.inf) -> Ints:
        """Adds ``count`` rows and returns their numbers; scalars stand for all of them."""
        self._rows.append((_column(lower, count), _column(upper, count)))
        self._row_count += count
        return np.arange(self._row_count - count, self._row_count)

    def entries(self, rows: Ints, columns: Ints, values: ArrayLike) -> None:
        """Sets A[rows, columns] = values; each pair at most once."""
        self._entries.append((columns, rows, _column(values, columns.size)))

    def program(self) -> Program:
        """Joins everything into one program."""
        columns = np.concatenate([entry[0] for entry in self._entries])
        order = np.argsort(columns, kind="stable")
        columns = columns[order]
        return Program(
            cost=np.concatenate([group[0] for group in self._columns]),
            lower=np.concatenate([group[1] for group in self._columns]),
            upper=np.concatenate([group[2] for group in self._columns]),
            row_lower=np.concatenate([group[0] for group in self._rows]),
            row_upper=np.concatenate([group[1] for group in self._rows]),
            starts=np.searchsorted(columns, np.arange(self._column_count + 1)),
            columns=columns,
            rows=np.concatenate([entry[1] for entry in self._entries])[order],
            values=np.concatenate([entry[2] for entry in self._entries])[order],
            integer=np.concatenate([np.full(group[0].size, group[3]) for group in self._columns]),
        )


def _column(values: ArrayLike, count: int) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return np.full(count, array) if array.ndim == 0 else array
