"""What is filled in for a new charging station, and what is checked of it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast, get_args

from bothways.domain.errors import Problems
from bothways.operations.stations import DischargeMethod, EvseRecord, StationRecord

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,48}")
_METHODS = get_args(DischargeMethod)
_MOST_KW = 2_000.0
_MOST_EVSES = 64


@dataclass(frozen=True, slots=True)
class StationForm:
    """A new station whose EVSEs are alike; see :class:`bothways.operations.stations.StationRecord`."""

    station_id: str
    site_id: str
    evses: int = 1
    charge_kw: float = 11.0
    discharge_kw: float = 0.0
    min_charge_kw: float = 4.14
    phases: int = 3
    first_phase: int = 1
    discharge: str = "none"
    security_profile: int = 1


def check_station(form: StationForm, sites: Collection[str]) -> StationRecord:
    """The record of a new station.

    Args:
        form: what was filled in.
        sites: sites that there are.

    Raises:
        InputError: with every problem of the form.
    """
    problems = Problems(at="station")
    if not _ID.fullmatch(form.station_id):
        allowed = "1 to 48 letters, digits, _ . : -"
        problems.add("station_id", form.station_id, allowed, "Take the id that is printed on the station.")
    if form.site_id not in sites:
        problems.add("site_id", form.site_id, ", ".join(sorted(sites)), "Name the site where it stands.")
    for name, value, low, high in (
        ("evses", form.evses, 1, _MOST_EVSES), ("charge_kw", form.charge_kw, 1.0, _MOST_KW),
        ("discharge_kw", form.discharge_kw, 0.0, _MOST_KW), ("min_charge_kw", form.min_charge_kw, 0.0, form.charge_kw),
        ("phases", form.phases, 1, 3), ("first_phase", form.first_phase, 1, 3),
        ("security_profile", form.security_profile, 1, 3),
    ):  # fmt: skip
        if not (math.isfinite(value) and low <= value <= high):
            problems.add(name, value, f"{low:g} to {high:g}", "See the station's plate.")
    if form.discharge not in _METHODS:
        problems.add("discharge", form.discharge, ", ".join(_METHODS), "Say how it is told to discharge.")
    problems.raise_if_any()
    evse = (form.charge_kw, form.discharge_kw, form.min_charge_kw, form.phases, form.first_phase)
    evses = tuple(EvseRecord(number, *evse) for number in range(1, form.evses + 1))
    return StationRecord(
        form.station_id, form.site_id, evses, security_profile=form.security_profile,
        discharge=cast("DischargeMethod", form.discharge),
    )  # fmt: skip
