"""Reads the extension object ``"bothways"`` of a tariff file: what OpenEI URDB has no field for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import zone
from bothways.tariffs.fields import Fields, shown
from bothways.tariffs.holidays import named_holidays
from bothways.tariffs.structure import (
    ContractedCapacity,
    Holidays,
    Levy,
    PricedWindow,
    PriceSeriesRule,
    RatchetScope,
    ScheduleOverride,
    Surplus,
)

EXTENSION = "bothways"
"""Key of the extension object."""

_KEYS = (
    "currency", "timezone", "holidays", "schedule_overrides", "export", "contracted_import", "contracted_export",
    "levies", "critical_peak_events", "coincident_hours", "price_series", "ratchet_applies_to", "power_factor",
    "note", "source",
)  # fmt: skip
_CURRENCY = re.compile(r"[A-Z]{3}")
_PRICE = "a price [currency/kWh]"
_PER_KW = "a price [currency/kW]"


@dataclass(frozen=True)
class Extension:
    """What the extension object says; see the fields of the same names in :class:`Tariff`."""

    currency: str = ""
    timezone: str | None = None
    holidays: Holidays = field(default_factory=Holidays)
    overrides: tuple[ScheduleOverride, ...] = ()
    surplus: Surplus = Surplus.PAID
    export_allowed: bool = True
    contracted_import: ContractedCapacity | None = None
    contracted_export: ContractedCapacity | None = None
    levies: tuple[Levy, ...] = ()
    events: tuple[PricedWindow, ...] = ()
    coincident_hours: tuple[PricedWindow, ...] = ()
    price_series: PriceSeriesRule | None = None
    ratchet_scope: RatchetScope | None = None
    power_factor: float | None = None


def read_extension(fields: Fields, value: object) -> Extension:
    """Reads the object; faults (unknown keys among them) are noted in ``fields``."""
    found = fields.mapping(EXTENSION, value, _KEYS)
    export = fields.mapping(f"{EXTENSION}.export", found.get("export"), ("allowed", "surplus"))
    factor = found.get("power_factor")
    return Extension(
        currency=_currency(fields, found.get("currency")),
        timezone=_timezone(fields, found.get("timezone")),
        holidays=_holidays(fields, found.get("holidays")),
        overrides=_overrides(fields, found.get("schedule_overrides")),
        surplus=fields.choice(
            f"{EXTENSION}.export.surplus", export.get("surplus"), {word.value: word for word in Surplus}, Surplus.PAID
        ),
        export_allowed=fields.yes(f"{EXTENSION}.export.allowed", export.get("allowed"), default=True),
        contracted_import=_contracted(fields, "contracted_import", found),
        contracted_export=_contracted(fields, "contracted_export", found),
        levies=_levies(fields, found.get("levies")),
        events=_windows(fields, "critical_peak_events", found, ("adder_per_kwh", "price_per_kwh")),
        coincident_hours=_windows(fields, "coincident_hours", found, ("price_per_kw",)),
        price_series=_price_series(fields, found.get("price_series")),
        ratchet_scope=fields.choice(
            f"{EXTENSION}.ratchet_applies_to",
            found.get("ratchet_applies_to"),
            {word.value: word for word in RatchetScope},
            None,
        ),
        power_factor=None
        if factor is None
        else fields.number(f"{EXTENSION}.power_factor", factor, "a power factor", low=0.1, high=1.0, default=1.0),
    )


def _currency(fields: Fields, value: object) -> str:
    word = fields.text(f"{EXTENSION}.currency", value, "a currency code").upper()
    if word and not _CURRENCY.fullmatch(word):
        fields.fault(f"{EXTENSION}.currency", value, "three letters of ISO 4217, such as EUR", "Correct the code.")
    return word


def _timezone(fields: Fields, value: object) -> str | None:
    name = fields.text(f"{EXTENSION}.timezone", value, "an IANA time zone")
    if not name:
        return None
    try:
        zone(name)
    except DomainError:
        remedy = "Give a name such as Europe/Amsterdam."
        fields.fault(f"{EXTENSION}.timezone", value, "an IANA time zone", remedy)
        return None
    return name


def _holidays(fields: Fields, value: object) -> Holidays:
    where = f"{EXTENSION}.holidays"
    found = fields.mapping(where, value, ("country", "subdivision", "only", "dates"))
    country = fields.text(f"{where}.country", found.get("country"), "a country code").upper()
    subdivision = fields.text(f"{where}.subdivision", found.get("subdivision"), "a state or province")
    names = fields.sequence(f"{where}.only", found.get("only"), "a list of names of holidays")
    only = tuple(fields.text(f"{where}.only[{index}]", name, "a name") for index, name in enumerate(names))
    days = fields.sequence(f"{where}.dates", found.get("dates"), "a list of dates")
    read = [fields.day(f"{where}.dates[{index}]", day) for index, day in enumerate(days)]
    dates = tuple(day for day in read if isinstance(day, date))
    if not country:
        if subdivision or only:
            fields.fault(f"{where}.country", "nothing", "a country code such as US", "Add the country.")
        return Holidays(dates=dates)
    try:
        known = {name for _, name in named_holidays(country, subdivision, range(2015, 2031))}
    except NotImplementedError as error:
        allowed = "a country and subdivision known to the package 'holidays'"
        fields.fault(where, str(error)[:100], allowed, "Correct the code, for example US with CA.")
        return Holidays(dates=dates)
    for index, name in enumerate(only):
        if not name or not any(name.casefold() in listed.casefold() for listed in known):
            listed_names = ", ".join(sorted(known))[:400]
            fields.fault(f"{where}.only[{index}]", name, f"(part of) one of: {listed_names}", "Correct the name.")
    return Holidays(country, subdivision, only, dates)


def _overrides(fields: Fields, value: object) -> tuple[ScheduleOverride, ...]:
    keys = ("from", "to", "days", "start", "end", "energy_period", "demand_period")
    read: list[ScheduleOverride] = []
    for index, item in enumerate(fields.sequence(f"{EXTENSION}.schedule_overrides", value, "a list of overrides")):
        where = f"{EXTENSION}.schedule_overrides[{index}]"
        found = fields.mapping(where, item, keys)
        energy, demand = found.get("energy_period"), found.get("demand_period")
        if energy is None and demand is None:
            remedy = "Say which period holds then."
            fields.fault(where, "neither energy_period nor demand_period", "at least one of them", remedy)
        read.append(
            ScheduleOverride(
                first=fields.month_day(f"{where}.from", found.get("from"), (1, 1)),
                last=fields.month_day(f"{where}.to", found.get("to"), (12, 31)),
                days=fields.choice(
                    f"{where}.days", found.get("days"), {word: word for word in ("all", "weekday", "weekend")}, "all"
                ),
                start=fields.clock(f"{where}.start", found.get("start")),
                end=fields.clock(f"{where}.end", found.get("end")),
                energy_period=_index(fields, f"{where}.energy_period", energy),
                demand_period=_index(fields, f"{where}.demand_period", demand),
            )
        )
    return tuple(read)


def _index(fields: Fields, where: str, value: object) -> int | None:
    return None if value is None else fields.whole(where, value, "a period index", low=0, high=10_000)


def _contracted(fields: Fields, name: str, extension: Mapping[str, object]) -> ContractedCapacity | None:
    where = f"{EXTENSION}.{name}"
    keys = ("kw", "price_per_kw_day", "price_per_kw_month", "excess_price_per_kw", "excess_price_per_kwh")
    found = fields.mapping(where, extension.get(name), keys)
    if extension.get(name) is None or not fields.required(where, found, ("kw",)):
        return None
    prices = [fields.number(f"{where}.{key}", found.get(key), "a price", low=0.0) for key in keys[1:]]
    return ContractedCapacity(fields.number(f"{where}.kw", found["kw"], "contracted power [kW]", low=0.0), *prices)


def _levies(fields: Fields, value: object) -> tuple[Levy, ...]:
    read: list[Levy] = []
    for index, item in enumerate(fields.sequence(f"{EXTENSION}.levies", value, "a list of levies")):
        where = f"{EXTENSION}.levies[{index}]"
        found = fields.mapping(where, item, ("name", "import_per_kwh", "export_per_kwh", "exempt", "source"))
        read.append(
            Levy(
                name=fields.text(f"{where}.name", found.get("name"), "a name") or f"levy {index + 1}",
                import_per_kwh=fields.number(f"{where}.import_per_kwh", found.get("import_per_kwh"), _PRICE),
                export_per_kwh=fields.number(f"{where}.export_per_kwh", found.get("export_per_kwh"), _PRICE),
                exempt=fields.yes(f"{where}.exempt", found.get("exempt"), default=False),
            )
        )
    return tuple(read)


def _windows(
    fields: Fields, name: str, extension: Mapping[str, object], prices: tuple[str, ...]
) -> tuple[PricedWindow, ...]:
    """Reads critical-peak events (an adder or a price per kWh) or coincident hours (a price per kW)."""
    read: list[PricedWindow] = []
    for index, item in enumerate(fields.sequence(f"{EXTENSION}.{name}", extension.get(name), "a list of windows")):
        where = f"{EXTENSION}.{name}[{index}]"
        found = fields.mapping(where, item, ("start", "end", "name", *prices))
        if not fields.required(where, found, ("start", "end")):
            continue
        if sum(found.get(price) is not None for price in prices) != 1:
            fields.fault(where, f"not one of {', '.join(prices)}", "exactly one of them", "State the price once.")
        start, end = fields.moment(f"{where}.start", found["start"]), fields.moment(f"{where}.end", found["end"])
        if start is None or end is None or not _in_order(fields, where, start, end):
            continue
        price = found.get("price_per_kwh")
        read.append(
            PricedWindow(
                start,
                end,
                adder=fields.number(f"{where}.adder_per_kwh", found.get("adder_per_kwh"), _PRICE),
                price=None if price is None else fields.number(f"{where}.price_per_kwh", price, _PRICE),
                per_kw=fields.number(f"{where}.price_per_kw", found.get("price_per_kw"), _PER_KW),
            )
        )
    return tuple(read)


def _in_order(fields: Fields, where: str, start: datetime, end: datetime) -> bool:
    if (start.tzinfo is None) != (end.tzinfo is None):
        remedy = "Give both in the same way."
        fields.fault(where, "one instant with and one without an offset", "both local, or both with an offset", remedy)
        return False
    if not (1970 <= start.year <= 2200 and 1970 <= end.year <= 2200):
        fields.fault(where, f"{start.year} to {end.year}", "years 1970…2200", "Correct the dates.")
        return False
    if end <= start:
        fields.fault(f"{where}.end", shown(end.isoformat()), f"after {start.isoformat()}", "Correct start or end.")
        return False
    return True


def _price_series(fields: Fields, value: object) -> PriceSeriesRule | None:
    where = f"{EXTENSION}.price_series"
    keys = ("factor", "adder", "vat", "export_factor", "export_adder")
    found = fields.mapping(where, value, keys)
    if value is None:
        return None
    export = found.get("export_factor")
    if export is None and found.get("export_adder") is not None:
        remedy = "Add export_factor (0 to pay only the adder)."
        fields.fault(f"{where}.export_factor", "nothing beside export_adder", "a factor", remedy)
    return PriceSeriesRule(
        factor=fields.number(f"{where}.factor", found.get("factor"), "a factor", default=1.0),
        adder=fields.number(f"{where}.adder", found.get("adder"), _PRICE),
        vat=fields.number(f"{where}.vat", found.get("vat"), "a fraction such as 0.21", low=0.0, high=1.0),
        export_factor=None if export is None else fields.number(f"{where}.export_factor", export, "a factor"),
        export_adder=fields.number(f"{where}.export_adder", found.get("export_adder"), _PRICE),
    )
