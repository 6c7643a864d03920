"""What people can do at the desk: nobody sees or does anything outside of a grant."""

import asyncio
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.adapters.db.memory import MemoryStore
from bothways.domain.errors import InputError
from bothways.operations.access.roles import RIGHTS, Action, Actor, Grant, NotAllowed, Role
from bothways.operations.desk.desk import Desk, NeedForm, Unknown
from bothways.operations.events import EvseKey, TransactionChanged
from bothways.operations.site.settings import SiteSettings
from bothways.operations.site.state import Estimate, EvseState, Image, PhaseUse, SessionState, SiteLimits
from bothways.operations.site.summary import Snapshot
from bothways.operations.stations import EvseRecord, GridPermission, StationRecord

NOW = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
RECORD = EvseRecord(1, 11.0, 10.0)
PLUGGED = {"house": "T-1", "mill": "T-2"}
STATIONS = {"house": "CP-1", "mill": "CP-2"}
TOKENS = ["T-1", "T-2", "T-3"]
SCOPES = ["*", "site:house", "site:mill", *(f"token:{token}" for token in TOKENS)]
WISH = NeedForm(NOW + timedelta(hours=9), soc=0.8)


class Clock:
    def now(self):
        return NOW

    async def sleep(self, seconds):
        raise AssertionError("the desk never sleeps")


class Gateway:
    """No station is connected."""

    def __init__(self):
        self.calls = []

    def connected(self):
        return frozenset()

    async def call(self, *request):
        self.calls.append(request)
        return {}


class Control:
    """A site with one vehicle plugged in, which notes what it is told."""

    def __init__(self, site_id):
        self.site = SiteSettings(site_id, import_hard_limit_kw=80.0)
        self.reading = None
        self.done = []
        half = Estimate(0.5, 0.4, 0.6, "stated")
        session = SessionState(
            1, "tx", PLUGGED[site_id], NOW, None, half, half, 30.0, 25.0, 10.0, 50.0, 40.0, False, None, None,
            11.0, 10.0, 4.0, 0.0, 0.9, 0.9, False, False, 1.0, 0.0, 0.0,
        )  # fmt: skip
        use = PhaseUse((0.4, 0.4, 0.4), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0), known=False)
        evse = EvseState(EvseKey(STATIONS[site_id], 1), RECORD, True, session, 3.0, True, 3.0, 3.0, 3.0, 0.0, True, use)
        self.image = Image(NOW, (evse,), SiteLimits(80.0), GridPermission(site_id), 20.0, (), math.inf, True)

    def snapshot(self):
        return Snapshot(self.site.site_id, image=self.image)

    async def set_need(self, need):
        self.done.append(("need", need))

    async def emergency_stop(self, reason, who):
        self.done.append(("stop", reason, who))

    async def release(self, reason, who):
        self.done.append(("release", reason, who))

    async def change_limits(self, **changes):
        self.done.append(("limits", changes))


async def _world():
    store = MemoryStore()
    for site_id, station_id in STATIONS.items():
        await store.add_station(StationRecord(station_id, site_id, (RECORD,)), "hash")
    for number, (site_id, token) in enumerate((("house", "T-1"), ("mill", "T-2"), ("mill", "T-1"), ("house", "T-3"))):
        event = TransactionChanged(
            station_id=STATIONS[site_id], at=NOW + timedelta(minutes=number), received_at=NOW, kind="started",
            transaction_id=f"tx-{number}", evse_id=1, seq_no=0, id_token=token,
        )  # fmt: skip
        await store.append(event)
    sites = {name: Control(name) for name in STATIONS}
    gateway = Gateway()
    return Desk(sites, store, store, gateway, Clock()), sites, store


def _desk():
    return asyncio.run(_world())


def _reaches(actor, action, *scopes):
    """The rule, said again independently: some grant has the right, and its scope is one of these."""
    return any(action in RIGHTS[g.role] and g.scope in {"*", *scopes} for g in actor.grants)


