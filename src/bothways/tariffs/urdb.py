"""Builds a :class:`~bothways.tariffs.structure.Tariff` from OpenEI URDB JSON, as published.

Missing fields are accepted; fields that are not understood are kept in ``Tariff.extra`` and named in a warning, or
refused where their name is nearly that of a charge which the file lacks: that charge would be missing on the bill.
Names of fields are read whatever their case (``lookbackPercent`` and ``lookbackpercent`` both occur).
Source of the format: OpenEI, Utility Rate Database API, version 8, response fields.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from bothways.domain.errors import Problems
from bothways.tariffs.extension import EXTENSION, Extension, read_extension
from bothways.tariffs.fields import LARGEST, Fields, shown
from bothways.tariffs.plausibility import doubtful_prices
from bothways.tariffs.rates import KW_PER_HP, read_demand_periods, read_energy_periods
from bothways.tariffs.structure import (
    EVERY_HOUR_0,
    Amounts,
    DemandCharges,
    Matrix,
    Metering,
    Ratchet,
    RatchetScope,
    Schedule,
    Tariff,
)

CHARGED = frozenset(
    {
        "energyratestructure", "energyweekdayschedule", "energyweekendschedule", "fueladjustmentsmonthly",
        "flatdemandstructure", "flatdemandmonths", "flatdemandunit",
        "demandratestructure", "demandweekdayschedule", "demandweekendschedule", "demandrateunit", "demandunits",
        "demandwindow", "demandratchetpercentage", "lookbackpercent", "lookbackmonths", "lookbackrange",
        "coincidentratestructure", "coincidentrateschedule", "coincidentrateunit",
        "fixedchargefirstmeter", "fixedchargeunits", "fixedmonthlycharge",
        "mincharge", "minchargeunits", "minmonthlycharge", "annualmincharge",
        "dgrules", "usenetmetering", "name", "utility", "source", "sector", "startdate", "enddate",
        "peakkwcapacitymin", "peakkwcapacitymax", EXTENSION,
    }
)  # fmt: skip
"""Fields that have a meaning for the bill."""

DESCRIPTIVE = frozenset(
    {
        "label", "uri", "approved", "eiaid", "description", "sourceparent", "supersedes", "supercedes", "revisions",
        "country", "servicetype", "is_default", "isdefault", "basicinformationcomments", "energycomments",
        "demandcomments", "energyattrs", "demandattrs", "fixedattrs", "peakkwcapacityhistory", "peakkwhusagemin",
        "peakkwhusagemax", "peakkwhusagehistory", "voltageminimum", "voltagemaximum", "voltagecategory",
        "phasewiring", "latest_update", "utility_id", "usstate", "zipcode", "address", "fixedchargeeaaddl",
        "demandreactivepowercharge", "coincidentattrs", "$schema",
    }
)  # fmt: skip
"""Fields of URDB that describe and do not charge (the two that would are named in warnings where they are not 0)."""

_DG_RULES: dict[str, Metering] = {rule.value: rule for rule in Metering} | {
    "Net Billing": Metering.NET_BILLING_INSTANTANEOUS
}
_PER = {"$/month": "per_month", "$/day": "per_day", "$/year": "per_year"}
_UNITS = {unit: unit for unit in ("kW", "hp", "kVA", "kW daily", "hp daily", "kVA daily")}
_INTERVALS = {"per_month": "month", "per_day": "day", "per_year": "year"}


@dataclass(frozen=True)
class ImportedTariff:
    """A tariff with what should be known about its import.

    Attributes:
        tariff: the tariff.
        warnings: sentences on what was assumed, and on fields that are kept but not used.
    """

    tariff: Tariff
    warnings: tuple[str, ...]


def tariff_from_urdb(mapping: object, *, name_of_source: str = "") -> ImportedTariff:
    """Reads one rate in OpenEI URDB JSON, with the ``bothways`` extension object where there is one.

    Args:
        mapping: the parsed JSON: the rate itself, or ``{"items": [rate]}`` as the API answers.
        name_of_source: file or page, for messages.

    Returns:
        The tariff and the warnings of its import.

    Raises:
        InputError: with every problem found: wrong shapes, holes in schedules, periods that do not exist, NaN,
            negative tiers, unknown words, unknown keys of the extension, misspelt names of charges.

    >>> flat = tariff_from_urdb({"name": "Flat", "energyratestructure": [[{"rate": 0.2}]], "fixedmonthlycharge": 5})
    >>> flat.tariff.energy[0][0].rate, flat.tariff.fixed.per_month
    (0.2, 5.0)
    """
    fields = Fields(Problems(at=name_of_source))
    rate = _rate_of(fields, mapping)
    fields.problems.raise_if_any()
    extension = read_extension(fields, rate.get(EXTENSION))
    tariff = _tariff(fields, rate, extension)
    fields.problems.raise_if_any()
    return ImportedTariff(tariff, (*fields.warnings, *doubtful_prices(tariff)))


def _rate_of(fields: Fields, mapping: object) -> dict[str, object]:
    """The rate with lower-case keys, out of the API's wrapper where there is one."""
    if isinstance(mapping, Mapping) and "items" in mapping and "energyratestructure" not in mapping:
        items = fields.sequence("items", mapping["items"], "a list with one rate")
        if len(items) != 1:
            fields.fault("items", f"{len(items)} rates", "exactly one rate", "Keep the one rate that is meant.")
            return {}
        mapping = items[0]
    if not isinstance(mapping, Mapping):
        fields.fault("", mapping, "a JSON object with the fields of one rate", "Give a file in OpenEI URDB's format.")
        return {}
    rate: dict[str, object] = {}
    for key, value in mapping.items():
        name = str(key).casefold()
        if name in rate and rate[name] != value:
            fields.fault(shown(key)[1:-1], "the field twice, in different spellings", "each field once", "Remove one.")
        rate[name] = value
    if rate and not rate.keys() & CHARGED:
        near = ", ".join(sorted(shown(key) for key in list(mapping)[:8]))
        remedy = "Is this a tariff? It needs at least energyratestructure with its schedules."
        fields.fault("", f"the keys {near}", "fields of OpenEI URDB", remedy)
    if not rate:
        fields.fault("", "an empty object", "the fields of one rate", "Give a file in OpenEI URDB's format.")
    return rate


