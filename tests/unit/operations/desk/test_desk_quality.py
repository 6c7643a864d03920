"""How well stations are kept: from what they said, and what their meters show."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from bothways.adapters.db.memory import MemoryStore
from bothways.domain.errors import DomainError, InputError
from bothways.operations.access.roles import Actor, Grant, NotAllowed, Role
from bothways.operations.desk.audit import AuditFilter, audit
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.desk.onboarding import onboarding_of
from bothways.operations.desk.quality import qualities
from bothways.operations.desk.station_form import StationForm, check_station
from bothways.operations.events import Booted, ConnectionChanged, EvseKey
from bothways.operations.stations import EvseRecord, StationRecord

pytestmark = pytest.mark.asyncio
NOW = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
MIA = Actor("a1", "Mia", (Grant(Role.SITE_OPERATOR, "site:house"),))
FITTER = Actor("a2", "Fitter", (Grant(Role.CONTRACTOR, "site:house"),))


class Gateway:
    """Knows one station, heard of a while ago."""

    listens = (9000, True)

    def connected(self):
        return frozenset({"CP-1"})

    def heard_at(self, station_id):
        return NOW - timedelta(minutes=16) if station_id == "CP-1" else None

    def certificate_until(self, station_id):
        return NOW + timedelta(days=10) if station_id == "CP-1" else None


async def _desk():
    store = MemoryStore()
    for name, site in (("CP-1", "house"), ("CP-2", "house"), ("CP-3", "mill")):
        await store.add_station(StationRecord(name, site, (EvseRecord(1, 11.0),)), "x")
    at = {"station_id": "CP-1", "received_at": NOW}
    await store.append(
        Booted(**at, at=NOW - timedelta(hours=3), protocol="ocpp2.1", vendor="V", model="M", firmware="1.2")
    )
    for hours in (30, 3, 2, 1):
        await store.append(ConnectionChanged(**at, at=NOW - timedelta(hours=hours), connected=True))
    state = SimpleNamespace(key=EvseKey("CP-1", 1), session=object(), fresh=True, measured_kw=9.0, excess_kw=3.0)
    image = SimpleNamespace(evses=(state,))
    snapshot = SimpleNamespace(image=image, rows={EvseKey("CP-1", 1): SimpleNamespace(power_kw=6.0)})
    control = SimpleNamespace(snapshot=lambda: snapshot)
    clock = SimpleNamespace(now=lambda: NOW)
    return Desk({"house": control, "mill": control}, store, store, Gateway(), clock), store


async def test_a_station_tells_firmware_certificate_connection_and_disagreement():
    desk, _ = await _desk()
    first, second = await qualities(desk, MIA)
    assert (first.station_id, first.firmware, first.protocol, first.reconnects) == ("CP-1", "1.2", "ocpp2.1", 2)
    assert (first.missed_heartbeats, first.last_seen) == (3, NOW - timedelta(minutes=16))
    assert [(one.evse_id, one.ordered_kw, one.measured_kw) for one in first.disagreements] == [(1, 6.0, 9.0)]
    assert first.calls(NOW)
    assert (second.station_id, second.online, second.last_seen, second.certificate_until) == ("CP-2", False, None, None)
    assert not second.calls(NOW), "nobody misses a station that is being put into service"
    await desk.parts.registry.accept("CP-2", NOW, "V M")
    assert [item.station_id for item in await qualities(desk, MIA)] == ["CP-2", "CP-1"], "who is offline comes first"
    well = replace(first, disagreements=(), missed_heartbeats=0, certificate_until=None)
    assert not well.calls(NOW)


async def test_an_installation_is_for_who_adds_stations_at_its_site():
    desk, _ = await _desk()
    onboarding = onboarding_of(desk)
    assert onboarding.sites(FITTER) == ["house"]
    with pytest.raises(NotAllowed):
        await onboarding.begin(FITTER, StationForm("NEW", "mill"))
    told = await onboarding.begin(FITTER, StationForm("NEW", "house", evses=2))
    assert (told.port, told.tls, told.path) == (9000, True, "/ocpp/NEW")
    assert [(item.station_id, item.next_step) for item in await onboarding.installations(FITTER)] == [
        ("NEW", "connected")
    ]
    other = Actor("a3", "Bo", (Grant(Role.CONTRACTOR, "site:mill"),))
    assert await onboarding.installations(other) == []
    for ask in (
        onboarding.installation(other, "NEW"),
        onboarding.renew(other, "NEW"),
        onboarding.renew(FITTER, "CP-1"),
    ):
        with pytest.raises(Unknown):
            await ask
    with pytest.raises(NotAllowed):
        await onboarding.installations(MIA)
    with pytest.raises(DomainError):
        await onboarding.hand_over(FITTER, "NEW", "it is fine")
    with pytest.raises(DomainError):
        await onboarding.test_charge(FITTER, "NEW")  # it is not connected
    with pytest.raises(InputError):
        await onboarding.test_discharge(FITTER, "NEW", agreed=False)


async def test_a_new_station_is_checked_whole():
    with pytest.raises(InputError) as caught:
        check_station(StationForm("a b", "none", evses=0, charge_kw=float("nan"), discharge="magic"), ["house"])
    assert {problem.where.split(": ")[1] for problem in caught.value.problems} >= {
        "station_id", "site_id", "evses", "charge_kw", "discharge",
    }  # fmt: skip


async def test_the_audit_log_shows_an_operator_its_sites_without_accounts_and_routine():
    desk, store = await _desk()
    for kind, subject in (("limit changed", "house"), ("limit changed", "mill"), ("site interval", "house"),
                          ("account invited", "house"), ("alarm", "CP-1/1"), ("alarm", "CP-3/1")):  # fmt: skip
        await store.note(kind, subject, NOW, {})
    seen = [(line.kind, line.subject) for line in await audit(desk, MIA, AuditFilter())]
    assert ("limit changed", "house") in seen
    assert ("alarm", "CP-1/1") in seen
    assert not {
        ("limit changed", "mill"),
        ("site interval", "house"),
        ("account invited", "house"),
        ("alarm", "CP-3/1"),
    } & set(seen)
    assert len(await audit(desk, MIA, AuditFilter(kind="site interval"))) == 1
    with pytest.raises(NotAllowed):
        await audit(desk, FITTER, AuditFilter())
    with pytest.raises(InputError):
        await audit(desk, MIA, AuditFilter(since=datetime(2026, 1, 1)), limit=0)
