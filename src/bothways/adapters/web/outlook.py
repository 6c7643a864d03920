"""Whether a wish can be met, in sentences: what is possible instead, when, and why."""

from __future__ import annotations

from bothways.adapters.web.figures import clock, percent, power
from bothways.adapters.web.words import Words
from bothways.operations.desk.driver.reach import Outlook, Why


def told(outlook: Outlook | None, tz: str, words: Words) -> list[str]:
    """The sentences, none where nothing stands against the wish."""
    if outlook is None or outlook.possible:
        return []
    asked, best = percent(outlook.asked_soc, words), percent(outlook.best_soc, words)
    by = clock(outlook.ready_by, tz, words)
    if outlook.reached_at is None:
        first = words("{asked} by {time} is not possible; {best} is the best.", asked=asked, time=by, best=best)
    else:
        late = clock(outlook.reached_at, tz, words)
        first = words(
            "{asked} by {time} is not possible; {best} by then, or {asked} by {late}.",
            asked=asked, time=by, best=best, late=late,
        )  # fmt: skip
    return [first, _why(outlook, tz, words)]


def _why(outlook: Outlook, tz: str, words: Words) -> str:
    match outlook.why:
        case Why.LIMIT:
            return words("The limit of the site leaves no more for this vehicle until then.")
        case Why.FULL:
            return words("The vehicle takes no more.")
        case Why.STOPPED:
            return words("An emergency stop is in force; nothing charges until it is released.")
        case Why.OFFLINE:
            return words("The charging point is out of reach; it charges by itself, with little power.")
        case _:
            return words(
                "It was plugged in at {time}; with {power} there is too little time.",
                time=clock(outlook.since, tz, words), power=power(outlook.power_kw, words),
            )  # fmt: skip