def _tariff(fields: Fields, rate: Mapping[str, object], extension: Extension) -> Tariff:
    energy = read_energy_periods(fields, "energyratestructure", rate.get("energyratestructure"))
    if not energy and extension.price_series is None:
        fields.warnings.append("energyratestructure is missing: energy is not charged")
    tou = _demand(fields, rate, "demandratestructure", "demandrateunit", extension.power_factor)
    flat = _demand(fields, rate, "flatdemandstructure", "flatdemandunit", extension.power_factor)
    coincident = _demand(fields, rate, "coincidentratestructure", "coincidentrateunit", extension.power_factor)
    least = fields.number("peakkwcapacitymin", rate.get("peakkwcapacitymin"), "demand [kW]", low=0.0)
    most = fields.number("peakkwcapacitymax", rate.get("peakkwcapacitymax"), "demand [kW]", low=0.0, default=math.inf)
    window = fields.whole("demandwindow", rate.get("demandwindow"), "minutes", low=0, high=1440)
    if window and 60 % window:
        fields.fault("demandwindow", window, "1 … 60 min, a divisor of 60", "Give 15, 30 or 60.")
    _overrides_in_range(fields, extension, len(energy), len(tou.periods))
    return Tariff(
        name=fields.text("name", rate.get("name"), "a text"),
        utility=fields.text("utility", rate.get("utility"), "a text"),
        source=fields.text("source", rate.get("source"), "a text"),
        currency=extension.currency or "USD",
        timezone=extension.timezone,
        sector=fields.text("sector", rate.get("sector"), "a text"),
        capacity_kw=(least, most if most > 0.0 else math.inf),
        valid=(_instant(fields, rate, "startdate"), _instant(fields, rate, "enddate")),
        energy=energy,
        energy_schedule=_schedule(fields, rate, "energy", len(energy)),
        month_adj=fields.of_months("fueladjustmentsmonthly", rate.get("fueladjustmentsmonthly"), "[currency/kWh]"),
        flat_demand=flat,
        flat_demand_months=_flat_months(fields, rate, len(flat.periods)),
        tou_demand=tou,
        tou_demand_schedule=_schedule(fields, rate, "demand", len(tou.periods)),
        demand_window_minutes=window or None,
        ratchet=_ratchet(fields, rate, extension, has_flat=bool(flat.periods)),
        coincident=coincident,
        coincident_schedule=_coincident_schedule(fields, rate, len(coincident.periods)),
        coincident_windows=extension.coincident_hours,
        fixed=_fixed(fields, rate),
        minimum=_minimum(fields, rate),
        metering=_metering(fields, rate),
        surplus=extension.surplus,
        export_allowed=extension.export_allowed,
        holidays=extension.holidays,
        overrides=extension.overrides,
        contracted_import=extension.contracted_import,
        contracted_export=extension.contracted_export,
        levies=extension.levies,
        events=extension.events,
        price_series=extension.price_series,
        extra=_extra(fields, rate),
    )


