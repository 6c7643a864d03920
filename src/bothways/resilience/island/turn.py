"""One call of the controller while it is being worked out: the old memory, the readings, and what has been decided."""

from __future__ import annotations

from bothways.resilience.island.commands import Action, Command, Message, Severity, instruction
from bothways.resilience.island.interlock import Latch, open_proven, stored_kwh
from bothways.resilience.island.power import Ability, abilities, candidate, forming_s
from bothways.resilience.island.signals import Grid, Inputs, Mode, Position, RequestKind, judge
from bothways.resilience.island.site import IslandSite, SourceKind
from bothways.resilience.island.state import Fault, IslandState, Phase
from bothways.resilience.island.tracking import Want, chase, confirmed


class Turn:
    """Working memory of one call; lives no longer than the call.

    Attributes named like fields of :class:`IslandState` become the next state.
    """

    def __init__(self, state: IslandState, inputs: Inputs, latch: Latch, dt_s: float, site: IslandSite) -> None:
        timing = site.timing
        self.state, self.inputs, self.latch, self.site, self.dt_s = state, inputs, latch, site, dt_s
        self.grid = Grid.LOST if inputs.loss_of_mains else judge(inputs.grid, site.windows)
        self.good_s = min(state.good_s + dt_s, timing.return_s) if self.grid is Grid.GOOD else 0.0
        self.lost_s = min(state.lost_s + dt_s, max(timing.loss_s, 1.0)) if self.grid is Grid.LOST else 0.0
        self.longest_phase_s = max(timing.backfeed_s, timing.stable_s) + timing.flight_s
        self.phase_s = min(state.phase_s + dt_s, self.longest_phase_s)
        self.switched_s = min(state.switched_s + dt_s, max(timing.settle_s, timing.stable_s))
        self.shed_s = min(state.shed_s + dt_s, timing.restore_s)
        away = state.phase is not Phase.GRID_CONNECTED
        self.outage_s = min(state.outage_s + dt_s, site.longest_s) if away else 0.0
        self.phase, self.fault, self.former, self.cap = state.phase, state.fault, state.former, state.cap
        self.failed, self.on, self.faulty = list(state.failed), list(state.on), list(state.faulty)
        self.restarts, self.manual, self.hold = state.restarts, state.manual, state.hold
        self.opened, self.go, self.offer = state.opened, state.go, state.offer
        self.distrust = state.distrust
        self.tracks = list(state.tracks)
        self.first_source = 1 + len(site.sections)  # number of the first source among the devices
        self.before = state.latch if state.rehearsal is None else state.rehearsal.latch
        self.wants: dict[int, Want] = {}
        self.orders: list[Command] = []
        self.messages: list[Message] = []
        self.told: set[str] = set()
        self._able: tuple[Ability, ...] | None = None

    # --- what is seen ---------------------------------------------------------------------------------------------

    @property
    def able(self) -> tuple[Ability, ...]:
        """What the sources may give, worked out once."""
        if self._able is None:
            self._able = abilities(self.inputs, self.latch, tuple(self.failed), self.former, self.site)
        return self._able

    @property
    def returning(self) -> bool:
        """Whether the grid has been good for long enough to go back to it, and no person has to be asked."""
        good = self.grid is Grid.GOOD and self.good_s >= self.site.timing.return_s
        return good and not self.hold and (self.opened or self.inputs.main is Position.CLOSED)

    @property
    def open_proven(self) -> bool:
        """See :func:`bothways.resilience.island.interlock.open_proven`."""
        return open_proven(self.inputs, self.site)

    def forget_abilities(self) -> None:
        """To be called when the forming source changes: its margin differs from that of a follower."""
        self._able = None

    def candidate(self) -> int | None:
        """The source that would form the island now."""
        return candidate(self.inputs, self.latch, tuple(self.failed), self.site)

    def released(self) -> bool:
        """Whether no source feeds the building, nor may still begin to."""
        return all(
            (source.mode not in {Mode.FORMING, Mode.GIVING} and (source.mode is not Mode.UNKNOWN or cut))
            for source, cut in zip(self.inputs.sources, self.latch.tripped, strict=True)
        )

    def position(self, k: int) -> Position:
        """Feedback of section ``k``."""
        return self.inputs.sections[k].position

    def asked(self, kind: RequestKind) -> bool:
        """Whether a person asked for ``kind`` in this call."""
        return any(request.kind is kind for request in self.inputs.requests)

    def gave_up(self, device: int) -> bool:
        """Whether every attempt at device ``device`` has been used up."""
        track = self.tracks[device]
        return track is not None and track.given_up

    # --- what is decided --------------------------------------------------------------------------------------------

    def want(self, device: int, action: Action, output_kw: float = 0.0) -> None:
        """Wishes that device ``device`` does ``action``."""
        self.wants[device] = Want(action, output_kw)

    def release_all(self) -> None:
        """Wishes every source released; one that does not confirm is cut off by its hard-wired contact."""
        for k in range(len(self.site.sources)):
            device = self.first_source + k
            if not self.latch.tripped[k]:
                silent = self.gave_up(device)
                self.want(device, Action.TRIP if silent else Action.RELEASE)

    def go_to(self, phase: Phase, fault: Fault = Fault.NONE) -> None:
        """Enters ``phase``; what was wished in the phase before is forgotten, given-up wishes are tried anew."""
        self.phase, self.fault, self.phase_s = phase, fault, 0.0
        self.wants.clear()
        self.tracks = [None if track is not None and track.given_up else track for track in self.tracks]
        if phase is Phase.GRID_CONNECTED:
            self.failed = [False] * len(self.failed)
            self.former, self.restarts, self.cap = None, 0, len(self.on)
            self.switched_s = 0.0
            self.opened = self.hold = self.go = self.offer = False
        elif phase in {Phase.ISLANDING, Phase.FAULT, Phase.LOCKED_OUT}:
            self.former = None
        self._able = None

    def say(self, code: str, severity: Severity, text: str, remedy: str = "", device: str = "") -> None:
        """Tells people about an event."""
        self.messages.append(Message(code, severity, text, remedy, device))

    def say_while(self, code: str, severity: Severity, text: str, remedy: str = "", device: str = "") -> None:
        """Tells people about a condition, once for as long as it holds."""
        key = f"{code} {device}" if device else code
        if key not in self.state.told and key not in self.told:
            self.say(code, severity, text, remedy, device)
        self.told.add(key)

    # --- from wishes to commands --------------------------------------------------------------------------------------

    def by_hand(self, device: int) -> bool:
        """Whether a person has to operate device ``device``."""
        if device == 0:
            return not self.site.main_automated
        return device < self.first_source and not self.site.sections[device - 1].automated

    def commands(self) -> list[Command]:
        """Turns wishes into commands to be sent now, and tells people about those that nobody obeys."""
        out: list[Command] = []
        for device, name in enumerate(self.site.devices):
            want = self.wants.get(device)
            done = want is not None and confirmed(device, want.action, self.inputs, self.site)
            by_hand = self.by_hand(device)
            move = chase(self.tracks[device], want, done=done, dt_s=self.dt_s, by_hand=by_hand, site=self.site)
            self.tracks[device] = move.track
            if want is None:
                continue
            if done and device == 0 and want.action is Action.OPEN and self.phase_s <= 0.0:
                out.append(self._command(device, want, 1, by_hand=by_hand))  # said once whatever the feedback says
            if move.send and move.track is not None:
                out.append(self._command(device, want, move.track.attempts + 1, by_hand=by_hand))
            if move.tell:
                self.say(
                    "not obeyed",
                    Severity.ALARM,
                    f"{name} did not confirm '{want.action.value}' after {self.site.timing.attempts} attempts.",
                    self._remedy(device, want.action),
                    name,
                )
        return out

    def _remedy(self, device: int, action: Action) -> str:
        text = instruction(self.site.devices[device], action, self.site)
        if 0 < device < self.first_source:
            return f"{text} Or take it out of service to go on without it."
        return f"{text} Then confirm."

    def _command(self, device: int, want: Want, attempt: int, *, by_hand: bool) -> Command:
        floor, k = 0.0, device - self.first_source
        if k >= 0 and want.action in {Action.FORM, Action.GIVE}:
            floor = stored_kwh(k, self.inputs, self.site)[1]
        lease = self.site.timing.lease_s if want.action is Action.GIVE else 0.0
        if want.action is Action.FORM and k >= 0 and self.site.sources[k].kind is SourceKind.V2X:
            lease = forming_s(k, self.inputs, self.site)  # a battery is told its floor, a vehicle its time
        name = self.site.devices[device]
        return Command(name, want.action, want.output_kw, floor, lease, attempt, by_hand)
