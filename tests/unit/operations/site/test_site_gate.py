"""The gate before a discharge: every condition refuses alone, with a sentence of its own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bothways.operations.site.gate import ListedPairs, PairAbility, discharge_gate
from bothways.operations.site.state import Estimate, SessionState
from bothways.operations.stations import DriverNeed, EvseRecord, GridPermission, StationRecord

NOW = datetime(2026, 6, 3, 8, 0, tzinfo=UTC)
PERMISSION = GridPermission("site", "A-1", 50.0, "relay", (("charger", NOW + timedelta(days=1)),))
STATION = StationRecord("S0", "site", (EvseRecord(1, 11.0, 10.0),), discharge="v2x", model="Box")
REGISTER = ListedPairs({("car", "Box"): PairAbility(True, 7.0, "test")})
NEED = DriverNeed("n", "car", NOW + timedelta(hours=8), NOW, None, 0.8, 0.3, True, 10.0)
SESSION = SessionState(
    session_id=1, transaction_id="t", id_token="car", since=NOW, need=NEED, soc=Estimate(0.6, 0.58, 0.62, "reported"),
    capacity_kwh=Estimate(60.0, 60.0, 60.0, "reported"), energy_kwh=36.0, energy_low_kwh=34.8, floor_kwh=18.0,
    ceiling_kwh=60.0, asked_kwh=48.0, target_known=True, until=NOW + timedelta(hours=8), declared=None,
    charge_kw=11.0, discharge_kw=10.0, minimum_kw=0.0, minimum_out_kw=0.0, eta_c=0.9, eta_d=0.9, full=False,
    keep=False, delivered_kwh=0.0, returned_kwh=0.0, returned_today_kwh=0.0,
)  # fmt: skip


def ask(*, permission=PERMISSION, station=STATION, session=SESSION, register=REGISTER, meter_fresh=True):
    return discharge_gate(
        permission.missing(NOW), station, station.evses[0], session, register, meter_fresh=meter_fresh
    )


def test_with_everything_in_order_the_least_power_counts():
    assert ask().discharge_kw == 7.0
    assert ask(session=replace(SESSION, discharge_kw=3.0)).discharge_kw == 3.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"permission": GridPermission("site")}, "no connection agreement"),
        ({"permission": replace(PERMISSION, protection="")}, "loss-of-mains"),
        ({"permission": replace(PERMISSION, certificates=(("charger", NOW),))}, "expired"),
        ({"station": replace(STATION, evses=(EvseRecord(1, 11.0),))}, "one way only"),
        ({"station": replace(STATION, discharge="none")}, "nobody has recorded"),
        ({"station": replace(STATION, model="Other")}, "no source says"),
        ({"session": replace(SESSION, id_token="unknown")}, "no source says"),
        ({"session": replace(SESSION, need=None)}, "not agreed"),
        ({"session": replace(SESSION, need=replace(NEED, discharge_consent=False))}, "not agreed"),
        ({"session": replace(SESSION, until=None)}, "when they leave"),
        ({"session": replace(SESSION, energy_low_kwh=18.0, soc=Estimate(0.6, 0.3, 0.7, "moved"))}, "30 % are certain"),
        ({"session": replace(SESSION, returned_today_kwh=10.0)}, "today's share of 10.0 kWh"),
        ({"session": replace(SESSION, discharge_kw=0.0)}, "offers no discharging power"),
        ({"register": ListedPairs({("car", "Box"): PairAbility(False, reason="AC only")})}, "AC only"),
        ({"register": ListedPairs({("car", "Box"): PairAbility(False)})}, "cannot discharge here"),
        ({"meter_fresh": False}, "nobody would see"),
    ],
)
def test_each_condition_refuses_alone(changes, words):
    verdict = ask(**changes)
    assert verdict.discharge_kw == 0.0
    assert words in verdict.why_not


def test_the_model_counts_where_the_token_is_not_listed():
    register = ListedPairs({("Leaf", "Box"): PairAbility(True, 6.0, "test")})
    assert ask(session=replace(SESSION, model="Leaf"), register=register).discharge_kw == 6.0