def _demand(
    fields: Fields, rate: Mapping[str, object], structure: str, unit_field: str, power_factor: float | None
) -> DemandCharges:
    periods = read_demand_periods(fields, structure, rate.get(structure))
    unit = fields.choice(unit_field, rate.get(unit_field), _UNITS, "")
    if not unit and "demandunits" in rate:
        unit = fields.choice("demandunits", rate.get("demandunits"), _UNITS, "kW")
    if not periods:
        return DemandCharges()
    factor = 1.0
    if unit.startswith("hp"):
        factor = 1.0 / KW_PER_HP
    elif unit.startswith("kVA"):
        factor = 1.0 / (power_factor or 1.0)
        if power_factor is None:
            fields.warnings.append(
                f"{structure} is charged per kVA: a power factor of 1 is assumed (set {EXTENSION}.power_factor)"
            )
    return DemandCharges(periods, daily=unit.endswith("daily"), units_per_kw=factor)


def _schedule(fields: Fields, rate: Mapping[str, object], kind: str, periods: int) -> Schedule:
    """Both matrices of energy or time-of-use demand; a missing one is taken from the other where that is safe."""
    names = (f"{kind}weekdayschedule", f"{kind}weekendschedule")
    present = [name for name in names if rate.get(name) is not None]
    if periods == 0 and not (present and kind == "demand"):
        return Schedule()
    if periods == 0:
        fields.warnings.append(f"{present[0]} is there without demandratestructure: it is not used")
        return Schedule()
    if not present:
        if periods > 1:
            remedy = f"Add {names[0]} and {names[1]}."
            fields.fault(names[0], "nothing", f"a schedule for the {periods} periods of {kind}ratestructure", remedy)
        return Schedule()
    read = {name: fields.matrix(name, rate[name], periods) for name in present}
    if len(present) == 1:
        (only,) = present
        other = names[1] if only == names[0] else names[0]
        fields.warnings.append(f"{other} is missing: {only} holds on all days")
        read[other] = read[only]
    weekday, weekend = read[names[0]], read[names[1]]
    return Schedule(weekday or EVERY_HOUR_0, weekend or EVERY_HOUR_0)


def _coincident_schedule(fields: Fields, rate: Mapping[str, object], periods: int) -> Matrix:
    value = rate.get("coincidentrateschedule")
    if periods == 0:
        return EVERY_HOUR_0
    if value is None:
        remedy = "Add the schedule of the system's peak hours."
        fields.fault("coincidentrateschedule", "nothing", "12 rows of 24 period indices", remedy)
        return EVERY_HOUR_0
    return fields.matrix("coincidentrateschedule", value, periods) or EVERY_HOUR_0


def _flat_months(fields: Fields, rate: Mapping[str, object], periods: int) -> tuple[int, ...]:
    value = rate.get("flatdemandmonths")
    if periods == 0:
        return (0,) * 12
    if value is None:
        if periods > 1:
            allowed = f"12 indices into the {periods} periods of flatdemandstructure"
            fields.fault("flatdemandmonths", "nothing", allowed, "Say which period holds in every month.")
        return (0,) * 12
    months = fields.of_months(
        "flatdemandmonths", value, "a period index of flatdemandstructure", low=0, high=periods - 1
    )
    if any(month != int(month) for month in months):
        fields.fault("flatdemandmonths", value, "whole numbers", "Give period indices.")
    elif not months and fields.sequence("flatdemandmonths", value, "12 indices") == []:
        fields.fault("flatdemandmonths", "an empty list", "12 period indices", "Say which period holds in every month.")
    return tuple(int(month) for month in months) or (0,) * 12


def _ratchet(fields: Fields, rate: Mapping[str, object], extension: Extension, *, has_flat: bool) -> Ratchet | None:
    percent = _fraction(fields, "lookbackpercent", rate.get("lookbackpercent"))
    previous = fields.whole("lookbackrange", rate.get("lookbackrange"), "number of months", low=0, high=120)
    marks = fields.of_months("lookbackmonths", _as_numbers(rate.get("lookbackmonths")), "0 or 1", low=0, high=1)
    months = tuple(month + 1 for month, mark in enumerate(marks) if mark)
    if percent > 0.0 and previous and months:
        fields.warnings.append("both lookbackrange and lookbackmonths are given: lookbackrange is used")
    if percent > 0.0 and marks and not months and not previous:
        fields.warnings.append("lookbackmonths names no month and lookbackrange is 0: lookbackpercent has no effect")
        percent = 0.0
    by_month = fields.sequence("demandratchetpercentage", rate.get("demandratchetpercentage"), "12 fractions")
    ratchets = fields.of_months("demandratchetpercentage", by_month, "a fraction of the earlier peak", low=0, high=100)
    if ratchets and max(ratchets) > 1.0:
        fields.warnings.append("demandratchetpercentage holds values above 1: all twelve are read as percent")
        ratchets = tuple(value / 100.0 for value in ratchets)
    if percent == 0.0 and not any(ratchets):
        return None
    scope = extension.ratchet_scope or (RatchetScope.FLAT if has_flat else RatchetScope.TOU)
    return Ratchet(percent, months or tuple(range(1, 13)), previous, ratchets if any(ratchets) else (), scope)


