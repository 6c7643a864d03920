"""The one structure that says everything a tariff can say; frozen, with prices in the tariff's currency.

A tariff charges energy (periods × tiers), demand (flat by month, by time of use, at coincident hours), fixed and
minimum amounts, contracted capacity and levies, and says how exported energy is measured and paid.
Schedules are in local time. The JSON they are read from is described in ``docs/reference/tariffs.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from types import MappingProxyType

Matrix = tuple[tuple[int, ...], ...]
"""12 months × 24 local hours of period indices."""

EVERY_HOUR_0: Matrix = ((0,) * 24,) * 12
"""The schedule of a tariff with a single period."""


class Metering(StrEnum):
    """How imported and exported energy are measured against each other (URDB ``dgrules``)."""

    NET_METERING = "Net Metering"
    NET_BILLING_INSTANTANEOUS = "Net Billing Instantaneous"
    NET_BILLING_HOURLY = "Net Billing Hourly"
    BUY_ALL_SELL_ALL = "Buy All Sell All"


class TierUnit(StrEnum):
    """What the upper bound of an energy tier counts (URDB ``unit``)."""

    KWH = "kWh"
    KWH_PER_KW = "kWh/kW"
    KWH_DAILY = "kWh daily"
    KWH_PER_KW_DAILY = "kWh/kW daily"

    @property
    def per_kw(self) -> bool:
        """Whether the bound is multiplied by the month's billed demand [kW]."""
        return self in {TierUnit.KWH_PER_KW, TierUnit.KWH_PER_KW_DAILY}

    @property
    def daily(self) -> bool:
        """Whether the bound is multiplied by the days of the month."""
        return self in {TierUnit.KWH_DAILY, TierUnit.KWH_PER_KW_DAILY}


class Surplus(StrEnum):
    """What becomes of a month's export credit beyond the month's energy charge."""

    PAID = "paid"
    CARRIED = "carried"
    LOST = "lost"


class RatchetScope(StrEnum):
    """Which demand charges a ratchet raises."""

    FLAT = "flat"
    TOU = "tou"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class EnergyTier:
    """One tier of one energy period.

    Attributes:
        rate: price [currency/kWh].
        adj: adjustment added to ``rate`` [currency/kWh].
        sell: credit for exported energy [currency/kWh]; ``None`` where the tariff names none (export earns 0).
        max: upper bound of the tier, in ``unit``, counted over the month and all periods; ``inf`` for the last one.
        unit: what ``max`` counts.
    """

    rate: float
    adj: float = 0.0
    sell: float | None = None
    max: float = math.inf
    unit: TierUnit = TierUnit.KWH


@dataclass(frozen=True, slots=True)
class DemandTier:
    """One tier of one demand period: ``rate + adj`` [currency/kW] for demand up to ``max`` [kW] (progressive)."""

    rate: float
    adj: float = 0.0
    max: float = math.inf


