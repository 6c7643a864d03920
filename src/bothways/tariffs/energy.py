"""Charges per kWh: tiers filled in order of time, metering rules, events, price series."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bothways.tariffs.schedule import Calendar
from bothways.tariffs.structure import EnergyTier, Metering, PriceSeriesRule, Tariff

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class EnergyTable:
    """The energy tiers as arrays of shape ``(P, K)``: periods × most tiers, short periods padded with their last tier.

    Attributes:
        price: rate plus adjustment [currency/kWh].
        sell: credit for export [currency/kWh].
        bound: upper bound in the tier's own unit; ``inf`` in the last tier.
        per_kw: whether the bound is multiplied by the billed demand.
        daily: whether the bound is multiplied by the days of the month.
    """

    price: Floats
    sell: Floats
    bound: Floats
    per_kw: Bools
    daily: Bools

    @property
    def tiers(self) -> int:
        """Greatest number of tiers K."""
        return int(self.price.shape[1])


@lru_cache(maxsize=64)
def energy_table(tariff: Tariff) -> EnergyTable:
    """Gathers the tariff's energy tiers; a tariff without them has one period at price 0."""
    periods = tariff.energy or ((EnergyTier(0.0),),)
    most = max(len(tiers) for tiers in periods)
    padded = [[*tiers, *[tiers[-1]] * (most - len(tiers))] for tiers in periods]
    bound = np.array([[tier.max for tier in tiers] for tiers in padded])
    for row, tiers in enumerate(periods):
        bound[row, len(tiers) - 1 :] = np.inf
    return EnergyTable(
        price=np.array([[tier.rate + tier.adj for tier in tiers] for tiers in padded]),
        sell=np.array([[tier.sell or 0.0 for tier in tiers] for tiers in padded]),
        bound=bound,
        per_kw=np.array([[tier.unit.per_kw for tier in tiers] for tiers in padded]),
        daily=np.array([[tier.unit.daily for tier in tiers] for tiers in padded]),
    )


def tier_bounds(table: EnergyTable, days: Floats, billed_kw: Floats) -> Floats:
    """Upper bounds of the tiers in each month [kWh], shape ``(M, P, K)``.

    Args:
        table: the tiers.
        days: days of each month, shape ``(M,)``.
        billed_kw: billed demand of each month [kW], shape ``(M,)``.
    """
    factor = np.where(table.daily, days[:, None, None], 1.0) * np.where(table.per_kw, billed_kw[:, None, None], 1.0)
    with np.errstate(invalid="ignore"):  # no demand times no bound
        bounds = np.where(np.isinf(table.bound), np.inf, table.bound * factor)
    return np.maximum.accumulate(bounds, axis=2)  # tiers of mixed units stay in order


def tiered_cost(prices: Floats, bounds: Floats, cal: Calendar, energy_kwh: Floats) -> Floats:
    """Cost of energy where tiers fill in order of time over the month and all periods [currency], shape ``(T,)``.

    ``cost_t = ∫ price(period_t, c) dc`` from ``C_t`` to ``C_t + e_t``, with ``C_t`` the month's energy before the
    interval. With energy of both signs this is a meter that runs backwards: what flows out earns the price of the
    tier that the reading is in, and the lowest tier's price below zero.

    Args:
        prices: by period and tier [currency/kWh], shape ``(P, K)``.
        bounds: upper bounds by month, period and tier [kWh], shape ``(M, P, K)``.
        cal: the calendar.
        energy_kwh: energy of each interval [kWh], shape ``(T,)``.
    """
    period = cal.energy_period
    if prices.shape[1] == 1:
        return np.asarray(prices[period, 0] * energy_kwh, dtype=np.float64)
    after = np.cumsum(energy_kwh)
    at_start = after[cal.month_starts] - energy_kwh[cal.month_starts]
    after -= at_start[cal.month_of]
    before = after - energy_kwh
    cost = np.zeros(energy_kwh.shape[0])
    below = np.zeros(energy_kwh.shape[0])
    for tier in range(prices.shape[1]):
        high = bounds[:, :, tier][cal.month_of, period]
        up_to = np.minimum(after, high) - np.minimum(before, high)
        cost += prices[period, tier] * (up_to - below)
        below = up_to
    return cost


