"""What the figures show is what the study found; what they choose to show is chosen by a rule."""

import base64
import json
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from report_cases import make_case, make_investment, make_result, make_sensitivity

from bothways.domain.timegrid import TimeGrid
from bothways.studies.inputs import Limits
from bothways.studies.report.clock import Window, choose_day, choose_week, clock_changes, extremes, wall_ms
from bothways.studies.report.figures.base import panels
from bothways.studies.report.figures.money import cash_flow, cumulative, waterfall
from bothways.studies.report.figures.presence import by_hour, plug_in_share
from bothways.studies.report.figures.ribbons import ribbons, rows_to_show
from bothways.studies.report.figures.site import site_power
from bothways.studies.report.figures.tornado import tornado
from bothways.studies.report.figures.week import readable_week
from bothways.studies.report.palette import DARK, LIGHT
from bothways.studies.report.words import answer, equipment, keys


def days(count, first=date(2024, 1, 3), tz="Europe/Amsterdam"):
    return TimeGrid.for_days(first, first + timedelta(days=count - 1), timedelta(hours=1), tz)


@pytest.fixture(scope="module")
def result():
    return make_result(days=10, evses=8)


def decoded(spec):
    """Plotly's JSON with packed arrays as lists."""

    def unpack(value):
        if isinstance(value, dict) and "bdata" in value:
            kind = {"f4": "<f4", "f8": "<f8", "i1": "i1", "i2": "<i2", "i4": "<i4", "u1": "u1"}[value["dtype"]]
            array = np.frombuffer(base64.b64decode(value["bdata"]), dtype=kind)
            shape = value.get("shape")
            return array.reshape([int(n) for n in shape.split(",")]) if shape else array
        if isinstance(value, dict):
            return {key: unpack(item) for key, item in value.items()}
        return [unpack(item) for item in value] if isinstance(value, list) else value

    return unpack(json.loads(spec))


def test_the_week_is_the_calendar_week_with_most_feeding():
    grid = days(28)
    feeding = np.zeros(grid.periods)
    feeding[15 * 24 : 15 * 24 + 6] = 4.0  # 18 January 2024, a Thursday
    week = choose_week(grid, feeding, np.zeros(grid.periods))
    assert week.end - week.begin == 7 * 24
    assert grid.local.weekday[week.begin] == 0
    assert (grid.local.day[week.begin], grid.local.day[week.end - 1]) == (15, 21)
    assert "fed back" in week.why
    day = choose_day(grid, week, feeding, np.ones(grid.periods))
    assert grid.local.day[day.begin] == 18
    assert day.end - day.begin == 24


def test_without_feeding_the_week_holds_the_peak_and_the_day_the_vehicles():
    grid = days(28)
    power, there = np.zeros(grid.periods), np.zeros(grid.periods)
    power[22 * 24] = 50.0
    there[21 * 24 : 22 * 24] = 3.0
    week = choose_week(grid, np.zeros(grid.periods), power)
    assert week.begin <= 22 * 24 < week.end
    assert "highest uncontrolled power" in week.why
    day = choose_day(grid, week, np.zeros(grid.periods), there)
    assert day.begin == 21 * 24


def test_a_short_period_is_its_own_week_and_eight_days_have_one():
    assert choose_week(days(5), np.zeros(120), np.zeros(120)) == Window(0, 120, "it is the whole period of the study")
    short = days(8, date(2024, 1, 2))  # Tuesday to Tuesday: no whole calendar week
    assert choose_week(short, np.zeros(192), np.arange(192.0)).span == slice(24, 192)


def test_wall_time_follows_the_clock_change():
    grid = days(3, date(2024, 3, 30))
    assert clock_changes(grid)
    assert not clock_changes(days(3))
    wall = wall_ms(grid)
    assert wall[0] == np.datetime64("2024-03-30T00:00").astype("datetime64[ms]").astype(float)
    assert wall[-1] == np.datetime64("2024-04-01T23:00").astype("datetime64[ms]").astype(float)
    assert np.diff(wall).max() == 2 * 3_600_000.0


def test_thinning_keeps_every_peak():
    x, values = np.arange(1001.0), np.sin(np.arange(1001.0) * 1.3)
    places, thinned = extremes(x, values, 8)
    assert (thinned.max(), thinned.min()) == (values.max(), values.min())
    assert places.shape == thinned.shape == (252,)
    assert np.all(np.diff(places) >= 0)
    assert np.isfinite(thinned).all()
    assert extremes(x, values, 2)[1] is values


def test_panels_fill_the_height_without_overlap():
    found = panels([2.0, 1.0, 1.0], 0.1)
    assert found[0][1] == 1.0
    assert found[-1][0] == pytest.approx(0.0)
    for above, below in pairwise(found):
        assert above[0] - below[1] == pytest.approx(0.1)


