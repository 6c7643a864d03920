"""Money of an outcome line by line: one place that knows how a bill's components are called and added."""

from __future__ import annotations

from bothways.studies.result import CaseResult, Outcome

COMPONENTS: dict[str, str] = {
    "energy": "Energy",
    "demand_tou": "Demand, by time of use",
    "demand_flat": "Demand, at any time",
    "fixed": "Fixed charges",
    "export_credit": "Export credit",
    "other": "Other charges",
}
EXTRAS: dict[str, str] = {"wear": "Battery wear", "unserved": "Energy not served"}
LABELS = {**COMPONENTS, **EXTRAS}


def amounts(outcome: Outcome) -> dict[str, float]:
    """Bill components, wear and energy not served over the period; their sum is the outcome's cost [currency]."""
    found = {key: float(sum(getattr(month, key) for month in outcome.bill.months)) for key in COMPONENTS}
    found["wear"] = outcome.wear_cost
    found["unserved"] = outcome.unserved_cost
    return found


def find(result: CaseResult, key: str) -> Outcome | None:
    """The outcome called ``key``, ``None`` where the case does not have it."""
    return next((outcome for outcome in result.outcomes if outcome.run.key == key), None)


def yearly_blindness(result: CaseResult, strategy: str) -> float | None:
    """Cost per year of not knowing the future: closed loop minus foresight; ``None`` without both [currency/year]."""
    return _yearly_gap(result, strategy, f"{strategy}_foresight")


def yearly_saving(result: CaseResult, strategy: str, reference: str) -> float | None:
    """What ``strategy`` saves against ``reference`` in a year, negative where it costs more [currency/year].

    ``None`` where one of them was not played.
    """
    return _yearly_gap(result, reference, strategy)


def _yearly_gap(result: CaseResult, key: str, other: str) -> float | None:
    if find(result, key) is None or find(result, other) is None:
        return None
    return result.yearly_cost(key) - result.yearly_cost(other)
