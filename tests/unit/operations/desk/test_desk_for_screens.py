"""What the screens need beyond the API's first use cases: the day's trail, departures, holders, accounts."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.adapters.db.memory import MemoryStore
from bothways.domain.errors import InputError
from bothways.operations.access.roles import EVERYTHING, Actor, Grant, NotAllowed, Role
from bothways.operations.desk.departure import next_departure
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.desk.people import People
from bothways.operations.desk.trail import STEP, Trail
from bothways.operations.events import EvseKey

NOW = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
BOSS = Actor("a0", "boss", (Grant(Role.ADMINISTRATOR, EVERYTHING),))
DESK = Actor("a1", "desk", (Grant(Role.FRONT_DESK, "site:mill"),))
DRIVER = Actor("a2", "driver", (Grant(Role.DRIVER, "token:T-1"),))


@dataclass
class Control:
    """A site with one vehicle plugged in."""

    station: str
    token: str
    at: datetime = NOW
    site: object = field(default_factory=lambda: SimpleNamespace(tz="Europe/Amsterdam"))
    reading: None = None

    def snapshot(self):
        session = SimpleNamespace(id_token=self.token)
        evse = SimpleNamespace(key=EvseKey(self.station, 1), session=session)
        image = SimpleNamespace(now=self.at, evses=(evse,), meter_fresh=True, site_kw=21.0)
        return SimpleNamespace(image=image, summary=SimpleNamespace(vehicles_kw=7.5))


def _desk(sites=None):
    store = MemoryStore()
    sites = sites or {"house": Control("CP-1", "T-1"), "mill": Control("CP-2", "T-2")}
    clock = SimpleNamespace(now=lambda: NOW)
    return Desk(sites, store, store, SimpleNamespace(connected=frozenset), clock), store


def test_the_trail_keeps_a_point_per_step_and_begins_anew_when_the_clock_is_set_back():
    trail, site = Trail(), Control("CP-1", "T-1")
    for seconds in range(0, 601, 10):
        site.at = NOW + timedelta(seconds=seconds)
        trail.note(site.snapshot())
    assert [point.at - NOW for point in trail.points] == [STEP * n for n in range(6)]
    assert (trail.points[0].vehicles_kw, trail.points[0].import_kw) == (7.5, 21.0)
    site.at = NOW
    trail.note(site.snapshot())
    assert [point.at for point in trail.points] == [NOW]


def test_the_trail_is_for_who_may_see_the_site():
    desk, _ = _desk()
    desk.remember()
    assert len(desk.trail(DESK, "mill")) == 1
    for actor, site in ((DESK, "house"), (DRIVER, "mill"), (BOSS, "nowhere")):
        with pytest.raises(Unknown):
            desk.trail(actor, site)


@given(
    now=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    minute=st.integers(0, 24 * 60 - 1),
    tz=st.sampled_from(["UTC", "Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_a_departure_is_the_next_instant_at_which_clocks_show_the_time(now, minute, tz):
    wall = f"{minute // 60:02d}:{minute % 60:02d}"
    found = next_departure(now, tz, wall)
    assert now < found <= now + timedelta(hours=25)
    shown = f"{found.astimezone(ZoneInfo(tz)):%H:%M}"
    skipped = (
        found.astimezone(ZoneInfo(tz)).utcoffset() != (found - timedelta(hours=2)).astimezone(ZoneInfo(tz)).utcoffset()
    )
    assert shown == wall or skipped


def test_a_departure_that_is_no_time_of_day_is_refused():
    with pytest.raises(InputError):
        next_departure(NOW, "UTC", "half past seven")


def test_holders_are_those_that_one_may_speak_for():
    desk, _ = _desk()
    assert desk.holders(BOSS) == [("T-1", "CP-1/1"), ("T-2", "CP-2/1")]
    assert desk.holders(DESK) == [("CP-2/1", "CP-2/1")], "staff who may not see sessions see the place alone"
    assert desk.holders(DRIVER) == [("T-1", "CP-1/1")]
    assert desk.holder_at(DRIVER, "CP-1/1") == "T-1"
    assert desk.holder_at(DRIVER, "CP-2/1") == "CP-2/1", "somebody else's vehicle keeps its holder to itself"
    assert asyncio.run(desk.zone_of(DRIVER, "T-1")) == "Europe/Amsterdam"
    assert asyncio.run(desk.ready_at(DRIVER, "T-1", "09:30")) == datetime(2026, 5, 4, 7, 30, tzinfo=UTC)
    with pytest.raises(NotAllowed):
        asyncio.run(desk.ready_at(DRIVER, "T-2", "09:30"))


class Accounts:
    """Accounts and sessions, as far as administrators need them."""

    def __init__(self):
        self.kept, self.closed, self.invited = {}, [], []
        self.store = self

    async def accounts(self):
        return list(self.kept.values())

    async def account(self, account_id):
        return self.kept.get(account_id)

    async def replace_account(self, account):
        self.kept[account.account_id] = account

    async def close_sessions(self, account_id):
        self.closed.append(account_id)

    async def invite(self, name, grants, email=""):
        from bothways.operations.access.accounts import Account  # noqa: PLC0415 - only this double makes one

        account = Account(f"id-{name}", name, "", tuple(grants))
        self.kept[account.account_id] = account
        return account, "secret"


def test_administrators_invite_and_send_away_and_it_is_recorded():
    desk, store = _desk()
    accounts = Accounts()
    people = People(accounts, desk)
    assert asyncio.run(people.invite(BOSS, " Robin ", [("driver", "token:T-1")]))[1] == "secret"
    assert [(one.name, one.invited) for one in asyncio.run(people.accounts(BOSS))] == [("Robin", True)]
    asyncio.run(people.disable(BOSS, "id-Robin"))
    assert accounts.kept["id-Robin"].disabled
    assert accounts.closed == ["id-Robin"]
    recorded = asyncio.run(store.audit_log())
    assert [(row.kind, row.subject, row.detail["who"]) for row in recorded] == [
        ("account disabled", "Robin", "boss"), ("account invited", "Robin", "boss"),
    ]  # fmt: skip
    with pytest.raises(Unknown):
        asyncio.run(people.disable(BOSS, "nobody"))
    with pytest.raises(InputError):
        asyncio.run(people.disable(BOSS, BOSS.account_id))


@pytest.mark.parametrize(
    ("role", "scope"),
    [("driver", "*"), ("driver", "site:house"), ("king", "*"), ("front_desk", "site:castle"), ("front_desk", "")],
)
def test_an_invitation_that_reaches_nothing_or_too_much_is_refused(role, scope):
    desk, _ = _desk()
    accounts = Accounts()
    with pytest.raises(InputError):
        asyncio.run(People(accounts, desk).invite(BOSS, "Robin", [(role, scope)]))
    assert accounts.kept == {}


def test_nobody_else_manages_accounts():
    desk, _ = _desk()
    people = People(Accounts(), desk)
    for actor in (DESK, DRIVER):
        for work in (people.accounts(actor), people.invite(actor, "x y", [("driver", "token:T-1")]),
                     people.disable(actor, "id")):  # fmt: skip
            with pytest.raises(NotAllowed):
                asyncio.run(work)
