"""A charging point's card and the site's drawing say how old each number is, and mark what is too old to rely on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from bothways.adapters.web.diagram import one_line
from bothways.adapters.web.evses import EvseCards, aged, ages, flowing
from bothways.adapters.web.sayings import spoken
from bothways.adapters.web.words import Words
from bothways.operations.desk.views import EvseView, Range, SessionView

NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)
EN, NL = Words("en"), Words("nl")
SESSION = SessionView(
    "tx", NOW, "T-1", Range(0.5, 0.49, 0.51, ""), NOW - timedelta(minutes=4), 30.0, 40.0, None, 1.0, 0.0, 60.0, "",
    None, "",
)  # fmt: skip
EVSE = EvseView("CP", 1, True, 11.0, 10.0, 7.25, NOW - timedelta(seconds=5), False, True, 7.0, "", "", SESSION)


@pytest.mark.parametrize(
    ("change", "flow", "told", "old"),
    [
        ({}, "charges 7.3 kW", "Power measured now · battery told by the vehicle 4 min ago", False),
        ({"measured_at": NOW - timedelta(minutes=9), "measured_old": True}, "charges 7.3 kW",
         "Old reading: 7.3 kW, 9 min ago · battery told by the vehicle 4 min ago", True),
        ({"online": False}, "offline", "Old reading: 7.3 kW, now · battery told by the vehicle 4 min ago", True),
        ({"measured_kw": None, "measured_at": None}, "not metered",
         "Power never measured · battery told by the vehicle 4 min ago", False),
        ({"session": replace(SESSION, soc_at=None)}, "charges 7.3 kW",
         "Power measured now · battery computed from the energy that flowed", False),
        ({"session": replace(SESSION, soc=Range(0.5, 0.0, 1.0, ""))}, "charges 7.3 kW", "Power measured now", False),
        ({"session": None}, "free", "", False),
    ],
)  # fmt: skip
def test_a_power_and_a_state_of_charge_say_how_old_they_are(change, flow, told, old):
    evse = replace(EVSE, **change)
    assert (flowing(evse, EN), ages(evse, EN, NOW), aged(evse)) == (flow, told, old)


def test_a_card_marks_an_old_reading_and_speaks_the_viewers_language():
    cards = object.__new__(EvseCards)
    cards._words = NL
    old = replace(EVSE, measured_at=NOW - timedelta(minutes=9), measured_old=True)
    assert "bw-aged" not in cards._card(EVSE, "UTC", NOW)
    assert "bw-aged" in cards._card(old, "UTC", NOW)
    assert "Oude meting: 7,3 kW, 9 min geleden" in cards._card(old, "UTC", NOW)


def test_the_drawing_says_what_is_assumed_and_what_is_old():
    view = SimpleNamespace(import_kw=3.0, pv_kw=None, building_kw=2.0, vehicles_kw=7.3, evses=(EVSE,), meter_fresh=True)
    fresh = one_line(view, EN)
    assert ("assumed" in fresh, "old readings" in fresh, "1 plugged in" in fresh) == (False, False, True)
    view.evses, view.meter_fresh, view.import_kw = (replace(EVSE, measured_old=True),), False, None
    stale = one_line(view, EN)
    assert ("assumed" in stale, "old readings: 1" in stale) == (True, True)


def test_what_the_connection_lacks_is_said_in_the_viewers_language():
    lacks = "no connection agreement is recorded; certificate DEMO-1 expired on 2026-11-20"
    said = spoken(f"the grid connection does not permit it: {lacks}", NL)
    assert said.endswith("er is geen aansluitovereenkomst vastgelegd; certificaat DEMO-1 is verlopen op 20-11-2026")