@dataclass(frozen=True)
class Flows:
    """Energy and power as the meters count them; arrays of shape ``(T,)``.

    Attributes:
        import_kwh: imported energy [kWh].
        export_kwh: exported energy [kWh].
        import_kw: power of import, for demand [kW].
        export_kw: power of export [kW].
    """

    import_kwh: Floats
    export_kwh: Floats
    import_kw: Floats
    export_kw: Floats


def metered(tariff: Tariff, cal: Calendar, net_kw: Floats, generation_kw: Floats | None) -> Flows:
    """Splits a net load [kW] into import and export by the tariff's metering rule."""
    step_h = cal.grid.step_h
    out_kw = np.maximum(-net_kw, 0.0)
    if tariff.metering is Metering.BUY_ALL_SELL_ALL and generation_kw is not None:
        consumed = net_kw + generation_kw
        sold = generation_kw + np.maximum(-consumed, 0.0)
        bought = np.maximum(consumed, 0.0)
        return Flows(bought * step_h, sold * step_h, bought, sold)
    in_kw = np.maximum(net_kw, 0.0)
    bought_kwh, sold_kwh = in_kw * step_h, out_kw * step_h
    if tariff.metering is Metering.NET_BILLING_HOURLY and cal.grid.step_s < 3600 and out_kw.any():
        hour = cal.hour_of
        bought_h, sold_h = np.bincount(hour, weights=bought_kwh), np.bincount(hour, weights=sold_kwh)
        left_in = np.divide(
            np.maximum(bought_h - sold_h, 0.0), bought_h, out=np.zeros_like(bought_h), where=bought_h > 0
        )
        left_out = np.divide(np.maximum(sold_h - bought_h, 0.0), sold_h, out=np.zeros_like(sold_h), where=sold_h > 0)
        bought_kwh, sold_kwh = bought_kwh * left_in[hour], sold_kwh * left_out[hour]
    return Flows(bought_kwh, sold_kwh, in_kw, out_kw)


@dataclass(frozen=True)
class EnergyCharges:
    """What energy costs and earns by month [currency], shape ``(M,)``; ``credit`` is negative where export earns."""

    charge: Floats
    credit: Floats


def energy_charges(
    tariff: Tariff, cal: Calendar, flows: Flows, billed_kw: Floats, series: tuple[Floats, Floats] | None
) -> EnergyCharges:
    """Charges imported energy and credits exported energy.

    Args:
        tariff: the tariff.
        cal: its calendar.
        flows: metered energy.
        billed_kw: billed demand by month [kW], for tiers per kW.
        series: import and export price out of the price series [currency/kWh], each ``(T,)``.
    """
    table = energy_table(tariff)
    bounds = tier_bounds(table, cal.days, billed_kw)
    surcharge = cal.adder if series is None else cal.adder + series[0]
    exports = bool(flows.export_kwh.any())
    if tariff.metering is Metering.NET_METERING and exports:
        net = flows.import_kwh - flows.export_kwh
        cost = _with_events(tiered_cost(table.price, bounds, cal, net) + surcharge * net, cal, net)
        out = net < 0.0
        return EnergyCharges(cal.by_month(np.where(out, 0.0, cost)), cal.by_month(np.where(out, cost, 0.0)))
    bought = flows.import_kwh
    cost = _with_events(tiered_cost(table.price, bounds, cal, bought) + surcharge * bought, cal, bought)
    if not exports:
        return EnergyCharges(cal.by_month(cost), np.zeros(cal.months))
    earned = tiered_cost(table.sell, bounds, cal, flows.export_kwh)
    if series is not None:
        earned = earned + series[1] * flows.export_kwh
    return EnergyCharges(cal.by_month(cost), 0.0 - cal.by_month(earned))


def _with_events(cost: Floats, cal: Calendar, energy_kwh: Floats) -> Floats:
    if cal.fixed_price is None:
        return cost
    return np.where(np.isnan(cal.fixed_price), cost, np.nan_to_num(cal.fixed_price) * energy_kwh)


def series_prices(rule: PriceSeriesRule, values: Floats) -> tuple[Floats, Floats]:
    """Import and export price out of a price series [currency/kWh]; see :class:`PriceSeriesRule`."""
    bought = (rule.factor * values + rule.adder) * (1.0 + rule.vat)
    sold = np.zeros_like(values) if rule.export_factor is None else rule.export_factor * values + rule.export_adder
    return bought, sold
