"""What people ask of stations: who may, what is refused, what is noted."""

from datetime import UTC, datetime

import pytest

from bothways.adapters.db.memory import MemoryStore
from bothways.domain.errors import DomainError, GatewayError, InputError
from bothways.operations.access.roles import Actor, Grant, NotAllowed, Role
from bothways.operations.desk.commands import Commands
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.orders import CommandResult, Composite, StationCommand
from bothways.operations.stations import EvseRecord, StationRecord

NOW = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
WHY = "the screen is frozen"


class Clock:
    def now(self):
        return NOW


class Gateway:
    def __init__(self):
        self.asked, self.word, self.held = [], "Accepted", Composite(11.0, -5.0, None)

    def connected(self):
        return frozenset({"CP-1"})

    async def command(self, station_id, command):
        self.asked.append((station_id, command))
        return CommandResult(self.word == "Accepted", self.word, float("nan"), NOW, "")

    async def stop(self, station_id, transaction_id):
        return await self.command(station_id, transaction_id)

    async def composite(self, evse):
        return self.held


def person(role, scope="site:house"):
    return Actor("1", "Ada", (Grant(role, scope),))


@pytest.fixture
def world():
    async def make():
        memory, gateway = MemoryStore(), Gateway()
        await memory.add_station(StationRecord("CP-1", "house", (EvseRecord(1, 11.0, 10.0),)), "hash")
        return Commands(Desk({}, memory, memory, gateway, Clock())), gateway, memory

    return make


@pytest.mark.asyncio
@pytest.mark.parametrize("role", list(Role))
async def test_only_who_may_command_a_station_commands_it(world, role):
    commands, gateway, memory = await world()
    may = role in {Role.SITE_OPERATOR, Role.FLEET_OPERATOR, Role.CONTRACTOR, Role.ADMINISTRATOR}
    if may:
        done = await commands.command(person(role), "CP-1", StationCommand("reset"), WHY)
        assert (done.accepted, done.at) == (True, NOW)
        noted = (await memory.audit_log())[0]
        assert (noted.kind, noted.detail["who"], noted.detail["reason"]) == ("station commanded", "Ada", WHY)
    else:
        with pytest.raises((Unknown, NotAllowed)):
            await commands.command(person(role), "CP-1", StationCommand("reset"), WHY)
        assert gateway.asked == []
    with pytest.raises(Unknown):
        await commands.command(person(role, "site:mill"), "CP-1", StationCommand("reset"), WHY)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "command",
    [
        StationCommand("unlock"), StationCommand("trigger", message="anything"),
        *(StationCommand("diagnostics", location=text) for text in ("", "file:///etc/passwd", "https://", "http://a/b")),
    ],
)  # fmt: skip
async def test_unsound_commands_are_not_sent(world, command):
    commands, gateway, _ = await world()
    with pytest.raises(InputError):
        await commands.command(person(Role.SITE_OPERATOR), "CP-1", command, WHY)
    with pytest.raises(Unknown):
        await commands.command(person(Role.SITE_OPERATOR), "CP-1", StationCommand("availability", 7), WHY)
    with pytest.raises(InputError):
        await commands.command(person(Role.SITE_OPERATOR), "CP-1", StationCommand("reset"), "")
    assert gateway.asked == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("word", "error"), [("offline", DomainError), ("refused", DomainError), ("timeout", GatewayError)]
)
async def test_a_station_that_does_not_answer_is_told_and_noted(world, word, error):
    commands, gateway, memory = await world()
    gateway.word = word
    with pytest.raises(error):
        await commands.end_transaction(person(Role.SITE_OPERATOR), "CP-1", "T1", WHY)
    assert (await memory.audit_log())[0].detail["status"] == word


@pytest.mark.asyncio
async def test_what_an_evse_holds_to_is_asked_of_the_station(world):
    commands, gateway, _ = await world()
    found = await commands.profile(person(Role.SITE_OPERATOR), "CP-1", 1)
    assert (found.told, found.limit_kw, found.discharge_limit_kw, found.charge_kw) == (True, 11.0, -5.0, 11.0)
    gateway.held = None
    silent = await commands.profile(person(Role.CONTRACTOR), "CP-1", 1)
    assert (silent.told, silent.limit_kw) == (False, None)
    detail = await commands.station(person(Role.CONTRACTOR), "CP-1")
    assert (detail.station.online, len(detail.evses)) == (True, 1)
    with pytest.raises(Unknown):
        await commands.profile(person(Role.DRIVER, "token:A"), "CP-1", 1)
