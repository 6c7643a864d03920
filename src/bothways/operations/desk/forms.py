"""What people fill in, and what is checked of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bothways.domain.errors import Problems

_LONGEST_NEED = timedelta(days=14)
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class NeedForm:
    """What a driver asks for; see :class:`bothways.operations.stations.DriverNeed`."""

    ready_by: datetime
    energy_kwh: float | None = None
    soc: float | None = None
    floor_soc: float = 0.3
    discharge_consent: bool = False
    discharge_cap_kwh: float | None = None
    charge_now: bool = False


def check_reason(reason: str) -> None:
    """Refuses words that tell a later reader nothing.

    Raises:
        InputError: too short or too long.
    """
    problems = Problems(at="reason")
    if not 3 <= len(reason.strip()) <= LONGEST_REASON:
        problems.add("", reason, "3 to 500 characters", "Say in words why, for whoever reads the record later.")
    problems.raise_if_any()


def check_need(form: NeedForm, now: datetime, *, announced: bool) -> None:
    """Checks a need whole.

    Args:
        form: the need.
        now: it must lie ahead of.
        announced: whether it is stated for somebody else who has not arrived.

    Raises:
        InputError: with every problem of the form.
    """
    problems = Problems(at="need")
    if announced and form.discharge_consent:
        allowed = "false until the vehicle is plugged in"
        problems.add("discharge_consent", "true", allowed, "Let the person agree, or state it on arrival.")
    if form.ready_by.tzinfo is None:
        problems.add(
            "ready_by", str(form.ready_by), "an instant with its UTC offset", "Add the offset, such as +01:00."
        )
    elif not now < form.ready_by <= now + _LONGEST_NEED:
        allowed = f"after now and within {_LONGEST_NEED.days} days"
        problems.add("ready_by", form.ready_by.isoformat(), allowed, "State the next departure.")
    if (form.energy_kwh is None) == (form.soc is None):
        problems.add("energy_kwh, soc", "both or neither", "one of the two", "State energy, or a state of charge.")
    if form.energy_kwh is not None and not 0.0 <= form.energy_kwh <= 1000.0:
        problems.add("energy_kwh", form.energy_kwh, "0 to 1000 kWh", "Give the energy in kWh.")
    for name, value in (("soc", form.soc), ("floor_soc", form.floor_soc)):
        if value is not None and not 0.0 <= value <= 1.0:
            problems.add(name, value, "a fraction from 0 to 1", "80 % is 0.8.")
    if form.discharge_cap_kwh is not None and not 0.0 <= form.discharge_cap_kwh <= 1000.0:
        problems.add("discharge_cap_kwh", form.discharge_cap_kwh, "0 to 1000 kWh per day", "Give the cap in kWh.")
    problems.raise_if_any()
