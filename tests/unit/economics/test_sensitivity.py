import math

import pytest

from bothways.domain.errors import DomainError
from bothways.economics.arithmetic import yearly_shift_value
from bothways.economics.investment import Investment, ItemKind, LineItem, YearlyCost, cash_flow
from bothways.economics.returns import npv
from bothways.economics.sensitivity import Axis, NpvModel, Range, sweep, tornado

MODEL = NpvModel(
    years=10,
    rate=0.05,
    chargers=10,
    charger_price=2000.0,
    other_investment=5000.0,
    yearly_cost=300.0,
    fixed_saving=1500.0,
    shifted_kwh=20_000.0,
    measured_capacity_kwh=60.0,
    capacity_kwh=60.0,
    shift_limit_kwh=30_000.0,
    price_spread=0.20,
    charge_price=0.10,
    round_trip_efficiency=0.8,
    wear_per_kwh=0.05,
    escalation=0.02,
    cost_escalation=0.03,
)


def test_tornado_is_sorted_and_tells_when_the_answer_turns():
    ranges = [
        Range("wear_per_kwh", "USD/kWh", 0.0, 0.05, 0.15, "literature"),
        Range("price_spread", "USD/kWh", 0.05, 0.20, 0.40, "tariffs"),
        Range("charger_price", "USD", 1500.0, 2000.0, 4000.0, "offers"),
        Range("round_trip_efficiency", "1", 0.7, 0.8, 0.85, "published"),
    ]
    rows = tornado(MODEL.npv, MODEL.evaluate, ranges)
    assert [row.swing for row in rows] == sorted((row.swing for row in rows), reverse=True)
    assert {row.range.name for row in rows} == {item.name for item in ranges}
    by_name = {row.range.name: row for row in rows}
    assert by_name["charger_price"].swing == pytest.approx(10 * 2500)
    assert by_name["price_spread"].changes_sign
    assert not by_name["round_trip_efficiency"].changes_sign
    assert all(row.base_inside for row in rows)
    assert all(row.at_base == MODEL.npv for row in rows)


def test_tornado_of_a_hump_counts_the_base():
    (row,) = tornado(1.0, lambda changed: 1.0 - changed["x"] ** 2, [Range("x", "1", -1.0, 0.0, 1.0, "chosen")])
    assert (row.at_low, row.at_high) == (0.0, 0.0)
    assert row.swing == 1.0
    assert not row.base_inside


def test_an_end_of_exactly_zero_does_not_change_the_sign():
    def ends(low, high):
        (row,) = tornado(low, lambda changed: changed["x"], [Range("x", "1", low, low, high, "chosen")])
        return row.changes_sign

    assert ends(-0.5, 0.5)
    assert not ends(0.0, 0.5)
    assert not ends(-0.5, 0.0)


def test_equal_swings_keep_their_order():
    ranges = [Range(name, "1", -1.0, 0.0, 1.0, "chosen") for name in ("b", "a", "c")]
    rows = tornado(0.0, lambda changed: sum(changed.values()), ranges)
    assert [row.range.name for row in rows] == ["b", "a", "c"]


def test_tornado_names_the_input_that_broke_the_model():
    with pytest.raises(DomainError, match="x = 2"):
        tornado(0.0, lambda changed: math.nan if changed["x"] > 1 else 0.0, [Range("x", "1", 0.0, 1.0, 2.0, "chosen")])


def test_tornado_refuses_a_name_twice():
    with pytest.raises(DomainError, match="name of its own"):
        tornado(0.0, lambda _: 0.0, [Range("x", "1", 0.0, 1.0, 2.0, "chosen")] * 2)


@pytest.mark.parametrize(("low", "base", "high"), [(2.0, 1.0, 3.0), (0.0, 4.0, 3.0), (0.0, math.nan, 1.0)])
def test_range_must_hold_its_base(low, base, high):
    with pytest.raises(DomainError, match="x"):
        Range("x", "1", low, base, high, "chosen")


