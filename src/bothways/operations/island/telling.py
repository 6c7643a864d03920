"""What happened at an island, for people and for the audit log: events, conditions that hold, tasks by hand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bothways.domain.errors import BothwaysError
from bothways.operations.island.sending import Answer
from bothways.operations.ports import Clock, Store
from bothways.resilience.island.commands import Action, Command, Message, Severity
from bothways.resilience.island.machine import Step
from bothways.resilience.island.site import IslandSite
from bothways.resilience.island.state import IslandState

_EVENTS = 200
_GRAVEST = (Severity.ALARM, Severity.ASK, Severity.WARN, Severity.INFO)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of what happened: when, who (controller, command, person, device), what, and what to do."""

    at: datetime
    who: str
    text: str
    remedy: str = ""
    severity: Severity = Severity.INFO


class Journal:
    """Keeps the latest events and writes every command, message and request to the audit log.

    Args:
        site_id: the site.
        store: for the audit log.
        clock: for instants.
        failed: told when the log cannot be written.

    Attributes:
        events: the latest, the oldest first.
        tasks: commands that a person has to carry out now, by device.
        held_back: commands that the interlock did not let pass since the start.
    """

    def __init__(self, site_id: str, store: Store, clock: Clock, failed: Callable[[str], None]) -> None:
        self._site_id, self._store, self._clock, self._failed = site_id, store, clock, failed
        self._conditions: dict[str, Message] = {}
        self._notes: set[asyncio.Task[None]] = set()
        self.events: deque[Event] = deque(maxlen=_EVENTS)
        self.tasks: dict[str, Command] = {}
        self.held_back = 0

    @property
    def conditions(self) -> tuple[Message, ...]:
        """Messages about conditions that still hold, the gravest first."""
        return tuple(sorted(self._conditions.values(), key=lambda message: _GRAVEST.index(message.severity)))

    def say(self, who: str, text: str, remedy: str = "", severity: Severity = Severity.INFO) -> None:
        """Adds an event."""
        self.events.append(Event(self._clock.now(), who, text, remedy, severity))

    def note(self, kind: str, detail: Mapping[str, object]) -> None:
        """Adds a line to the audit log, beside whatever else goes on."""
        task = asyncio.create_task(self._write(kind, detail, self._clock.now()))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _write(self, kind: str, detail: Mapping[str, object], at: datetime) -> None:
        try:
            await self._store.note(kind, self._site_id, at, detail)
        except (BothwaysError, OSError) as error:
            self._failed(f"the audit log cannot be written: {error}")

    async def settled(self) -> None:
        """Waits until every line is written."""
        while self._notes:
            await asyncio.gather(*self._notes, return_exceptions=True)

    def tell(self, before: IslandState, made: Step, site: IslandSite) -> None:
        """Takes in what a step decided and said."""
        after = made.state
        if after.phase is not before.phase:
            self.say("controller", f"{before.phase.value} → {after.phase.value}")
            self.note("island phase", {"from": before.phase.value, "to": after.phase.value})
        for command in made.commands:
            self._command(command)
        for message in made.messages:
            self.held_back += message.code == "held back"
            self._conditions[f"{message.code} {message.device}" if message.device else message.code] = message
            self.say("controller", message.text, message.remedy, message.severity)
            self.note("island message", {"code": message.code, "text": message.text, "device": message.device})
        self._conditions = {key: text for key, text in self._conditions.items() if key in after.told}
        for device, command in list(self.tasks.items()):  # over when its wish is: confirmed, or not wished any more
            track = after.tracks[site.index[device]]
            if track is None or track.action is not command.action:
                del self.tasks[device]

    def _command(self, command: Command) -> None:
        if command.by_hand:
            self.tasks[command.device] = command
        if command.action is Action.GIVE:
            return  # renewed all the time
        again = f" (attempt {command.attempt})" if command.attempt > 1 else ""
        how = " as a rehearsal" if command.rehearsal else " by hand" if command.by_hand else ""
        self.say("command", f"{command.device}: {command.action.value}{again}{how}")
        detail = {"device": command.device, "action": command.action.value, "attempt": command.attempt,
                  "by_hand": command.by_hand, "rehearsal": command.rehearsal}  # fmt: skip
        self.note("island command", detail)

    def answered(self, answer: Answer) -> None:
        """Says what a device did not take; what it took, only feedback confirms."""
        if not answer.taken:
            command = answer.command
            text = f"{command.device} did not take '{command.action.value}'{f': {answer.text}' if answer.text else ''}"
            self.say("device", text, severity=Severity.WARN)
            self.note("island command not taken", {"device": command.device, "text": text})
