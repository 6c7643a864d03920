"""Numbers, money and times are written in one place and in the viewer's language, on every screen."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bothways.adapters.web
from bothways.adapters.web import figures
from bothways.adapters.web.island_sayings import sheet
from bothways.adapters.web.money_panel import price_line
from bothways.adapters.web.sayings import alarm_told, spoken
from bothways.adapters.web.words import LANGUAGES, Words
from bothways.operations.desk.savings import PriceNow
from bothways.simulation.island_setup import setup_from_mapping

FOLDER = Path(bothways.adapters.web.__file__).parent
NL, EN = Words("nl"), Words("en")
NOW = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)


@given(st.decimals(-(10**9), 10**9, places=3), st.integers(0, 4), st.sampled_from(LANGUAGES))
def test_what_is_written_can_be_read_back(value, digits, language):
    text = figures.number(value, digits, Words(language))
    mark, group = (".", ",") if language == "en" else (",", ".")
    read = Decimal(text.replace(group, "").replace(mark, "."))
    assert abs(read - value) <= Decimal(1).scaleb(-digits) / 2
    assert not (text.startswith("-") and read == 0), "no negative zero"
    assert all(len(part) == 3 for part in text.partition(mark)[0].lstrip("-").split(group)[1:])


def test_no_screen_formats_a_number_or_a_day_by_itself():
    alone = re.compile(r":,?\.\d[f%g]\}|:g\}|%Y|%d[-.]|strftime|\} (EUR|kWh?|kg)\b")
    drawn = {"figures.py", "diagram.py"}  # coordinates of a drawing are no figures for people
    found = [
        f"{path.name}: {line.strip()}"
        for path in sorted(FOLDER.glob("*.py"))
        if path.name not in drawn
        for line in path.read_text(encoding="utf-8").splitlines()
        if alone.search(re.sub(r'words\("[^"]*"', "", line)) and "later(" not in line and ">>>" not in line
    ]
    assert found == []


def test_sentences_of_the_system_carry_the_mark_of_the_language():
    said = spoken("May charge with 7.4 kW, takes 3.1 kW: the limit of the site leaves no more (1234.5 kW).", NL)
    assert "7,4 kW" in said
    assert "3,1 kW" in said
    assert "1.234,5 kW" in said
    told = alarm_told("meter shows 7.4 kW, order is 3.0 kW", "Europe/Amsterdam", NL)
    assert ("7,4 kW" in told, "3,0 kW" in told) == (True, True)
    assert alarm_told("not heard of since 2026-11-21 15:12:27Z", "Europe/Amsterdam", EN).endswith("2026-11-21 16:12:27")


@pytest.mark.parametrize(
    ("words", "said"),
    [(EN, "Price now: €0.312 /kWh bought, -€0.005 /kWh sold (day · market)"),
     (NL, "€ 0,312 /kWh")],
)  # fmt: skip
def test_a_price_has_its_currency_unit_and_source(words, said):
    now = PriceNow("EUR", "day", "market", 0.312, -0.005, None, NOW)
    assert said.replace(" /", "/") in price_line(now, words)
    unknown = PriceNow("", "", "", 0.312, None, None, NOW)
    assert words("currency not stated") in price_line(unknown, words)


def test_a_time_that_is_not_of_this_week_has_its_day():
    at = datetime(2026, 11, 16, 6, 30, tzinfo=UTC)
    assert figures.clock(at, "Europe/Amsterdam", NL, at + timedelta(days=5)) == "ma 07:30"
    assert figures.clock(at, "Europe/Amsterdam", NL, at + timedelta(days=7)) == "16-11-2026 07:30"
    assert figures.clock(at, "Europe/Amsterdam", EN, at - timedelta(days=7)) == "2026-11-16 07:30"
    assert figures.age(9000.0, NL) == "2,5 uur geleden"
    assert figures.rough_age(None, NOW, EN) == "never measured"
    assert figures.rough_age(NOW + timedelta(seconds=5), NOW, EN) == "now", "a clock that is ahead"


def test_the_paper_plan_is_written_in_the_language_of_its_reader():
    sections = [{"id": "a", "tier": 1, "phase_kw": [1.2, 1.0, 1.0], "target_h": 24.0, "serves": "", "by_hand": "here"}]
    sources = [{"id": "b", "kind": "battery", "power_kw": 12.5, "grid_forming": True, "energy_kwh": 40.0,
                "floor_kwh": 4.0}]  # fmt: skip
    building = setup_from_mapping({"site": {"name": "hall"}, "sections": sections, "sources": sources}, "test").site
    dutch, english = sheet(building, "", NL), sheet(building, "", EN)
    assert ("3,2 kW" in dutch, "12,5 kW" in dutch, "24 h" in dutch) == (True, True, True)
    assert ("3.2 kW" in english, "12.5 kW" in english) == (True, True)