EnergyPeriods = tuple[tuple[EnergyTier, ...], ...]
DemandPeriods = tuple[tuple[DemandTier, ...], ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which period holds in every month and local hour, on weekdays and on weekends (public holidays included)."""

    weekday: Matrix = EVERY_HOUR_0
    weekend: Matrix = EVERY_HOUR_0


@dataclass(frozen=True, slots=True)
class DemandCharges:
    """Demand charges of one kind.

    Attributes:
        periods: periods × tiers; empty where there is no such charge.
        daily: the highest demand of every day is charged, not the highest of the month (unit ``kW daily``).
        units_per_kw: billing units per kW: 1 for kW, 1/0.746 for hp, 1/power factor for kVA.
    """

    periods: DemandPeriods = ()
    daily: bool = False
    units_per_kw: float = 1.0


@dataclass(frozen=True, slots=True)
class Ratchet:
    """A floor under the billed demand, from the demand of earlier months.

    ``floor(m) = max(percent · max{peak(k): k looked back at}, month_percent[m] · max{peak(k): k in the 11 before})``

    Attributes:
        percent: fraction of the earlier peak (URDB ``lookbackPercent``).
        months: calendar months 1…12 whose peaks count (URDB ``lookbackMonths``); those of the 11 months before.
        previous: number of months before the billed one whose peaks count (URDB ``lookbackRange``); 0: use ``months``.
        month_percent: fraction by calendar month (URDB ``demandratchetpercentage``); empty where not given.
        scope: which demand charges are raised.
    """

    percent: float = 0.0
    months: tuple[int, ...] = tuple(range(1, 13))
    previous: int = 0
    month_percent: tuple[float, ...] = ()
    scope: RatchetScope = RatchetScope.FLAT


@dataclass(frozen=True, slots=True)
class Amounts:
    """An amount of money stated per month, per day or per year; they add up [currency]."""

    per_month: float = 0.0
    per_day: float = 0.0
    per_year: float = 0.0


@dataclass(frozen=True, slots=True)
class Holidays:
    """Public holidays that count as weekends.

    Attributes:
        country: ISO 3166 code known to the ``holidays`` package; empty for none.
        subdivision: state or province, empty for none.
        only: names (or parts of names) of the holidays that the tariff honours; empty for all.
        dates: further local dates.
    """

    country: str = ""
    subdivision: str = ""
    only: tuple[str, ...] = ()
    dates: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class ScheduleOverride:
    """Another period than the 12×24 matrix says, to the day and minute.

    Attributes:
        first: first (month, day) of every year on which it holds.
        last: last (month, day), included; before ``first`` where it runs over the turn of the year.
        days: ``all``, ``weekday`` or ``weekend`` (public holidays are weekends).
        start: local time at which it begins.
        end: local time at which it ends (excluded); 00:00 is the end of the day.
        energy_period: index of the energy period, ``None`` to leave it.
        demand_period: index of the time-of-use demand period, ``None`` to leave it.
    """

    first: tuple[int, int] = (1, 1)
    last: tuple[int, int] = (12, 31)
    days: str = "all"
    start: time = time(0)
    end: time = time(0)
    energy_period: int | None = None
    demand_period: int | None = None


@dataclass(frozen=True, slots=True)
class PricedWindow:
    """A critical-peak event or a coincident-peak interval: half-open, local where naive.

    Attributes:
        start: begin.
        end: end (excluded).
        adder: added to the price in this window [currency/kWh].
        price: replaces the energy price in this window [currency/kWh]; ``None`` to keep it.
        per_kw: price on the highest demand within the window [currency/kW].
    """

    start: datetime
    end: datetime
    adder: float = 0.0
    price: float | None = None
    per_kw: float = 0.0


@dataclass(frozen=True, slots=True)
class ContractedCapacity:
    """Contracted power in one direction.

    Attributes:
        kw: contracted power [kW].
        per_kw_day: price for each contracted kW and day [currency].
        per_kw_month: price for each contracted kW and month [currency].
        excess_per_kw: penalty for each kW of the month's highest demand above ``kw`` [currency/kW].
        excess_per_kwh: penalty for energy above ``kw`` [currency/kWh].
    """

    kw: float
    per_kw_day: float = 0.0
    per_kw_month: float = 0.0
    excess_per_kw: float = 0.0
    excess_per_kwh: float = 0.0


@dataclass(frozen=True, slots=True)
class Levy:
    """A levy or tax per kWh, due on import and again on energy fed back.

    Attributes:
        name: how it is called on the bill.
        import_per_kwh: on every imported kWh [currency/kWh].
        export_per_kwh: on every exported kWh [currency/kWh].
        exempt: fed-back energy is exempt: nothing on export, and the import levy of as many kWh is refunded
            (at most what the month's import paid).
    """

    name: str
    import_per_kwh: float = 0.0
    export_per_kwh: float = 0.0
    exempt: bool = False


@dataclass(frozen=True, slots=True)
class PriceSeriesRule:
    """How a price series becomes a price: ``(factor · series + adder) · (1 + vat)``, added to the period's rate.

    Attributes:
        factor: 0.001 for a series per MWh.
        adder: supplier's and network adder [currency/kWh].
        vat: value-added tax as a fraction.
        export_factor: export earns ``export_factor · series + export_adder`` on top of ``sell``; ``None`` for nothing.
        export_adder: see ``export_factor`` [currency/kWh].
    """

    factor: float = 1.0
    adder: float = 0.0
    vat: float = 0.0
    export_factor: float | None = None
    export_adder: float = 0.0


@dataclass(frozen=True, eq=True)
class Tariff:
    """Everything a rate sheet says. See the module's docstring and ``docs/reference/tariffs.md``.

    Attributes:
        name: title of the tariff.
        utility: who publishes it.
        source: where it was published.
        currency: ISO 4217 code.
        timezone: IANA zone of the schedules; ``None`` to use the zone of the load's grid.
        sector: URDB sector, for plausibility only.
        capacity_kw: least and greatest demand that the tariff is meant for [kW].
        valid: first and last instant of validity, ``None`` where not stated.
        energy: energy periods × tiers; empty where energy is not charged.
        energy_schedule: energy period by month, hour and kind of day.
        month_adj: adjustment by calendar month [currency/kWh] (URDB ``fueladjustmentsmonthly``); empty for none.
        flat_demand: demand charges by season.
        flat_demand_months: index into ``flat_demand.periods`` for each calendar month.
        tou_demand: demand charges by time of use.
        tou_demand_schedule: time-of-use demand period by month, hour and kind of day.
        demand_window_minutes: averaging window of billed demand; ``None`` where not stated.
        ratchet: floor under billed demand from earlier months, ``None`` for none.
        coincident: demand charges at hours of the system's peak.
        coincident_schedule: coincident period by month and hour, alike on all days.
        coincident_windows: intervals in which demand is charged at a price of their own.
        fixed: fixed charges.
        minimum: minimum charges.
        metering: how import and export are measured against each other.
        surplus: what becomes of credit beyond the month's energy charge.
        export_allowed: whether the tariff lets energy flow out at all.
        holidays: which days count as weekends.
        overrides: exceptions from the 12×24 matrices, later ones win.
        contracted_import: contracted import capacity.
        contracted_export: contracted export capacity.
        levies: levies on import and on re-export.
        events: critical-peak events.
        price_series: how a price series enters; ``None`` where the tariff has none.
        extra: fields of the file that carry no charge or are not understood, as they were.
    """

    name: str = ""
    utility: str = ""
    source: str = ""
    currency: str = "USD"
    timezone: str | None = None
    sector: str = ""
    capacity_kw: tuple[float, float] = (0.0, math.inf)
    valid: tuple[datetime | None, datetime | None] = (None, None)
    energy: EnergyPeriods = ()
    energy_schedule: Schedule = field(default_factory=Schedule)
    month_adj: tuple[float, ...] = ()
    flat_demand: DemandCharges = field(default_factory=DemandCharges)
    flat_demand_months: tuple[int, ...] = (0,) * 12
    tou_demand: DemandCharges = field(default_factory=DemandCharges)
    tou_demand_schedule: Schedule = field(default_factory=Schedule)
    demand_window_minutes: int | None = None
    ratchet: Ratchet | None = None
    coincident: DemandCharges = field(default_factory=DemandCharges)
    coincident_schedule: Matrix = EVERY_HOUR_0
    coincident_windows: tuple[PricedWindow, ...] = ()
    fixed: Amounts = field(default_factory=Amounts)
    minimum: Amounts = field(default_factory=Amounts)
    metering: Metering = Metering.NET_BILLING_INSTANTANEOUS
    surplus: Surplus = Surplus.PAID
    export_allowed: bool = True
    holidays: Holidays = field(default_factory=Holidays)
    overrides: tuple[ScheduleOverride, ...] = ()
    contracted_import: ContractedCapacity | None = None
    contracted_export: ContractedCapacity | None = None
    levies: tuple[Levy, ...] = ()
    events: tuple[PricedWindow, ...] = ()
    price_series: PriceSeriesRule | None = None
    extra: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def __hash__(self) -> int:
        # cheap and consistent with ==: the big tables are compared only when names and prices agree
        return hash((self.name, self.currency, self.timezone, self.energy, self.fixed))
