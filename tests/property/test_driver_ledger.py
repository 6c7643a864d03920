"""A stay's money adds up: energy is conserved, every amount is energy times price, sums are sums of lines."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.operations.desk.driver.ledger import STEP, PaidPrice, Stay, cumulative, ledger

START = datetime(2026, 5, 4, 16, 7, 30, tzinfo=UTC)
FIRST = datetime(2026, 5, 4, 16, 0, tzinfo=UTC)


def _stay(minutes, taken, given, **changes):
    """Registers read every minute."""
    rows = {"in": [], "out": []}
    for name, powers in (("in", taken), ("out", given)):
        total = 0.0
        for minute in range(minutes + 1):
            rows[name].append((START + timedelta(minutes=minute), total))
            total += powers[minute * len(powers) // (minutes + 1)] / 60.0
    end = START + timedelta(minutes=minutes)
    base = {
        "start": START, "end": end, "taken": rows["in"], "given": rows["out"], "taken_kwh": rows["in"][-1][1],
        "given_kwh": rows["out"][-1][1], "charge_kw": 11.0, "eta_c": 0.9, "eta_d": 0.9,
        "wear_per_kwh": Decimal("0.05"),
    }  # fmt: skip
    return Stay(**{**base, **changes})


powers = st.lists(st.floats(0.0, 11.0), min_size=1, max_size=20)
decimals = st.decimals(Decimal("-0.2"), Decimal("0.9"), places=6)
priced = st.lists(st.none() | st.tuples(decimals, decimals, st.sampled_from([Decimal(0), Decimal("0.4"), Decimal(1)])),
                  min_size=60, max_size=60)  # fmt: skip


def _prices(rows):
    return [PaidPrice(FIRST + k * STEP, *row) for k, row in enumerate(rows) if row is not None]


@given(st.integers(1, 800), powers, powers, priced)
def test_energies_and_money_add_up_to_the_last_digit(minutes, taken, given_back, rows):
    stay = _stay(minutes, taken, given_back)
    made = ledger(stay, _prices(rows))
    sums = made.sums
    assert abs(sums.taken_kwh - Decimal(repr(stay.taken_kwh))) <= Decimal("0.0005")
    assert abs(sums.given_kwh - Decimal(repr(stay.given_kwh))) <= Decimal("0.0005")
    for line in made.lines:
        assert line.wear == (line.given_kwh * Decimal("0.05")).quantize(Decimal("0.0001"))
        assert line.uncontrolled_kwh >= 0
        if line.price is not None:
            assert abs(line.cost - line.taken_kwh * line.price) <= Decimal("0.00005")
            assert abs(line.credit - line.given_kwh * line.given_price) <= Decimal("0.00005")
    known = [line for line in made.lines if line.price is not None]
    assert sums.cost == sum((line.cost for line in known), Decimal(0))
    assert sums.credit == sum((line.credit for line in known), Decimal(0))
    assert sums.wear == sum((line.wear for line in made.lines), Decimal(0))
    assert sums.saved == sums.uncontrolled_cost - (sums.cost - sums.credit + sums.wear + sums.refill)
    silent = [line.taken_kwh + line.given_kwh + line.uncontrolled_kwh for line in made.lines if line.price is None]
    assert sums.unpriced_kwh == sum(silent, Decimal(0)) + (0 if known else made.refill_kwh)
    stored = stay.taken_kwh - stay.given_kwh / 0.81
    uncontrolled = sum((line.uncontrolled_kwh for line in made.lines), Decimal(0))
    assert float(uncontrolled - made.refill_kwh) == pytest.approx(stored, abs=0.002), "both store the same energy"


@given(st.integers(20, 400), powers, decimals)
def test_with_one_price_all_day_charging_alone_neither_saves_nor_costs(minutes, taken, price):
    made = ledger(_stay(minutes, taken, [0.0]), [PaidPrice(FIRST + k * STEP, price, price) for k in range(60)])
    assert abs(made.sums.saved) <= Decimal("0.0002") * len(made.lines)


def test_a_stay_by_hand():
    """6 kWh at full power would have cost 5.5 * 0.40 + 0.5 * 0.10; waiting for the cheap hour cost 6 * 0.10."""
    start = FIRST
    rows = [(start, 0.0), (start + timedelta(minutes=30), 0.0), (start + timedelta(minutes=66), 6.0)]
    stay = Stay(start, start + timedelta(minutes=75), rows, [], 6.0, 0.0, 11.0, 0.9, 0.9, Decimal(0))
    costs = ["0.40", "0.40", "0.10", "0.10", "0.10"]
    made = ledger(stay, [PaidPrice(start + k * STEP, Decimal(costs[k]), Decimal(0)) for k in range(5)])
    assert [line.taken_kwh for line in made.lines] == [0, 0, Decimal("2.5"), Decimal("2.5"), Decimal("1.0")]
    assert (made.sums.cost, made.sums.uncontrolled_cost, made.sums.saved) == (
        Decimal("0.6000"), Decimal("2.2500"), Decimal("1.6500"),
    )  # fmt: skip


def test_what_was_given_is_worth_what_it_spared_or_sold_less_wear_and_what_is_charged_again():
    start = FIRST
    rows = [(start, 0.0), (start + timedelta(minutes=60), 0.0)]
    out = [(start, 0.0), (start + timedelta(minutes=60), 4.0)]
    stay = Stay(start, start + timedelta(minutes=60), rows, out, 0.0, 4.0, 11.0, 1.0, 1.0, Decimal("0.05"))
    half = [PaidPrice(start + k * STEP, Decimal("0.40"), Decimal("0.10"), Decimal("0.5")) for k in range(4)]
    made = ledger(stay, half)
    assert made.sums.credit == Decimal("1.0000"), "half of it at 0.40 spared, half sold at 0.10"
    assert made.sums.wear == Decimal("0.2000")
    assert (made.refill_kwh, made.sums.refill) == (Decimal("4.000"), Decimal("1.6000"))
    assert made.sums.saved == Decimal("-0.8000"), "giving without charging again is not a gain"


def test_without_prices_nothing_is_invented_and_without_readings_it_says_so():
    stay = replace(_stay(60, [6.0], [0.0]), taken=[], given=[])
    made = ledger(stay, [])
    assert not made.metered
    assert made.sums.cost == made.sums.uncontrolled_cost == 0
    assert made.sums.unpriced_kwh > 0
    assert all(line.cost is None for line in made.lines)


def test_falls_of_the_import_register_count_as_given_where_there_is_no_other():
    at = [FIRST + k * STEP for k in range(4)]
    into, out = cumulative(list(zip(at, [10.0, 12.0, 11.0, 11.5], strict=True)), [])
    assert [value for _, value in into] == [0.0, 2.0, 2.0, 2.5]
    assert [value for _, value in out] == [0.0, 0.0, 1.0, 1.0]
