"""Prices that are hardly ever meant: cents for whole units, per MWh for per kWh, a sign too many.

Nothing here refuses a price; each finding is a sentence for the user.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bothways.tariffs.energy import series_prices
from bothways.tariffs.structure import DemandCharges, Tariff

Floats = NDArray[np.float64]

HIGHEST_PER_KWH = 5.0
"""Energy prices beyond this are doubted, up and down [currency/kWh]; retail prices lie an order of magnitude below."""

CURRENCIES = frozenset({"USD", "EUR", "GBP", "CAD", "AUD", "CHF", "NZD"})
"""Currencies that ``HIGHEST_PER_KWH`` is meant for: their units are worth about the same."""


def doubtful_prices(tariff: Tariff) -> tuple[str, ...]:
    """Names energy prices beyond ±5 per kWh (in currencies that it is meant for) and negative demand rates.

    Args:
        tariff: the tariff; its prices are in currency/kWh and currency/kW.

    Returns:
        One sentence per kind of finding, with the first place and the count; empty where nothing is doubtful.

    >>> from bothways.tariffs.structure import EnergyTier
    >>> doubtful_prices(Tariff(energy=((EnergyTier(120.0),),)))[0][:51]
    'energyratestructure[0][0] has a price of 120 USD pe'
    """
    found: list[str] = []
    if tariff.currency in CURRENCIES:
        beyond = [(place, price) for place, price in _energy_prices(tariff) if abs(price) > HIGHEST_PER_KWH]
        if beyond:
            place, price = beyond[0]
            found.append(
                f"{place} has a price of {price:g} {tariff.currency} per kWh{_others(len(beyond) - 1)}: more than "
                f"{HIGHEST_PER_KWH:g} per kWh is hardly ever right; is it in cents, or per MWh?"
            )
    negative = [(place, rate) for place, rate in _demand_rates(tariff) if rate < 0.0]
    if negative:
        place, rate = negative[0]
        found.append(
            f"{place} has a demand rate of {rate:g} {tariff.currency} per kW{_others(len(negative) - 1)}: "
            "a negative rate pays for high peaks; check the sign"
        )
    return tuple(found)


def doubtful_series(tariff: Tariff, values: Floats) -> tuple[str, ...]:
    """Says when a price series gives prices beyond ±5 per kWh under the tariff's rule.

    Args:
        tariff: the tariff, with or without a ``price_series`` rule.
        values: prices as the source gives them, shape ``(N,)``.

    Returns:
        At most one sentence.
    """
    rule = tariff.price_series
    if rule is None or tariff.currency not in CURRENCIES:
        return ()
    bought, sold = series_prices(rule, values)
    beyond = (np.abs(bought) > HIGHEST_PER_KWH) | (np.abs(sold) > HIGHEST_PER_KWH)
    if not beyond.any():
        return ()
    largest = max((float(price[np.argmax(np.abs(price))]) for price in (bought, sold)), key=abs)
    sentence = (
        f"{int(beyond.sum())} of {values.shape[0]} prices of the series are beyond {HIGHEST_PER_KWH:g} "
        f"{tariff.currency} per kWh (up to {largest:g}) after the factor {rule.factor:g}: "
        "check bothways.price_series.factor; a series per MWh needs 0.001"
    )
    return (sentence,)


def _others(count: int) -> str:
    return f" (and {count} more like it)" if count else ""


def _energy_prices(tariff: Tariff) -> Iterator[tuple[str, float]]:
    for period, tiers in enumerate(tariff.energy):
        for number, tier in enumerate(tiers):
            place = f"energyratestructure[{period}][{number}]"
            yield place, tier.rate + tier.adj
            yield f"{place}.sell", tier.sell or 0.0
    for month, amount in enumerate(tariff.month_adj):
        yield f"fueladjustmentsmonthly[{month}]", amount
    for index, levy in enumerate(tariff.levies):
        yield f"bothways.levies[{index}].import_per_kwh", levy.import_per_kwh
        yield f"bothways.levies[{index}].export_per_kwh", levy.export_per_kwh
    for index, event in enumerate(tariff.events):
        yield f"bothways.critical_peak_events[{index}]", event.adder if event.price is None else event.price


def _demand_rates(tariff: Tariff) -> Iterator[tuple[str, float]]:
    def of(name: str, charges: DemandCharges) -> Iterator[tuple[str, float]]:
        for period, tiers in enumerate(charges.periods):
            for number, tier in enumerate(tiers):
                yield f"{name}[{period}][{number}]", tier.rate + tier.adj

    yield from of("flatdemandstructure", tariff.flat_demand)
    yield from of("demandratestructure", tariff.tou_demand)
    yield from of("coincidentratestructure", tariff.coincident)
