"""Alarms: what is wrong, who it concerns, since when, and what to do; as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Severity = Literal["information", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of alarm; ``docs/reference/alarms.md`` lists them all."""

    severity: Severity
    remedy: str


KINDS: dict[str, Kind] = {
    "emergency-stop": Kind("critical", "Find out why it was pressed. When it is safe, release it and say why."),
    "meter-silent": Kind("warning", "Check the site meter and its connection. Until then vehicles share what is safe."),
    "over-limit": Kind("critical", "The building alone exceeds the limit. Switch loads off, or check the limit."),
    "safe-profiles-over-limit": Kind(
        "critical", "Stations out of reach may draw more than the limit leaves. Restore their connection or lower the "
        "safe charging power in the site's settings."),
    "station-offline": Kind("warning", "Check the station's power and network. It charges by its safe profile."),
    "planner-late": Kind("warning", "Needs are met without a plan. If it lasts, look at the machine's load."),
    "planner-failed": Kind("warning", "Needs are met without a plan. The text says what the planner could not do."),
    "prices-missing": Kind("warning", "Check the price source. Vehicles are planned by the tariff alone."),
    "order-refused": Kind("warning", "The station refuses orders. It is left to its safe profile; check its settings."),
    "takes-more": Kind("critical", "The vehicle draws more than the station was told. Have the station checked."),
    "discharges-untold": Kind("critical", "The vehicle feeds back without having been told. The transaction is ended."),
    "gives-less": Kind("information", "The vehicle does not discharge as told; it is not counted. Check the register."),
    "composite-differs": Kind("warning", "The station holds to another limit than was sent. Look for other profiles."),
    "does-not-resume": Kind("warning", "This vehicle sleeps after a pause. Unplug and plug it in to wake it; it will "
                            "be kept at the minimum in future."),
    "events-missing": Kind("information", "Energy is counted from what did arrive. If it goes on, look at the "
                           "station's log and firmware."),
    "clock-jump": Kind("warning", "Check time synchronisation of this machine."),
    "store-failing": Kind("critical", "Check disk and database. Nothing new is remembered until it works."),
    "island": Kind("critical", "Open the island page: it says what is on, how long it lasts and what to do next."),
    "island-failing": Kind("critical", "The island controller does not run. Follow the paper plan; see the text."),
    "bus-lost": Kind("critical", "Check the bus (NATS) and the network. Stations keep their order, then the safe "
                     "profile."),
    "no-planner": Kind("critical", "Start a planner for this site, or look at its log. Stations keep their order, then "
                       "the safe profile."),
    "loop-failing": Kind("critical", "An error in the loop; stations keep their last order, then the safe profile."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm in force.

    Attributes:
        kind: key of :data:`KINDS`.
        subject: whom it concerns: site, station or ``station/evse``.
        since: when it was raised.
        text: what is wrong, for a person, with figures.
    """

    kind: str
    subject: str
    since: datetime
    text: str

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return KINDS[self.kind].severity

    @property
    def remedy(self) -> str:
        """What to do."""
        return KINDS[self.kind].remedy


class Alarms:
    """Alarms in force. ``changed`` is called with every alarm that is raised or ends."""

    def __init__(self, changed: Callable[[Alarm, bool], None]) -> None:
        self._changed = changed
        self._active: dict[tuple[str, str], Alarm] = {}

    @property
    def active(self) -> tuple[Alarm, ...]:
        """All alarms in force, the oldest first."""
        return tuple(sorted(self._active.values(), key=lambda alarm: (alarm.since, alarm.kind, alarm.subject)))

    def has(self, kind: str, subject: str) -> bool:
        """Whether this alarm is in force."""
        return (kind, subject) in self._active

    def set(self, condition: bool, kind: str, subject: str, now: datetime, text: str) -> None:
        """Raises the alarm while the condition holds, ends it when it does not; the first instant and text stay."""
        key = (kind, subject)
        if condition and key not in self._active:
            alarm = Alarm(kind, subject, now, text)
            self._active[key] = alarm
            self._changed(alarm, True)  # noqa: FBT003
        elif not condition and key in self._active:
            self._changed(self._active.pop(key), False)  # noqa: FBT003
