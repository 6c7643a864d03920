"""Site and market in the interior-point method: a small dense block beside the vehicles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bothways.planning.highs.program import Assembly, Program
from bothways.planning.problem import Floats, Ints
from bothways.planning.reserve.cars import HAIR
from bothways.planning.reserve.products import Rates, ReservePlanProblem
from bothways.planning.reserve.site import SiteColumns, add_site

_SLIVER = 1e-6  # share of all power


@dataclass(frozen=True)
class Market:
    """The site's program, split into columns that can move, slacks of the cover rows, and rows.

    Variables are s = (free columns, slacks); limits on them are rows "…·s ≤ most" in four groups: upper bounds of the
    free columns, upper bounds of the narrow slacks, lower bounds of all, and the site's further rows.

    Attributes:
        program: the whole, for the bound.
        site: where things are in it.
        free: columns that can move, positions in the program.
        cost: their costs.
        coupling: ``(T·(1 + G), free)``: balance and cover rows, step by step.
        slacks: coupling rows that have a slack, ``(T·G,)``.
        narrow: which slacks are held near 0.
        side: right-hand side of the coupling rows, forced charging included.
        further: the site's further rows, ``(K, free)``.
        most: right-hand sides of all four groups.
        order: row of the program of each coupling row.
        own: for each of ``further``: its row in the program, and its sign there.
    """

    program: Program
    site: SiteColumns
    free: Ints
    cost: Floats
    coupling: Floats
    slacks: Ints
    narrow: Ints
    side: Floats
    further: Floats
    most: Floats
    order: Ints
    own: tuple[Ints, Floats]

    @classmethod
    def of(cls, problem: ReservePlanProblem, forced_kw: Floats, *, margin: float = 0.0) -> Market:
        """Writes the site of a problem.

        Args:
            problem: what is asked.
            forced_kw: what vehicles draw without choice, ``(T,)`` [kW].
            margin: share by which the hard limits are drawn in for the search; the bound keeps the true ones.
        """
        assembly = Assembly()
        site = add_site(assembly, problem, problem.plan.base_load_kw, whole=False)
        program = assembly.program()
        groups, periods = site.cover.shape[0], problem.plan.periods
        order = np.concatenate([site.balance[None, :], site.cover]).T.ravel()
        dense = np.zeros((program.row_count, program.column_count))
        dense[program.rows, program.columns] = program.values
        free = np.flatnonzero(program.upper - program.lower > HAIR)
        slacks = (np.arange(periods)[:, None] * (1 + groups) + 1 + np.arange(groups)).ravel()
        # Where shares must sum to what is sold, a sliver is left: the method needs an inside.
        sliver = _SLIVER * float(Rates.of(problem.plan).most_kw.sum())
        narrow = np.tile(np.array([group.activation > 0.0 for group in problem.groups], dtype=np.bool_), periods)
        side = program.row_lower[order].copy()
        side[:: 1 + groups] += forced_kw
        upper_kw, row_lower, row_upper = _drawn_in(problem, program, site, margin)
        others = np.setdiff1d(np.arange(program.row_count), order)
        upper, lower = (others[np.isfinite(bound[others])] for bound in (program.row_upper, program.row_lower))
        most = [
            upper_kw[free], np.full(np.count_nonzero(narrow), sliver), -program.lower[free],
            np.zeros(slacks.size), row_upper[upper], -row_lower[lower],
        ]  # fmt: skip
        return cls(
            program, site, free, program.cost[free], dense[order][:, free], slacks, np.flatnonzero(narrow), side,
            np.concatenate([dense[upper][:, free], -dense[lower][:, free]]), np.concatenate(most) + HAIR, order,
            (np.concatenate([upper, lower]), np.concatenate([np.ones(upper.size), -np.ones(lower.size)])),
        )  # fmt: skip

    def limited(self, s: Floats) -> Floats:
        """Left-hand sides of all limits."""
        free, slack = s[: self.free.size], s[self.free.size :]
        return np.concatenate([free, slack[self.narrow], -s, self.further @ free])

    def spread(self, multipliers: Floats) -> Floats:
        """Σ multiplier·row over all limits, one number per variable."""
        n, free, narrow = self.free.size + self.slacks.size, self.free.size, self.narrow.size
        result = -multipliers[free + narrow : free + narrow + n]
        result[:free] += multipliers[:free] + self.further.T @ multipliers[free + narrow + n :]
        result[free + self.narrow] += multipliers[free : free + narrow]
        return result

    def curvature(self, weight: Floats) -> tuple[Floats, Floats]:
        """Σ weight·row·rowᵀ: a matrix for the free columns, a diagonal for the slacks."""
        n, free, narrow = self.free.size + self.slacks.size, self.free.size, self.narrow.size
        below = weight[free + narrow : free + narrow + n]
        slack = below[free:].copy()
        slack[self.narrow] += weight[free : free + narrow]
        matrix = (self.further.T * weight[free + narrow + n :]) @ self.further
        matrix[np.diag_indices_from(matrix)] += weight[:free] + below[:free] + 1e-9
        return matrix, slack

    def coupled(self, s: Floats) -> Floats:
        """What the site adds to the coupling rows."""
        result = self.coupling @ s[: self.free.size]
        result[self.slacks] -= s[self.free.size :]
        return np.asarray(result)

    def priced(self, prices: Floats) -> Floats:
        """What prices of the coupling rows add to the cost of each variable."""
        return np.concatenate([self.coupling.T @ prices, -prices[self.slacks]])

    def row_prices(self, prices: Floats, multipliers: Floats) -> Floats:
        """Prices of the program's rows from the method's prices y and the site's multipliers."""
        result = np.zeros(self.program.row_count)
        result[self.order] = -prices
        rows, signs = self.own
        np.add.at(result, rows, -signs * multipliers[multipliers.size - rows.size :])
        return result

    def columns(self, s: Floats) -> Floats:
        """All columns of the program from the free ones."""
        x = self.program.lower.copy()
        x[self.free] = s[: self.free.size]
        return x


def _drawn_in(
    problem: ReservePlanProblem, program: Program, site: SiteColumns, margin: float
) -> tuple[Floats, Floats, Floats]:
    """Bounds of columns and rows with the hard limits drawn in a little."""
    plan, upper = problem.plan, program.upper.copy()
    lower_row, upper_row = program.row_lower.copy(), program.row_upper.copy()
    for limit, columns in ((plan.export_limit_kw, site.exported), (plan.import_hard_limit_kw, site.imported)):
        upper[columns] = np.minimum(upper[columns], limit * (1.0 - margin))
    if site.beyond.size:
        both = program.upper[site.imported[site.beyond]] + program.upper[site.excess]
        upper[site.excess] -= np.where(both >= plan.import_hard_limit_kw, margin * both, 0.0)
    lower_row[site.calls] *= 1.0 - margin
    upper_row[site.calls] *= 1.0 - margin
    return np.maximum(upper, program.lower), lower_row, upper_row
