"""Backup as a stream of the study (R18): what vehicles keep on in outages with the energy that ordinary days left them.

    value = outages a year · Σ VoLL · (energy not served without vehicles − with them),

where a vehicle serves only if it is plugged in when the outage begins, with the energy that it holds at that hour in
the closed loop: after arbitrage and peak shaving, so nothing is sold twice. What the site would have saved in the
hours without the grid is taken off, and the energy given is bought again afterwards. A reserve that is kept for
outages is played as well, and costs what the ordinary days then cost more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.resilience.fleet import WEEK_H, Fleet, Kind, Record, hours_until_change
from bothways.resilience.value import BackupValue, backup_value
from bothways.simulation.rule_based import Trace
from bothways.simulation.stays import Stays
from bothways.studies.backup_terms import BackupTerms
from bothways.studies.inputs import Case, StudyInputs

Floats = NDArray[np.float64]

HOURS_PER_YEAR = 8766.0
_MOST_KINDS = 12


@dataclass(frozen=True)
class BackupRow:
    """Ordinary days and outages together, per year, against uncontrolled charging without backup.

    Attributes:
        reserve_soc: share of the capacity kept on ordinary days; 0 for none beyond the drivers' floors.
        saving: of ordinary days [currency/year].
        missed: of that saving, what the hours without the grid take away [currency/year].
        value: lost load that vehicles avoid.
        refill: cost of buying the energy again that vehicles gave [currency/year].
        stored_kwh: mean energy of a vehicle that is plugged in and may be discharged [kWh].
    """

    reserve_soc: float
    saving: float
    missed: float
    value: BackupValue
    refill: float
    stored_kwh: float

    @property
    def total(self) -> float:
        """Everything together [currency/year]."""
        return self.saving - self.missed + self.value.per_year - self.refill


@dataclass(frozen=True)
class Backup:
    """Backup of one case.

    Attributes:
        terms: outages and how vehicles serve in them.
        plain: bidirectional as it was played.
        kept: the same with a reserve kept; ``None`` where none is asked for.
        presence: share of the chargers' hours with a vehicle that may be discharged.
    """

    terms: BackupTerms
    plain: BackupRow
    kept: BackupRow | None
    presence: float

    @property
    def reserve_cost(self) -> float:
        """What keeping the reserve costs on ordinary days [currency/year]."""
        return 0.0 if self.kept is None else self.plain.saving - self.kept.saving


def with_reserve(inputs: StudyInputs, reserve_soc: float) -> StudyInputs:
    """The study with every vehicle that may be discharged kept from it below a share of its capacity."""
    stays = inputs.stays
    floor = np.where(
        stays.discharge_kw > 0.0, np.maximum(stays.floor_kwh, reserve_soc * stays.capacity_kwh), stays.floor_kwh
    )
    return replace(inputs, stays=Stays(**{**stays.__dict__, "floor_kwh": floor}))


def record_of_trace(inputs: StudyInputs, trace: Trace) -> Record:
    """What stood at every charger, hour by hour of the whole local weeks of the study.

    An hour counts with the least energy that the vehicle held in it, and only where one that may be discharged was
    plugged in throughout.

    Raises:
        DomainError: the study does not hold one whole week from Monday to Sunday.
    """
    grid, stays = inputs.grid, inputs.stays
    hour = (grid.epoch_s + grid.utc_offset_s) // 3600
    monday = -(-(int(hour[0]) + 3 * 24) // WEEK_H) * WEEK_H - 3 * 24  # day 4 of 1970 was a Monday
    weeks = (int(hour[-1]) + 1 - monday) // WEEK_H
    if weeks < 1:
        msg = "backup needs a study that holds one whole week from Monday to Sunday"
        raise DomainError(msg)
    able = np.append((stays.discharge_kw > 0.0) & (stays.declared >= 0), values=False)
    energy = np.where(able[trace.evse_stay], trace.evse_energy_kwh, -1.0)  # stay −1, nobody, is the last of ``able``
    inside = (hour >= monday) & (hour < monday + weeks * WEEK_H)
    stored = np.full((weeks * WEEK_H, stays.evse_count), np.inf)
    np.minimum.at(stored, hour[inside] - monday, energy[:, inside].T)
    for gap in np.flatnonzero(np.isinf(stored[:, 0])):  # the hour that a change of clocks leaves out
        stored[gap] = stored[gap - 1] if gap else -1.0
    single = stored.astype(np.float32)
    return Record(single, hours_until_change(single))


def fleet_of_trace(inputs: StudyInputs, trace: Trace, terms: BackupTerms) -> Fleet:
    """The chargers with their vehicles as the fleet of an outage; equal ones are one kind.

    Raises:
        DomainError: as :func:`record_of_trace`, or no vehicle may be discharged.
    """
    stays, record = inputs.stays, record_of_trace(inputs, trace)
    able = (stays.discharge_kw > 0.0) & (stays.declared >= 0)
    of_evse: dict[tuple[float, ...], list[int]] = {}
    for evse in range(stays.evse_count):
        own = able & (stays.evse == evse)
        if own.any():
            columns = (stays.capacity_kwh, stays.discharge_kw, stays.charge_kw, stays.floor_kwh / stays.capacity_kwh,
                       stays.eta_c, stays.eta_d)  # fmt: skip
            of_evse.setdefault(tuple(round(float(column[own].mean()), 2) for column in columns), []).append(evse)
    if not of_evse:
        msg = "backup needs vehicles that may be discharged: give chargers and vehicles discharge_kw above 0"
        raise DomainError(msg)
    if len(of_evse) > _MOST_KINDS:  # as many kinds as chargers: one of mean vehicles
        means = np.average(np.array(list(of_evse)), axis=0, weights=[len(members) for members in of_evse.values()])
        of_evse = {tuple(means.tolist()): sorted(evse for members in of_evse.values() for evse in members)}
    kinds = [
        Kind(
            name=f"{capacity:g} kWh, {out:g} kW", count=len(members), capacity_kwh=capacity, discharge_kw=out,
            charge_kw=taken, soc_floor=floor,
            record=Record(record.stored_kwh[:, members], record.until_h[:, members]),
            charger_availability=terms.charger_availability, compliance=terms.compliance, goes=terms.leaves_as_usual,
            charge_efficiency=eta_c, discharge_efficiency=eta_d,
        )
        for (capacity, out, taken, floor, eta_c, eta_d), members in of_evse.items()
    ]  # fmt: skip
    return Fleet(tuple(kinds), terms.departure)


def backup_row(
    inputs: StudyInputs, case: Case, trace: Trace, terms: BackupTerms, saving: float, reserve_soc: float = 0.0
) -> BackupRow:
    """Values the backup of a run, and takes off what outages cost the ordinary business.

    Args:
        inputs: the study, with the drivers' own floors: in an outage the reserve may be used.
        case: for the price at which energy is bought again.
        trace: of the run.
        terms: outages.
        saving: of the run on ordinary days [currency/year].
        reserve_soc: that the run kept.

    Raises:
        DomainError: as :func:`fleet_of_trace`.
    """
    fleet = fleet_of_trace(inputs, trace, terms)
    value = backup_value(
        terms.site, fleet, terms.starts, outages_per_year=terms.outages_per_year, outage_h=terms.outage_h,
        draws=terms.draws, key=max(1, inputs.seed),
    )  # fmt: skip
    stays = inputs.stays
    round_trip = float((stays.eta_c * stays.eta_d).mean())
    stored = fleet.stored_kwh[fleet.stored_kwh >= 0.0]
    return BackupRow(
        reserve_soc=reserve_soc,
        saving=saving,
        missed=max(0.0, saving) * min(1.0, terms.hours_per_year / HOURS_PER_YEAR),
        value=value,
        refill=value.kwh_per_year / round_trip * max(0.0, float(case.import_price.values.mean())),
        stored_kwh=float(stored.mean()) if stored.size else 0.0,
    )


def presence_of(inputs: StudyInputs, trace: Trace) -> float:
    """Share of the chargers' hours in which a vehicle that may be discharged is plugged in."""
    return float((record_of_trace(inputs, trace).stored_kwh >= 0.0).mean())
