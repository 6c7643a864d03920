"""From a mapping with ``sites`` and ``trips`` to the answer as data: what the command line and the API call."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bothways.planning.journeys.parsing import journeys_from_mapping
from bothways.planning.journeys.problem import JourneyProblem
from bothways.planning.journeys.solve import JourneySolution, SitePlan, solve_journeys
from bothways.planning.problem import PlanOptions
from bothways.planning.watch import Cancel


def run_journeys(
    mapping: Mapping[str, object], options: PlanOptions, *, at: str = "", cancel: Cancel | None = None
) -> tuple[JourneyProblem, JourneySolution, dict[str, object]]:
    """Reads, plans, and tells.

    Args:
        mapping: as in ``docs/reference/plan-format.md``.
        options: gap and time limit.
        at: what is read, for the messages.
        cancel: asked while the solver runs.

    Returns:
        What was asked, the plan, and the plan as data for JSON.

    Raises:
        InputError: anything is wrong with the mapping.
    """
    problem = journeys_from_mapping(mapping, at=at)
    answer = solve_journeys(problem, options, cancel=cancel)
    return problem, answer, told(problem, answer)


def told(problem: JourneyProblem, answer: JourneySolution) -> dict[str, object]:
    """The answer as data; infinities are ``None``."""

    def finite(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "status": answer.status,
        "objective": finite(answer.objective),
        "lower_bound": finite(answer.lower_bound),
        "gap": finite(answer.gap),
        "solver": answer.solver,
        "sites": {name: _site(plan) for name, plan in zip(problem.names, answer.sites, strict=False)},
        "trips": {"leaves_kwh": answer.leaves_kwh.tolist(), "arrives_kwh": answer.arrives_kwh.tolist()},
        "infeasible_because": list(answer.infeasible_because),
        "notes": list(answer.notes),
    }


def _site(plan: SitePlan) -> dict[str, object]:
    flows = plan.evaluation.flows
    return {
        "cost": plan.evaluation.objective,
        "peak_import_kw": plan.evaluation.peak_import_kw,
        "curtailed_kwh": float(flows.curtailed_kw.sum()) * plan.problem.step_h,
        "import_kw": flows.import_kw.tolist(),
        "export_kw": flows.export_kw.tolist(),
        "shortfall_kwh": plan.shortfall_kwh.tolist(),
        "reasons": list(plan.reasons),
    }
