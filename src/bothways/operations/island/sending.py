"""Commands on their way: each to the port that reaches its device, with a bound, newest first, nothing late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bothways.domain.errors import BothwaysError
from bothways.operations.events import EvseKey
from bothways.operations.island.settings import IslandSettings
from bothways.operations.orders import CommandResult, PowerOrder, SafeProfile
from bothways.operations.ports import ChargerGateway, Switchgear
from bothways.operations.site.state import EvseState
from bothways.resilience.island.commands import ENDING, Action, Command

_STOP_S = 60.0
_REACH_S = 10.0


class FormingChargers(Protocol):
    """Chargers that hold an island: told by their protocol that they follow the load of the building themselves."""

    async def hold(self, evse: EvseKey, transaction_id: str, seconds: float) -> CommandResult:
        """Lets the station balance the local load for so many seconds, also when it hears nothing more."""
        ...

    async def let_go(self, evse: EvseKey) -> CommandResult:
        """Takes that back; the order and the safe profile hold again."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one command."""

    command: Command
    taken: bool
    text: str = ""


class Dispatcher:
    """Sends the commands of one site. It is called with what passed the interlock, and with nothing else.

    Args:
        settings: the site.
        gear: contactor, breakers, batteries, generators, hard-wired contacts of chargers.
        gateway: to the stations.
        forming: tells chargers that they form the island; ``None`` where their contact alone does.
        answered: called with what became of every command.
    """

    def __init__(
        self, settings: IslandSettings, gear: Switchgear, gateway: ChargerGateway, forming: FormingChargers | None,
        answered: Callable[[Answer], None],
    ) -> None:  # fmt: skip
        self._settings, self._gear, self._gateway, self._forming = settings, gear, gateway, forming
        self._answered = answered
        self._flights: dict[str, asyncio.Task[None]] = {}
        self._able = {name for name in settings.chargers if _forms(name, settings)}
        self._held = set(self._able)  # whoever may still believe to hold an island, as after a restart
        self._longer: dict[str, asyncio.Task[None]] = {}
        self._watching: asyncio.Task[None] | None = None
        self._others: set[asyncio.Task[None]] = set()
        self.acknowledged: set[str] = set()

    def send(self, commands: Iterable[Command], evses: Mapping[EvseKey, EvseState]) -> None:
        """Puts commands on their way. A device's older command that was not delivered yet is given up."""
        for command in commands:
            if command.by_hand:
                continue  # a person's task, shown until feedback reports it
            for older in (self._flights.get(command.device), self._longer.pop(command.device, None)):
                if older is not None and not older.done():
                    older.cancel()
            self._flights[command.device] = asyncio.create_task(self._deliver(command, evses))

    async def settled(self) -> None:
        """Waits until nothing is on its way."""
        while waiting := [task for task in (*self._flights.values(), *self._others) if not task.done()]:
            await asyncio.gather(*waiting, return_exceptions=True)

    def close(self) -> None:
        """Gives up what was not delivered."""
        for task in (*self._flights.values(), *self._others):
            task.cancel()

    async def _deliver(self, command: Command, evses: Mapping[EvseKey, EvseState]) -> None:
        """One command, dropped where it could not be delivered while the interlock counts it as on its way."""
        limit = 0.9 * self._settings.building.timing.flight_s
        try:
            async with asyncio.timeout(limit):
                answer = await (self._rehearse(command) if command.rehearsal else self._act(command, evses))
        except TimeoutError:
            answer = Answer(command, taken=False, text=f"no answer within {limit:.1f} s; it was dropped")
        except (BothwaysError, OSError) as error:
            answer = Answer(command, taken=False, text=str(error) or type(error).__name__)
        self._answered(answer)

    async def _act(self, command: Command, evses: Mapping[EvseKey, EvseState]) -> Answer:
        key = self._settings.chargers.get(command.device)
        if key is None:
            return Answer(command, await self._gear.carry_out(command))
        if command.action in ENDING:  # the hard-wired contact waits for nobody, and nobody for it
            wired, result, _ = await asyncio.gather(
                self._gear.carry_out(command), self._zero(key, evses), self._let_go(command)
            )
            told = command.action is Action.RELEASE and (result is None or result.accepted)
            return Answer(command, wired or told, "" if result is None else result.status)
        state = evses.get(key)
        session = None if state is None else state.session
        if state is None or session is None or not session.transaction_id:
            return Answer(command, taken=False, text="no transaction is open there")
        if command.action is Action.FORM:
            return await self._form(command, key, session.transaction_id)
        order = PowerOrder(key, command.evse_power_kw, session.transaction_id, command.lease_s)
        result = await self._gateway.set_power(order, state.record)
        return Answer(command, result.accepted, result.status)

    async def _form(self, command: Command, key: EvseKey, transaction_id: str) -> Answer:
        """First the station is told to follow the building's load, then its contact starts it."""
        if self._forming is not None:
            self._held.add(command.device)
            held = await self._forming.hold(key, transaction_id, command.lease_s)
            if not held.accepted:
                return Answer(command, taken=False, text=f"the station answered {held.status}: {held.detail}")
        return Answer(command, await self._gear.carry_out(command))

    async def _zero(self, key: EvseKey, evses: Mapping[EvseKey, EvseState]) -> CommandResult | None:
        """Zero to an EVSE; ``None`` where nothing is under way there that could be ordered."""
        state = evses.get(key)
        session = None if state is None else state.session
        if state is None or session is None or not session.transaction_id:
            return None  # a stop is tried whatever the loop thinks of the station
        order = PowerOrder(key, 0.0, session.transaction_id, _STOP_S)
        return await self._gateway.set_power(order, state.record)

    async def _let_go(self, command: Command) -> None:
        if command.device in self._able:
            self._held.add(command.device)
            await self._end_hold(command.device)

    async def _end_hold(self, device: str) -> None:
        if self._forming is None:
            self._held.discard(device)
            return
        ended = await self._forming.let_go(self._settings.chargers[device])
        if ended.accepted:
            self._held.discard(device)

    def let_all_go(self) -> None:
        """On the grid no charger may believe to hold an island; who did not confirm is asked again, once connected."""
        connected = self._gateway.connected()
        for device in sorted(self._held):
            if self._settings.chargers[device].station_id in connected:
                self._spawn(self._end_hold(device))

    async def _rehearse(self, command: Command) -> Answer:
        """Asks the device whether it hears; nothing acts."""
        key = self._settings.chargers.get(command.device)
        if key is None or command.action is Action.TRIP:
            heard = await self._gear.answers(command.device)
        else:
            heard = key.station_id in self._gateway.connected() and await self._gateway.composite(key) is not None
        if heard:
            self.acknowledged.add(command.device)
        return Answer(command, heard, "" if heard else "it does not answer")

    # --- what holds without orders ------------------------------------------------------------------------------------

    def prolong(self, device: str, evses: Mapping[EvseKey, EvseState], seconds: float) -> None:
        """Lets a charger that holds the island hold it for so many seconds from now, if it hears nothing more [s]."""
        key = self._settings.chargers.get(device)
        state = None if key is None else evses.get(key)
        session = None if state is None else state.session
        if self._forming is None or key is None or session is None or not session.transaction_id:
            return
        self._longer[device] = self._spawn(self._hold_on(device, key, session.transaction_id, seconds))

    async def _hold_on(self, device: str, key: EvseKey, transaction_id: str, seconds: float) -> None:
        assert self._forming is not None  # noqa: S101 - asked before
        self._held.add(device)
        held = await self._forming.hold(key, transaction_id, seconds)
        command = Command(device, Action.FORM, lease_s=seconds)
        self._answered(Answer(command, held.accepted, f"{held.status} {held.detail}".strip()))

    def watch(self, after_s: float, keep: frozenset[str], told: Callable[[bool], None]) -> None:
        """Tells the switchgear which sections stay on when it hears nothing more; ``told`` hears if it watches."""

        async def tell() -> None:
            told(await self._gear.left_alone(after_s, keep))

        if self._watching is not None:
            self._watching.cancel()  # what is said later holds
        self._watching = self._spawn(tell())

    # --- stations as a whole ------------------------------------------------------------------------------------------

    def still(self, evses: Mapping[EvseKey, EvseState]) -> None:
        """Zero for every EVSE that is no source: in an island a charging vehicle is a load that nobody planned."""
        sources = set(self._settings.chargers.values())
        for key in evses:
            if key not in sources:
                self._spawn(self._zero(key, evses))

    def leave_safe(self, stations: Iterable[str], charge_kw: float) -> None:
        """Tells connected stations what to do without orders: give nothing, charge at most ``charge_kw`` [kW]."""
        for station in set(stations) & self._gateway.connected():
            self._spawn(self._gateway.set_safe_profile(SafeProfile(station, charge_kw)))

    def _spawn(self, work: Awaitable[object]) -> asyncio.Task[None]:
        async def within() -> None:
            try:
                async with asyncio.timeout(_REACH_S):
                    await work
            except (BothwaysError, OSError, TimeoutError):
                return  # tried again with the next renewal; the station's own profile holds meanwhile

        task = asyncio.create_task(within())
        self._others.add(task)
        task.add_done_callback(self._others.discard)
        return task


def _forms(name: str, settings: IslandSettings) -> bool:
    return any(source.source_id == name and source.grid_forming for source in settings.building.sources)
