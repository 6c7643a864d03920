"""Public holidays as local dates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache

from bothways.tariffs.structure import Holidays


def named_holidays(country: str, subdivision: str, years: Iterable[int]) -> list[tuple[date, str]]:
    """Dates and names (in English, whatever the locale) of public holidays, observed days included.

    Raises:
        NotImplementedError: the country or the subdivision is not known.
    """
    import holidays  # noqa: PLC0415  (only tariffs with holidays pay for loading it)

    found = holidays.country_holidays(country, subdiv=subdivision or None, years=list(years), language="en_US")
    return sorted((day, str(name)) for day, name in found.items())


@lru_cache(maxsize=64)
def holiday_ordinals(rule: Holidays, first_year: int, last_year: int) -> frozenset[int]:
    """Proleptic ordinals of the local dates that count as weekends, for whole years."""
    days = {day.toordinal() for day in rule.dates}
    if rule.country:
        for day, name in named_holidays(rule.country, rule.subdivision, range(first_year, last_year + 1)):
            if not rule.only or any(part.casefold() in name.casefold() for part in rule.only):
                days.add(day.toordinal())
    return frozenset(days)
