"""``bothways drill --live``: every fault card through real sockets; the first tier stays on, drivers keep theirs."""

import pytest

from bothways.app.drill import live as live_drill
from bothways.resilience.island.score import score_drill
from bothways.resilience.island.state import Phase
from bothways.simulation.island_setup import setup_from_mapping

pytestmark = pytest.mark.slow
VEHICLE = {"reserve_km": 80.0, "ceiling_kwh": 60.0}
DRILL = {
    "site": {"name": "hall", "interval_s": 1.0, "return_s": 10.0},
    "sections": [
        {"id": "essential", "tier": 1, "phase_kw": [1.2, 1.0, 1.0], "inrush": 1.5, "target_h": 6.0},
        {"id": "refuge", "tier": 2, "phase_kw": [2.0, 2.5, 1.5], "inrush": 2.0, "target_h": 2.0},
        {"id": "lift", "tier": 3, "phase_kw": [3.0, 3.0, 3.0]},
    ],
    "sources": [
        {"id": "battery", "kind": "battery", "power_kw": 30.0, "grid_forming": True, "surge": 1.5, "energy_kwh": 45.0,
         "floor_kwh": 5.0},
        *(
            {"id": f"charger-{k}", "kind": "v2x", "power_kw": 11.0, "grid_forming": k == 1, "surge": 1.2,
             "vehicle": {**VEHICLE, "energy_kwh": energy, "opted_out": k == 4}}
            for k, energy in ((1, 55.0), (2, 48.0), (3, 50.0), (4, 52.0))
        ),
    ],
    "outage": {"start_hour": 14.0, "hours": 0.1, "pv_peak_kw": 20.0, "card_minutes": 0.75},
}  # fmt: skip


def played(monkeypatch, cards, **outage):
    monkeypatch.setattr(live_drill, "METER_LOST_S", 40.0)
    monkeypatch.setattr(live_drill, "SECOND_OUTAGE_S", 60.0)
    setup = setup_from_mapping({**DRILL, "outage": {**DRILL["outage"], **outage}}, "test", cards)
    done = live_drill.play_live(setup)
    return done, score_drill(done.record), [event.text for event in done.timeline]


def test_all_six_cards_one_after_the_other(monkeypatch):
    cards = ("charger-dies", "two-cars-leave", "smoke", "restart", "meter-lost", "second-outage")
    done, score, told = played(monkeypatch, cards)
    assert score.passed
    assert score.restored_s <= 15.0
    assert score.reserves_kept
    assert score.street_fed_s <= 2.0
    assert score.tiers[0].longest_dark_s <= 60.0
    assert done.phase is Phase.GRID_CONNECTED
    assert len(done.record.outage_s) == 2
    for words in ("dies", "vehicles leave", "smoke", "server was away", "meter on the street's side", "fail again"):
        assert any(words in text for text in told), words
    assert "begins again in the phase: island" in told
    assert "The grid failed again during the return." in told
    assert told[-1].endswith("close")


def test_a_charger_forms_where_there_is_nothing_else(monkeypatch):
    """The island is started through OCPP and a contact, held by a vehicle, and given back."""
    sources = [source for source in DRILL["sources"] if source["id"] != "battery"]
    setup = setup_from_mapping(
        {**DRILL, "sections": DRILL["sections"][:1], "sources": sources, "outage": {"start_hour": 22.0, "hours": 0.05}},
        "test", (),
    )  # fmt: skip
    done = live_drill.play_live(setup)
    score = score_drill(done.record)
    told = [event.text for event in done.timeline]
    assert "The building is an island, held by charger-1." in told
    assert score.passed
    assert score.street_fed_s <= 2.0
    assert done.phase is Phase.GRID_CONNECTED
