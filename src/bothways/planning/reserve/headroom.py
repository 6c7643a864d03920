"""The rows that keep a promise deliverable: which energies and shares each of them joins, the same for every solver.

A call takes any products of one direction; it starts with a step, and group g is called for ``window`` steps of
``hours`` each. When the call started m steps before step k, it has moved call·Σ_g hours_g·Σ share_g(j) by the end of
step k, the inner sum over the steps j of g's window from k − m on that are not later than k. So for every such m

    e_k − call·Σ_g hours_g·Σ_j up_g(j) ≥ lower_k,   e_k + call·Σ_g hours_g·Σ_j down_g(j) ≤ ceiling,

where lower_k is the least energy from which floor and requirement stay in reach. A call that is shorter than a step can
end within it, where the planned energy is not yet e_k: for each such length f there is one more row, at
(1 − f/Δ)·e_{k−1} + (f/Δ)·e_k. What expected activation of the other direction would have brought meanwhile is not
counted on: it stands in the row as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from bothways.planning.reserve.products import Group, ReservePlanProblem


@dataclass(frozen=True)
class HeadroomRow:
    """One kind of row, there for every vehicle-step.

    Attributes:
        up: at the floor, or at the ceiling.
        at: where in the step the energy is looked at, 1 at its end.
        terms: group, steps back, hours.
    """

    up: bool
    at: float
    terms: tuple[tuple[int, int, float], ...]


def headroom_rows(problem: ReservePlanProblem) -> tuple[HeadroomRow, ...]:
    """All kinds of rows of a problem; none where no product goes that way."""
    step_h, rows = problem.plan.step_h, []
    for up in (True, False):
        mine = [(number, group) for number, group in enumerate(problem.groups) if group.up == up and group.hours > 0.0]
        if not mine:
            continue
        windows = [group.window for _, group in mine]
        for started in range(min(windows) - 1, max(windows)):
            terms = [
                (number, started - j, group.hours)
                for number, group in mine
                for j in range(min(group.window, started + 1))
            ]
            rows.append(HeadroomRow(up, 1.0, (*terms, *_other_way(problem, up, started, step_h))))
        for at_h in sorted({group.hours for _, group in mine if group.hours < step_h * (1.0 - 1e-9)}):
            terms = [(number, 0, min(at_h, group.hours)) for number, group in mine]
            rows.append(HeadroomRow(up, at_h / step_h, (*terms, *_other_way(problem, up, 0, at_h))))
    return tuple(rows)


def _other_way(
    problem: ReservePlanProblem, up: bool, started: int, this_step_h: float
) -> tuple[tuple[int, int, float], ...]:
    step_h = problem.plan.step_h
    others: list[tuple[int, Group]] = [
        (number, group) for number, group in enumerate(problem.groups) if group.up != up and group.activation > 0.0
    ]
    return tuple(
        (number, back, group.activation * (this_step_h if back == 0 else step_h))
        for number, group in others
        for back in range(started + 1)
    )