def _done(work):
    try:
        return True, asyncio.run(work)
    except (NotAllowed, Unknown) as error:
        return False, error


actors = st.lists(st.builds(Grant, st.sampled_from(list(Role)), st.sampled_from(SCOPES)), max_size=3).map(
    lambda grants: Actor("1", "someone", tuple(grants))
)


@given(actors)
def test_sites_and_stations_are_seen_within_a_grant_alone(actor):
    desk, _, _ = _desk()
    seen = {line.site_id for line in desk.sites(actor)}
    assert seen == {name for name in STATIONS if _reaches(actor, Action.SITE_VIEW, f"site:{name}")}
    stations = {view.station_id for view in asyncio.run(desk.stations(actor))}
    assert stations == {STATIONS[name] for name in STATIONS if _reaches(actor, Action.STATION_VIEW, f"site:{name}")}
    for name in STATIONS:
        for look, action in (
            (desk.site, Action.SITE_VIEW),
            (desk.trail, Action.SITE_VIEW),
            (desk.power, Action.SITE_POWER),
        ):
            try:
                look(actor, name)
            except Unknown:
                assert not _reaches(actor, action, f"site:{name}")
            else:
                assert _reaches(actor, action, f"site:{name}")


@given(actors, st.sampled_from(list(STATIONS)))
def test_a_site_is_run_within_a_grant_alone(actor, name):
    desk, sites, _ = _desk()
    for work, action in (
        (desk.stop(actor, name, ""), Action.SITE_STOP),
        (desk.release(actor, name, "it is safe"), Action.SITE_RELEASE),
        (desk.limit(actor, name, 20.0, "the feeder is full"), Action.SITE_OVERRIDE),
    ):
        before = len(sites[name].done)
        allowed, _ = _done(work)
        assert allowed == _reaches(actor, action, f"site:{name}")
        assert len(sites[name].done) == before + allowed
    assert not any(control.done for other, control in sites.items() if other != name)


@given(actors)
def test_transactions_are_seen_by_site_or_holder_alone(actor):
    desk, _, _ = _desk()
    seen = {(row.station_id, row.holder) for row in asyncio.run(desk.transactions(actor))}
    expected = {
        (STATIONS[site], token)
        for site, token in (("house", "T-1"), ("mill", "T-2"), ("mill", "T-1"), ("house", "T-3"))
        if _reaches(actor, Action.SESSION_VIEW, f"site:{site}", f"token:{token}")
    }
    assert seen == expected


@given(actors, st.sampled_from(list(STATIONS)), st.booleans())
def test_a_plugged_in_vehicle_is_spoken_for_within_a_grant_alone(actor, name, by_place):
    desk, sites, _ = _desk()
    token, place = PLUGGED[name], f"{STATIONS[name]}/1"
    holder = place if by_place else token
    scopes = [f"site:{name}"] if by_place else [f"site:{name}", f"token:{token}"]
    allowed, _ = _done(desk.set_need(actor, holder, WISH))
    assert allowed == _reaches(actor, Action.NEED_SET, *scopes)
    assert [what for what, *_ in sites[name].done] == ["need"] * allowed
    found = desk.where(actor, holder)
    assert (found is not None) == _reaches(actor, Action.NEED_VIEW, f"site:{name}", f"token:{token}")
    if found is not None and found[1].session.holder is not None:
        assert _reaches(actor, Action.SESSION_VIEW, f"site:{name}", f"token:{token}")


@given(actors, st.booleans())
def test_what_an_absent_driver_said_is_neither_shown_to_nor_replaced_by_staff(actor, consents):
    async def scene():
        desk, _, store = await _world()
        driver = Actor("d", "driver", (Grant(Role.DRIVER, "token:T-3"),))
        await desk.set_need(driver, "T-3", NeedForm(WISH.ready_by, soc=0.6, discharge_consent=consents))
        for work in (desk.need(actor, "T-3"), desk.set_need(actor, "T-3", WISH)):
            try:
                await work
            except NotAllowed:
                assert not _reaches(actor, Action.NEED_SET, "token:T-3")
            else:
                assert _reaches(actor, Action.NEED_SET, "token:T-3")
        return (await store.needs(["T-3"]))["T-3"]

    kept = asyncio.run(scene())
    if not _reaches(actor, Action.NEED_SET, "token:T-3"):
        assert (kept.soc, kept.discharge_consent) == (0.6, consents)


