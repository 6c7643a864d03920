"""The server dies in an island and stays away: what stations and switchgear were left with keeps the building safe.

Everything goes over real sockets: virtual stations of OCPP 2.1 with the profiles that they were left with, and a
switchgear behind a Modbus server with its watchdog. The server is gone in mid-sentence; the physics go on without it.
"""

import pytest

from bothways.app.drill import live as live_drill
from bothways.resilience.island.score import score_drill
from bothways.resilience.island.state import Phase
from bothways.simulation.island_setup import setup_from_mapping

pytestmark = pytest.mark.slow
SECTIONS = [
    {"id": "essential", "tier": 1, "phase_kw": [1.2, 1.0, 1.0], "inrush": 1.5, "target_h": 6.0},
    {"id": "refuge", "tier": 2, "phase_kw": [2.0, 2.5, 1.5], "inrush": 2.0, "target_h": 2.0},
    {"id": "lift", "tier": 3, "phase_kw": [3.0, 3.0, 3.0]},
]
BATTERY = {"id": "battery", "kind": "battery", "power_kw": 16.0, "grid_forming": True, "surge": 2.0,
           "energy_kwh": 35.0, "floor_kwh": 5.0}  # fmt: skip


def charger(number, energy_kwh):
    vehicle = {"energy_kwh": energy_kwh, "reserve_km": 80.0, "ceiling_kwh": 60.0}
    return {"id": f"charger-{number}", "kind": "v2x", "power_kw": 11.0, "grid_forming": number == 1, "surge": 2.0,
            "vehicle": vehicle}  # fmt: skip


def played(monkeypatch, sections, sources, away_s, hours, minutes):
    monkeypatch.setattr(live_drill, "RESTART_S", away_s)
    setup = setup_from_mapping(
        {
            "site": {"name": "hall", "interval_s": 1.0, "return_s": 10.0},
            "sections": sections,
            "sources": sources,
            "outage": {"start_hour": 21.0, "hours": hours, "card_minutes": minutes},
        },
        "test",
        ("restart",),
    )
    done = live_drill.play_live(setup)
    first = done.record.outage_s[0]
    died = first + minutes * 60.0
    away = [s for s in done.record.samples if died <= s.t_s < died + away_s]
    told = {event.text: event.t_s for event in done.timeline}
    return done, score_drill(done.record), died, away, told


def test_with_a_battery_the_first_tier_stays_on_and_the_way_back_waits_for_somebody(monkeypatch):
    """Fifty minutes without a server; the grid returns meanwhile, and nobody closes the contactor."""
    sources = [BATTERY, *(charger(k, energy) for k, energy in ((1, 45.0), (2, 50.0), (3, 40.0)))]
    done, score, died, away, told = played(monkeypatch, SECTIONS, sources, 3000.0, 0.86, 3.0)
    assert len(away) == 3000
    assert all(s.served_kw[0] > 0.0 for s in away)  # never a gap
    assert away[0].served_kw[2] > 0.0  # with the vehicles there was enough for the lift
    dropped = [s.t_s - died for s in away if s.served_kw[2] == 0.0]
    assert 30.0 <= dropped[0] <= 40.0  # before the vehicles stop giving
    after = [s for s in away if s.t_s - died > 62.0]
    for (name, before), (_, later) in zip(after[0].spare_kwh, after[-1].spare_kwh, strict=True):
        assert later == pytest.approx(before), name  # no vehicle gives any more
    assert all(spare > 0.0 for s in done.record.samples for _, spare in s.spare_kwh)
    assert score.street_fed_s <= 2.0  # of the first second of the outage; nothing later
    assert not any(s.street_fed for s in away)
    grid_back = told["the grid is back"]
    assert grid_back < away[-1].t_s - (done.record.samples[0].t_s)
    assert away[-1].phase == "island"
    assert "begins again in the phase: island" in told
    assert done.phase is Phase.GRID_CONNECTED
    assert score.passed


def test_a_vehicle_that_holds_the_island_stops_above_its_reserve_and_starts_again_with_the_server(monkeypatch):
    """The vehicle is told no floor, as OCPP has none: its time ends before its reserve is touched."""
    sources = [charger(1, 21.0), charger(2, 30.0)]
    done, score, died, away, _ = played(monkeypatch, SECTIONS[:1], sources, 2400.0, 0.75, 2.0)
    on = [s.t_s - died for s in away if s.served_kw[0] > 0.0]
    assert on == [float(k) for k in range(len(on))]  # without a gap, and once
    spare_h = (away[0].spare_kwh[0][1]) * 0.95 / 11.0
    assert 0.5 * spare_h * 3600.0 < len(on) < spare_h * 3600.0  # full output, the low end of its estimated energy
    assert all(spare >= 0.0 for s in done.record.samples for _, spare in s.spare_kwh)
    assert not any(s.street_fed for s in away)
    assert score.reserves_kept
    back = [s for s in done.record.samples if s.t_s > died + 2400.0 + 60.0 and s.phase == "island"]
    assert back
    assert back[-1].served_kw[0] > 0.0  # with what the stop left above the reserve, and the other vehicle
    assert done.phase is Phase.GRID_CONNECTED