def test_the_site_figure_marks_the_true_peaks_and_limits(result):
    grid = result.inputs.grid
    case = replace(result.cases[0], case=make_case(grid, "x", limits=Limits(import_limit_kw=30.0)))
    figure = site_power(case, grid, Window(0, 96, ""), "site")
    drawn = decoded(figure.spec)
    marks = [trace for trace in drawn["data"] if trace.get("mode") == "markers"]
    played = [outcome for outcome in case.outcomes if not outcome.run.foresight]
    assert [mark["y"][0] for mark in marks] == pytest.approx([round(o.peak_import_kw, 1) for o in played])
    dashed = [trace for trace in drawn["data"] if trace["name"] == "contracted import"]
    assert [list(trace["y"]) for trace in dashed] == [[30.0, 30.0]] * 3
    assert len(figure.buttons) == 3
    assert f"{played[0].peak_import_kw:.1f} kW uncontrolled" in figure.title


def test_a_long_period_is_thinned_and_says_so():
    long = make_result(days=60, evses=2, cases=lambda grid: (make_case(grid, "x"),))
    grid, case = long.inputs.grid, long.cases[0]
    figure = site_power(case, grid, Window(0, 96, ""), "site")
    assert "The highest and the lowest power of every 1.0 h are drawn." in figure.note
    line = next(trace for trace in decoded(figure.spec)["data"] if trace["name"] == "Uncontrolled")
    assert len(line["y"]) < grid.periods
    assert max(line["y"]) == pytest.approx(case.outcomes[0].run.flows.net.max(), abs=0.051)


def test_the_week_draws_every_strategy_on_local_time(result):
    inputs, case = result.inputs, result.cases[0]
    week = choose_week(inputs.grid, np.zeros(inputs.grid.periods), case.outcomes[0].run.flows.net)
    figure = readable_week(case, inputs.grid, inputs.emissions, "USD", week, "week")
    drawn = {(t["name"], t.get("yaxis")): t for t in decoded(figure.spec)["data"]}
    assert drawn["Bidirectional", "y"]["y"] == pytest.approx(case.outcomes[2].run.flows.vehicles[week.span], abs=0.051)
    back = np.minimum(case.outcomes[2].run.trace.evse_power_kw[:, week.span], 0.0).sum(axis=0)
    assert drawn["Fed back by vehicles", "y"]["y"] == pytest.approx(back, abs=0.051)
    assert drawn["Marginal CO₂", "y3"]["y"] == pytest.approx(inputs.emissions.marginal_kg_per_kwh[week.span], abs=6e-4)
    assert [(item.label, item.shown) for item in figure.legend] == [
        ("Uncontrolled", True), ("Smart", True), ("Bidirectional", True), ("Smart, future known", False),
        ("Bidirectional, future known", False),
    ]  # fmt: skip
    assert "Import price from 0.110 to 0.380 USD/kWh" in figure.summary


def test_ribbons_show_shares_gaps_and_feeding(result):
    inputs, both = result.inputs, result.cases[0].outcomes[2]
    day = Window(96, 192, "")
    rows, hidden = rows_to_show(both, day.span)
    assert hidden == 0
    figure = ribbons(both, inputs.stays, inputs.grid, day, rows, "soc")
    heat, marks = decoded(figure.spec)["data"]
    stay = both.run.trace.evse_stay[rows, day.span]
    shown = np.array(heat["z"], dtype=float)
    assert np.array_equal(np.isnan(shown), stay < 0)
    share = 100.0 * both.run.trace.evse_energy_kwh[rows, day.span] / 60.0
    assert shown[stay >= 0] == pytest.approx(share[stay >= 0], abs=0.51)
    assert len(marks["x"]) == int((both.run.trace.evse_power_kw[rows, day.span] < -0.05).sum())


def test_the_waterfall_leads_from_one_total_to_the_next(result):
    case = result.cases[0]
    figure = waterfall(case, "USD", "water")
    drawn = decoded(figure.spec)
    bars = [trace for trace in drawn["data"] if trace["type"] == "bar" and "base" in trace]
    moved = sum(trace["x"][0] for trace in bars)
    assert moved == pytest.approx(case.outcome("bidirectional").cost - case.outcome("uncontrolled").cost, abs=0.02)
    for outcome in case.outcomes[:3]:
        assert f"{outcome.cost:,.0f}"[:-1] in figure.summary


def test_small_changes_cut_the_axis_and_take_the_bars_off_the_totals(result):
    figure = waterfall(result.cases[1], "USD", "water")
    drawn = decoded(figure.spec)
    assert drawn["layout"]["xaxis"]["range"][0] > 0
    assert "not at zero" in figure.note
    assert sum(trace["type"] == "scatter" for trace in drawn["data"]) == 3


