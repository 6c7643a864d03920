"""Laws that emissions and the attribution of energy keep whatever the flows."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.economics.attribution import SINKS, SOURCES, attribute, energy_ledger
from bothways.economics.emissions import SiteFlows, average_ledger, avoided, marginal_ledger
from bothways.economics.life_cycle import ageing_line

START = datetime(2019, 5, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
power = st.floats(0.0, 1e3)
intensity = st.floats(0.0, 2.0)
steps = st.lists(st.tuples(power, power, st.floats(-100, 100), intensity, intensity), min_size=2, max_size=20)


def _flows(columns, periods):
    grid = TimeGrid(START, QUARTER, periods)
    return SiteFlows(grid, columns[:, 0], columns[:, 1], columns[:, 2])


@given(steps, st.data())
def test_emissions_add_up_over_time(rows, data):
    table = np.array(rows)
    cut = data.draw(st.integers(1, len(rows) - 1))
    parts = [table[:cut], table[cut:]]
    for ledger, column in ((average_ledger, 3), (marginal_ledger, 4)):
        whole = ledger(_flows(table, len(table)), table[:, column])
        split = [ledger(_flows(part, len(part)), part[:, column]) for part in parts]
        assert sum(part.total_kg for part in split) == pytest.approx(whole.total_kg, abs=1e-6)
    average = average_ledger(_flows(table, len(table)), table[:, 3])
    split = [average_ledger(_flows(part, len(part)), part[:, 3]) for part in parts]
    assert sum(part.vehicles_kg for part in split) == pytest.approx(average.vehicles_kg, abs=1e-6)


@given(steps)
def test_splitting_an_interval_keeps_the_emissions(rows):
    table = np.array(rows)
    fine = np.repeat(table, 3, axis=0)
    grid = TimeGrid(START, timedelta(minutes=5), len(fine))
    finer = SiteFlows(grid, fine[:, 0], fine[:, 1], fine[:, 2])
    assert marginal_ledger(finer, fine[:, 4]).total_kg == pytest.approx(
        marginal_ledger(_flows(table, len(table)), table[:, 4]).total_kg, abs=1e-6
    )


@given(steps)
def test_no_flow_no_emissions(rows):
    table = np.array(rows)
    still = _flows(np.zeros((len(rows), 3)), len(rows))
    assert average_ledger(still, table[:, 3]).total_kg == 0.0
    assert average_ledger(still, table[:, 3]).vehicles_kg == 0.0
    assert marginal_ledger(still, table[:, 4]).total_kg == 0.0


@given(steps)
def test_mirrored_flows_mirror_the_marginal_ledger(rows):
    table = np.array(rows)
    mirrored = table[:, [1, 0, 2, 3, 4]]
    mirrored[:, 2] *= -1
    one = marginal_ledger(_flows(table, len(table)), table[:, 4])
    other = marginal_ledger(_flows(mirrored, len(table)), table[:, 4])
    assert other.total_kg == -one.total_kg
    assert (other.import_kg, other.export_credit_kg) == (one.export_credit_kg, one.import_kg)


@given(steps)
def test_average_ledger_is_never_negative_and_ignores_export(rows):
    table = np.array(rows)
    without = table.copy()
    without[:, 1] = 0.0
    ledger = average_ledger(_flows(table, len(table)), table[:, 3])
    assert ledger.total_kg >= 0.0
    assert average_ledger(_flows(without, len(table)), table[:, 3]).total_kg == ledger.total_kg
    assert ledger.building_kg + ledger.vehicles_kg == pytest.approx(ledger.total_kg)


@given(steps, steps, st.floats(-0.01, 0.01))
def test_what_one_avoids_the_other_adds(rows, others, loss):
    size = min(len(rows), len(others))
    one, other = np.array(rows)[:size], np.array(others)[:size]
    signal = one[:, 4]
    a, b = marginal_ledger(_flows(one, size), signal), marginal_ledger(_flows(other, size), signal)
    forth = avoided(a, b, [ageing_line(loss, 60.0, 85.0, "test")])
    back = avoided(b, a, [ageing_line(-loss, 60.0, 85.0, "test")])
    assert forth.operation_kg == -back.operation_kg
    assert forth.net_kg == pytest.approx(-back.net_kg)
    assert avoided(a, a).net_kg == 0.0


sites = st.lists(st.tuples(power, power, power, power, st.floats(0.0, 1.0)), min_size=1, max_size=20)


@given(sites, st.floats(0.05, 1.0))
def test_every_kwh_lies_in_exactly_one_line(rows, step_h):
    load, production, charge, discharge, share = np.array(rows).T
    curtailed = np.minimum(share * production, np.maximum(production + discharge - load - charge, 0.0))
    net = load + charge + curtailed - production - discharge
    imported, exported = np.maximum(net, 0.0), np.maximum(-net, 0.0)
    ledger = energy_ledger(
        step_h,
        load_kw=load,
        production_kw=production,
        charge_kw=charge,
        discharge_kw=discharge,
        import_kw=imported,
        export_kw=exported,
        curtailed_kw=curtailed,
    )
    sources = dict(zip(SOURCES, (production, discharge, imported), strict=True))
    sinks = dict(zip(SINKS, (load, charge, exported, curtailed), strict=True))
    for name, given_kw in sources.items():
        assert ledger.from_source(name) == pytest.approx(given_kw * step_h, abs=1e-6)
    for name, taken_kw in sinks.items():
        assert ledger.to_sink(name) == pytest.approx(taken_kw * step_h, abs=1e-6)
    assert all((values >= 0.0).all() for values in ledger.lines.values())
    assert ledger.totals()["grid", "grid"] == pytest.approx(0.0, abs=1e-6)


@given(st.lists(st.tuples(power, st.floats(0.0, 1.0), st.floats(0.0, 1.0)), min_size=1, max_size=20))
def test_claims_and_the_rest_are_exactly_what_was_there(rows):
    available, first, second = np.array(rows).T
    claims = {"a": available * first, "b": available * (1.0 - first) * second}
    lines = attribute(available, claims)
    assert sum(lines.values()) == pytest.approx(available, abs=1e-9)
    assert (lines["unattributed"] >= 0.0).all()
    with pytest.raises(DomainError, match="twice"):
        attribute(available, {"a": available + 1.0, "b": available})