def test_range_needs_a_source():
    with pytest.raises(DomainError, match="source"):
        Range("x", "1", 0.0, 0.0, 0.0, "")


def test_two_way_sweep_has_one_row_per_point():
    grid = sweep(
        MODEL.evaluate, [Axis("price_spread", "USD/kWh", (0.1, 0.2, 0.3)), Axis("capacity_kwh", "kWh", (40, 60))]
    )
    assert grid.values.shape == (3, 2)
    assert grid.values[1, 1] == MODEL.npv
    rows = grid.rows()
    assert len(rows) == 6
    assert rows[3] == {"price_spread": 0.2, "capacity_kwh": 60, "result": MODEL.npv}


def test_one_sweep_spans_what_published_studies_disagree_about():
    # F10: under 5 EUR/month up to 3 000-9 000 USD/year per vehicle, from the same formula
    grid = sweep(
        lambda at: yearly_shift_value(at["kw"], at["hours"], 300.0, at["price"], at["wear"]),
        [
            Axis("kw", "kW", (3.7, 7.2, 19.2)),
            Axis("hours", "h/day", (1.0, 4.0, 20.0)),
            Axis("price", "currency/kWh", (0.05, 0.08, 0.15)),
            Axis("wear", "currency/kWh", (0.0, 0.04, 0.10)),
        ],
    )
    assert grid.values.shape == (3, 3, 3, 3)
    positive = grid.values[grid.values > 0]
    assert positive.min() < 60.0
    assert positive.max() > 9000.0
    assert grid.values.min() < 0.0


@pytest.mark.parametrize("names", [(), ("x", "x"), ("result",)])
def test_sweep_refuses_axes(names):
    with pytest.raises(DomainError, match="axes"):
        sweep(lambda _: 0.0, [Axis(name, "1", (1.0,)) for name in names])


@pytest.mark.parametrize("values", [(), (math.nan,)])
def test_axis_refuses(values):
    with pytest.raises(DomainError, match="axis x"):
        Axis("x", "1", values)


def test_closed_form_is_the_value_of_the_cash_flow():
    investment = Investment(
        (
            LineItem(ItemKind.CHARGER, 2000.0, "offer", count=10),
            LineItem(ItemKind.INSTALLATION, 5000.0, "offer"),
        )
    )
    flow = cash_flow(
        investment,
        1500.0 + 20_000.0 * (0.30 - 0.10 / 0.8 - 0.05),
        YearlyCost(maintenance=300.0, source="contract"),
        10,
        escalation=0.02,
        cost_escalation=0.03,
    )
    assert MODEL.npv == pytest.approx(npv(0.05, flow))


def test_what_is_not_said_is_nothing():
    zeros = dict.fromkeys(("fixed_saving", "other_investment", "escalation", "cost_escalation"), 0.0)
    said = {name: getattr(MODEL, name) for name in MODEL.__dataclass_fields__ if name not in zeros}
    assert NpvModel(**said).npv == MODEL.evaluate(zeros)


def test_capacity_counts_until_power_and_hours_end():
    assert MODEL.evaluate({"capacity_kwh": 30.0}) < MODEL.npv < MODEL.evaluate({"capacity_kwh": 80.0})
    assert MODEL.evaluate({"capacity_kwh": 90.0}) == MODEL.evaluate({"capacity_kwh": 200.0})


def test_the_model_stands_still_rather_than_shift_at_a_loss():
    assert MODEL.evaluate({"wear_per_kwh": 10.0}) == MODEL.evaluate({"shifted_kwh": 0.0})


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"wear": 0.1}, "no input wear"),
        ({"round_trip_efficiency": 1.2}, "round_trip_efficiency"),
        ({"years": 7.5}, "years"),
        ({"capacity_kwh": -1.0}, "capacity_kwh"),
        ({"price_spread": math.nan}, "price_spread"),
    ],
)
def test_model_refuses(changed, word):
    with pytest.raises(DomainError, match=word):
        MODEL.evaluate(changed)
