"""What the island controller says: commands to devices, and messages to people with what they can do by hand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bothways.resilience.island.site import IslandSite


class Action(StrEnum):
    """What a device is told to do.

    ``FORM`` starts a source that holds voltage and frequency, ``GIVE`` sets the output of a source that follows
    (negative: take), ``RELEASE`` ends any transfer, ``TRIP`` cuts a source off by its hard-wired contact.
    """

    OPEN = "open"
    CLOSE = "close"
    FORM = "form"
    GIVE = "give"
    RELEASE = "release"
    TRIP = "trip"


ENDING = frozenset({Action.RELEASE, Action.TRIP})


@dataclass(frozen=True, slots=True)
class Command:
    """One command to one device.

    Attributes:
        device: id in the site.
        action: what to do.
        output_kw: for ``GIVE``: output [kW], positive toward the building.
        floor_kwh: for ``FORM`` and ``GIVE``: stored energy at which the station stops by itself [kWh].
        lease_s: for ``GIVE``, and for ``FORM`` of a vehicle: it ends after so long without renewal [s].
        attempt: 1 for the first time.
        by_hand: no automation exists: the text of :func:`instruction` is for a person.
        rehearsal: part of a drill: the device answers but does not act.
    """

    device: str
    action: Action
    output_kw: float = 0.0
    floor_kwh: float = 0.0
    lease_s: float = 0.0
    attempt: int = 1
    by_hand: bool = False
    rehearsal: bool = False

    @property
    def evse_power_kw(self) -> float:
        """The output with the sign of an EVSE: positive charges the vehicle [kW]."""
        return -self.output_kw if self.output_kw else 0.0


class Severity(StrEnum):
    """How soon a person should look."""

    INFO = "info"
    ASK = "ask"
    WARN = "warn"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to the people on site.

    Attributes:
        code: stable word for programs.
        severity: how soon to look.
        text: what happened, in plain words.
        remedy: what to do, empty where nothing is to be done.
        device: the device that it is about, or empty.
    """

    code: str
    severity: Severity
    text: str
    remedy: str = ""
    device: str = ""


def instruction(device: str, action: Action, site: IslandSite) -> str:  # noqa: PLR0911 one sentence per case
    """How a person does by hand what the command asks for: never empty, for every device and action.

    >>> from bothways.resilience.island.site import IslandSite, Section
    >>> site = IslandSite("hall", (Section("T1", 1, (1.0, 1.0, 1.0), by_hand="panel A, switch 1"),), ())
    >>> instruction("T1", Action.OPEN, site)
    'Switch OFF section T1 (panel A, switch 1).'
    """
    k = site.index[device]
    if k == 0:
        where = f" ({site.main_by_hand})" if site.main_by_hand else ""
        if action is Action.CLOSE:
            return (
                f"Check that every charger, battery and generator has stopped, then switch ON the main switch{where}."
            )
        return f"Switch OFF the main switch{where}, lock it, and check that its indicator shows OFF."
    if k <= len(site.sections):
        section = site.sections[k - 1]
        where = f" ({section.by_hand})" if section.by_hand else ""
        word = "ON" if action is Action.CLOSE else "OFF"
        return f"Switch {word} section {section.section_id}{where}."
    source = site.sources[k - 1 - len(site.sections)]
    where = f" ({source.by_hand})" if source.by_hand else ""
    if action is Action.FORM:
        return f"Check that the main switch is OFF and locked, then start {source.source_id} in island mode{where}."
    if action is Action.GIVE:
        return f"Let {source.source_id} feed the building{where}."
    if action is Action.TRIP:
        return f"Press the emergency stop of {source.source_id} or switch off its isolator{where}."
    return f"Stop {source.source_id}{where}."