def test_the_cash_flow_ends_at_the_net_present_value():
    item = make_investment("bidirectional", "smart", 4000.0)
    assert cumulative(item.cash_flow, item.discount_rate)[-1] == pytest.approx(item.npv)
    figure = cash_flow((item, make_investment("smart", "uncontrolled", 100.0)), "USD", "cash")
    assert "not all of it pays back" in figure.title
    assert "never above zero" in figure.summary


def test_the_tornado_tells_both_results_of_every_assumption():
    figure = tornado(make_sensitivity(), "USD", "tornado")
    low, high = [trace for trace in decoded(figure.spec)["data"] if trace["type"] == "scatter"]
    assert list(low["x"]) == [210.0, 990.0, 700.0]
    assert list(high["x"]) == [1490.0, 260.0, 870.0]
    assert (
        "wear [USD/kWh]: 990.00 at 0.02, 260.00 at 0.1" in figure.summary or "990 at 0.02, 260 at 0.1" in figure.summary
    )
    assert "most of all price spread" in figure.title


def test_plug_in_share_counts_chargers_by_local_hour(result):
    grid, trace = result.inputs.grid, result.cases[0].outcomes[0].run.trace
    every = np.ones(grid.periods, dtype=np.bool_)
    hours = by_hour(grid.local.hour.astype(float), grid, every)
    assert hours == pytest.approx(np.arange(24.0))
    figure = plug_in_share(trace, grid, "plug")
    busy = (trace.evse_stay >= 0).mean()
    assert f"{100 * busy:.1f} % of chargers are occupied" in figure.summary


def sentence(case, inputs):
    text = ""
    for phrase in answer(case, inputs):
        text += phrase.text if not text or phrase.text[0] in ",;." else f" {phrase.text}"
    return text


def shifted(case, **wear):
    """The case with the wear of some strategies raised, so that the answer must change its words."""
    outcomes = tuple(
        replace(o, wear_cost=o.wear_cost + wear.get(o.run.key, 0.0)) if o.run.key in wear else o for o in case.outcomes
    )
    return replace(case, outcomes=outcomes)


def test_the_answer_says_saves_costs_or_next_to_nothing(result):
    inputs = result.inputs
    base = replace(result.cases[0], outcomes=result.cases[0].outcomes[:1])
    first = base.outcomes[0]
    same = [replace(first, run=replace(first.run, strategy=key)) for key in ("smart", "bidirectional")]
    case = replace(base, outcomes=(first, *same))
    assert sentence(case, inputs).count("changes next to nothing") == 2
    dear = shifted(case, bidirectional=100.0)
    assert "feeding energy back costs 3,650 USD a year more than smart charging (457 USD per charger)" in sentence(
        dear, inputs
    )
    good = shifted(case, uncontrolled=50.0, smart=0.0, bidirectional=-10.0)
    text = sentence(good, inputs)
    assert text.startswith("Smart charging saves 1,830 USD a year against uncontrolled charging")
    assert "feeding energy back saves another 365 USD a year on top of smart charging" in text
    assert text.endswith("before the price of equipment.")


def test_the_four_figures_of_the_answer(result):
    found = {key.label: key for key in keys(result.cases[0], result.inputs)}
    assert len(found) == 4
    missed = next(key for label, key in found.items() if label.startswith("Energy that drivers missed"))
    assert missed.value == "none" or "kWh" in missed.value


def test_equipment_that_cannot_pay_is_called_so(result):
    lines = equipment(result.cases[0], result.inputs)
    assert "pays for itself after 7.4 years" in lines[0]
    assert "does not pay for itself at any charger price" in lines[2]


def luminance(colour):
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one, other):
    """Contrast ratio of WCAG 2.1."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("theme", "page"), [(LIGHT, "#ffffff"), (DARK, "#15181c")])
def test_text_and_lines_stand_out_from_the_page(theme, page):
    for name in ("ink", "muted", "uncontrolled", "smart", "bidirectional", "limit", "less", "more", "carbon"):
        needed = 3.0 if name == "bidirectional" else 4.5
        assert contrast(theme[name], page) >= needed, name


# Machado, Oliveira & Fernandes (2009), doi 10.1109/TVCG.2009.113, severity 1.0, on linear RGB
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(linear):
    """CIE Lab of a linear RGB colour, white D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    x, y, z = np.cbrt(np.maximum(xyz / np.array([0.9505, 1.0, 1.089]), 1e-6))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("kind", DEFICIENCIES)
def test_strategies_and_signs_can_be_told_apart_without_full_colour_vision(theme, kind):
    def seen(name):
        channels = np.array([int(theme[name][k : k + 2], 16) / 255 for k in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return lab(np.clip(np.array(DEFICIENCIES[kind]) @ linear, 0.0, 1.0))

    for one, other in (
        ("uncontrolled", "smart"),
        ("uncontrolled", "bidirectional"),
        ("smart", "bidirectional"),
        ("less", "more"),
    ):
        assert np.linalg.norm(seen(one) - seen(other)) > 15.0, (one, other)