def _fraction(fields: Fields, where: str, value: object) -> float:
    number = fields.number(where, value, "a fraction of the earlier peak", low=0.0, high=100.0)
    if number > 1.0:
        fields.warnings.append(f"{where} is {number:g}: it is read as percent")
        number /= 100.0
    return number


def _as_numbers(value: object) -> object:
    """``true`` and ``false`` as 1 and 0, as both occur in lookbackmonths."""
    if isinstance(value, list):
        return [int(cell) if isinstance(cell, bool) else cell for cell in value]
    return value


def _fixed(fields: Fields, rate: Mapping[str, object]) -> Amounts:
    first = _amount(fields, rate, "fixedchargefirstmeter", "fixedchargeunits")
    legacy = fields.number("fixedmonthlycharge", rate.get("fixedmonthlycharge"), "[currency/month]")
    if first is None:
        return Amounts(per_month=legacy)
    if legacy and first != Amounts(per_month=legacy):
        fields.warnings.append("fixedmonthlycharge differs from fixedchargefirstmeter: fixedchargefirstmeter is used")
    return first


def _minimum(fields: Fields, rate: Mapping[str, object]) -> Amounts:
    stated = _amount(fields, rate, "mincharge", "minchargeunits") or Amounts()
    month = fields.number("minmonthlycharge", rate.get("minmonthlycharge"), "[currency/month]", low=0.0)
    year = fields.number("annualmincharge", rate.get("annualmincharge"), "[currency/year]", low=0.0)
    if stated == Amounts():
        return Amounts(per_month=month, per_year=year)
    return Amounts(stated.per_month or (0.0 if stated.per_day else month), stated.per_day, stated.per_year or year)


def _amount(fields: Fields, rate: Mapping[str, object], name: str, units: str) -> Amounts | None:
    if rate.get(name) is None:
        return None
    low = 0.0 if name == "mincharge" else -LARGEST
    value = fields.number(name, rate[name], "an amount of money", low=low)
    per = fields.choice(units, rate.get(units), _PER, "per_month")
    if rate.get(units) is None and value:
        fields.warnings.append(f"{units} is missing: {name} is taken per {_INTERVALS[per]}")
    return Amounts(**{per: value})


def _metering(fields: Fields, rate: Mapping[str, object]) -> Metering:
    word = fields.text("dgrules", rate.get("dgrules"), "a text")
    if word:
        return fields.choice("dgrules", word, _DG_RULES, Metering.NET_BILLING_INSTANTANEOUS)
    if fields.yes("usenetmetering", rate.get("usenetmetering"), default=False):
        return Metering.NET_METERING
    return Metering.NET_BILLING_INSTANTANEOUS


def _instant(fields: Fields, rate: Mapping[str, object], name: str) -> datetime | None:
    """Start or end of validity: seconds since 1970 as URDB gives them, or an ISO date; others are only kept."""
    value = rate.get(name)
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value)
            return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, tz=UTC)
    except (ValueError, OverflowError, OSError):
        value = value or "an odd value"
    if value is not None:
        fields.warnings.append(f"{name} is not understood ({shown(value)}): validity is not checked")
    return None


def _overrides_in_range(fields: Fields, extension: Extension, energy: int, demand: int) -> None:
    for index, override in enumerate(extension.overrides):
        for name, found, count in (
            ("energy_period", override.energy_period, energy), ("demand_period", override.demand_period, demand),
        ):  # fmt: skip
            if found is not None and found >= count:
                allowed = f"an index below {count}" if count else "none, as the tariff has no such periods"
                where = f"{EXTENSION}.schedule_overrides[{index}].{name}"
                fields.fault(where, found, allowed, "Name a period of the rate structure.")


def _extra(fields: Fields, rate: Mapping[str, object]) -> Mapping[str, object]:
    extra = {name: value for name, value in rate.items() if name not in CHARGED}
    for name, what in (
        ("demandreactivepowercharge", "reactive power is not in the load, so it is not charged"),
        ("fixedchargeeaaddl", "one meter is billed, so additional meters are not charged"),
    ):
        if extra.get(name) not in (None, 0):  # no set: a junk value may not be hashable
            fields.warnings.append(f"{name} is kept and not used: {what}")
    absent = sorted(name for name in CHARGED if rate.get(name) is None)
    for name in sorted(extra.keys() - DESCRIPTIVE):
        near = difflib.get_close_matches(name, absent, n=1, cutoff=0.85)
        if near:  # only a warning would leave the charge out of the bill
            fields.fault(shown(name)[1:-1], "an unknown field", "fields of OpenEI URDB", f"Did you mean {near[0]!r}?")
        else:
            fields.warnings.append(f"unknown field {shown(name)} is kept and not used")
    return MappingProxyType(extra)