@pytest.mark.asyncio
async def test_staff_announce_a_guest_and_correct_themselves_but_agree_to_nothing_for_them():
    desk, _, store = await _world()
    here = Actor("1", "desk", (Grant(Role.FRONT_DESK, "site:house"),))
    there = Actor("2", "other desk", (Grant(Role.FRONT_DESK, "site:mill"),))
    with pytest.raises(InputError, match="discharge_consent"):
        await desk.set_need(here, "GUEST", NeedForm(WISH.ready_by, soc=0.8, discharge_consent=True))
    await desk.set_need(here, "GUEST", WISH)
    await desk.set_need(here, "GUEST", NeedForm(WISH.ready_by, soc=0.9))
    assert (await desk.need(here, "GUEST")).soc == 0.9
    for work in (desk.need(there, "GUEST"), desk.set_need(there, "GUEST", WISH)):
        with pytest.raises(NotAllowed):
            await work
    assert (await store.needs(["GUEST"]))["GUEST"].soc == 0.9


@pytest.mark.asyncio
@pytest.mark.parametrize("holder", ["CP-2/1", "CP-2/7"])
async def test_an_evse_belongs_to_its_own_site_also_while_nobody_is_plugged_in(holder):
    desk, sites, _ = await _world()
    sites["mill"].image = Image(NOW, (), SiteLimits(), GridPermission("mill"), 0.0, (), 0.0, True)
    staff = Actor("1", "desk", (Grant(Role.FRONT_DESK, "site:house"), Grant(Role.DRIVER, f"token:{holder}")))
    with pytest.raises(NotAllowed):
        await desk.set_need(staff, holder, WISH)
    with pytest.raises(NotAllowed):
        await desk.need(staff, holder)


@pytest.mark.asyncio
async def test_a_stop_is_not_refused_for_its_words_but_a_release_is():
    desk, sites, _ = await _world()
    staff = Actor("1", "op", (Grant(Role.SITE_OPERATOR, "site:house"),))
    await desk.stop(staff, "house", " ")
    assert sites["house"].done == [("stop", "no reason was given", "op")]
    with pytest.raises(InputError):
        await desk.release(staff, "house", " x ")


@pytest.mark.asyncio
async def test_old_transactions_of_a_driver_are_found_behind_thousands_of_others():
    desk, _, store = await _world()
    for number in range(300):
        event = TransactionChanged(
            station_id="CP-2", at=NOW + timedelta(hours=1, seconds=number), received_at=NOW, kind="started",
            transaction_id=f"later-{number}", evse_id=1, seq_no=0, id_token="T-2",
        )  # fmt: skip
        await store.append(event)
    driver = Actor("1", "driver", (Grant(Role.DRIVER, "token:T-3"),))
    assert [row.transaction_id for row in await desk.transactions(driver, limit=5)] == ["tx-3"]
    assert await desk.transactions(driver, holder="T-2") == []
    operator = Actor("2", "op", (Grant(Role.SITE_OPERATOR, "site:house"),))
    assert [r.transaction_id for r in await desk.transactions(operator, holder="CP-1/1")] == ["tx-3", "tx-0"]
    assert await desk.transactions(operator, holder="CP-1/1", station_id="CP-2") == []


def test_the_grid_sees_power_and_nothing_of_who_is_there():
    desk, _, _ = _desk()
    view = desk.power(Actor("1", "dso", (Grant(Role.GRID_VIEWER, "site:house"),)), "house")
    assert (view.import_kw, view.import_limit_kw) == (20.0, 80.0)
    assert not {"evses", "connected", "vehicles_kw"} & set(type(view).__dataclass_fields__)
