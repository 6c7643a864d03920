import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.economics.emissions import (
    SiteFlows,
    average_ledger,
    avoided,
    conversion_loss_kwh,
    marginal_ledger,
)
from bothways.economics.life_cycle import ageing_line, charger_line, elsewhere_line

GRID = TimeGrid(datetime(2019, 5, 1, tzinfo=UTC), timedelta(minutes=15), 4)


def _flows(imported, exported, charging, grid=GRID):
    return SiteFlows(grid, np.array(imported, float), np.array(exported, float), np.array(charging, float))


FLOWS = _flows([10, 20, 0, 0], [0, 0, 4, 8], [2, 12, -6, -8])
INTENSITY = [0.2, 0.1, 0.5, 0.4]


def test_average_ledger_by_hand():
    ledger = average_ledger(FLOWS, INTENSITY)
    assert ledger.total_kg == pytest.approx(0.25 * (10 * 0.2 + 20 * 0.1))
    # without vehicles: import 8, 8, 2, 0 (the third interval: 0 - 4 + 6)
    assert ledger.building_kg == pytest.approx(0.25 * (8 * 0.2 + 8 * 0.1 + 2 * 0.5))
    assert ledger.building_kg + ledger.vehicles_kg == pytest.approx(ledger.total_kg)
    assert ledger.export_kwh == pytest.approx(3.0)
    assert ledger.export_at_average_kg == pytest.approx(0.25 * (4 * 0.5 + 8 * 0.4))
    assert ledger.import_kwh == pytest.approx(7.5)


def test_marginal_ledger_by_hand():
    ledger = marginal_ledger(FLOWS, INTENSITY)
    assert ledger.import_kg == pytest.approx(1.0)
    assert ledger.export_credit_kg == pytest.approx(1.3)
    assert ledger.total_kg == pytest.approx(-0.3)


def test_export_lowers_only_the_marginal_ledger():
    more_export = _flows(FLOWS.import_kw, FLOWS.export_kw + 5.0, FLOWS.charging_kw)
    assert average_ledger(more_export, INTENSITY).total_kg == average_ledger(FLOWS, INTENSITY).total_kg
    assert marginal_ledger(more_export, INTENSITY).total_kg < marginal_ledger(FLOWS, INTENSITY).total_kg


def test_losses_cost_emissions_because_energy_is_counted_at_the_meter():
    # shift 9 kWh from the dirty last hour to the clean first one, at 90 % each way through the battery
    grid = TimeGrid(datetime(2019, 5, 1, tzinfo=UTC), timedelta(hours=1), 2)
    still = _flows([0.0, 8.1], [0, 0], [0, 0], grid)
    shifted = _flows([10.0, 0.0], [0, 0], [10.0, -8.1], grid)
    assert conversion_loss_kwh(shifted.charging_kw, 1.0, 0.9, 0.9) == pytest.approx(10.0 - 8.1)
    equal = avoided(marginal_ledger(shifted, [0.4, 0.4]), marginal_ledger(still, [0.4, 0.4]))
    assert equal.operation_kg == pytest.approx(-1.9 * 0.4)
    assert "more" in equal.verdict
    clean = avoided(marginal_ledger(shifted, [0.1, 0.4]), marginal_ledger(still, [0.1, 0.4]))
    assert clean.operation_kg == pytest.approx(8.1 * 0.4 - 10 * 0.1)
    assert "less" in clean.verdict


def test_the_two_ledgers_cannot_be_netted():
    average, marginal = average_ledger(FLOWS, INTENSITY), marginal_ledger(FLOWS, INTENSITY)
    with pytest.raises(DomainError, match="never netted"):
        avoided(average, marginal)
    with pytest.raises(TypeError):
        average - marginal


def test_ledgers_of_different_periods_cannot_be_compared():
    other = TimeGrid(datetime(2019, 6, 1, tzinfo=UTC), timedelta(minutes=15), 4)
    shifted = _flows(FLOWS.import_kw, FLOWS.export_kw, FLOWS.charging_kw, other)
    with pytest.raises(DomainError, match="intervals"):
        avoided(marginal_ledger(FLOWS, INTENSITY), marginal_ledger(shifted, INTENSITY))


def test_life_cycle_lines_are_separate_and_may_turn_the_sign():
    reference = marginal_ledger(_flows([10, 20, 10, 10], [0] * 4, [0] * 4), INTENSITY)
    operation = avoided(marginal_ledger(FLOWS, INTENSITY), reference)
    lines = [ageing_line(0.01, 60.0, 100.0, "report"), elsewhere_line(4.0, 0.25, "grid mean")]
    whole = avoided(marginal_ledger(FLOWS, INTENSITY), reference, lines)
    assert operation.operation_kg == whole.operation_kg > 0
    assert [line.kg for line in whole.life_cycle] == pytest.approx([300.0, 1.0])
    assert whole.net_kg == pytest.approx(whole.operation_kg - 301.0)
    assert "more than the reference in the marginal ledger" in whole.verdict


def test_no_difference_is_said():
    ledger = average_ledger(FLOWS, INTENSITY)
    assert avoided(ledger, ledger).verdict == "no difference in the average ledger"


@pytest.mark.parametrize("make", [average_ledger, marginal_ledger])
@pytest.mark.parametrize(
    ("intensity", "word"),
    [([0.1] * 3, "4 values"), ([0.1, 0.2, math.nan, 0.1], "finite"), ([0.1, 300.0, 0.1, 0.1], "g/kWh")],
)
def test_intensity_is_checked(make, intensity, word):
    with pytest.raises(DomainError, match=word):
        make(FLOWS, intensity)


def test_only_a_marginal_intensity_may_be_negative():
    assert marginal_ledger(FLOWS, [-0.1, 0, 0, 0]).import_kg == pytest.approx(-0.25)
    with pytest.raises(DomainError, match="negative"):
        average_ledger(FLOWS, [-0.1, 0, 0, 0])


@pytest.mark.parametrize(
    ("flows", "word"),
    [
        (([-1, 0, 0, 0], [0] * 4, [0] * 4), r"import_kw\[0\]"),
        (([0] * 4, [0, 0, 0, -1], [0] * 4), r"export_kw\[3\]"),
        (([0] * 4, [0] * 4, [0, math.nan, 0, 0]), r"charging_kw\[1\]"),
        (([0] * 5, [0] * 4, [0] * 4), "import_kw"),
    ],
)
def test_flows_are_checked(flows, word):
    with pytest.raises(DomainError, match=word):
        _flows(*flows)


@pytest.mark.parametrize("efficiency", [0.0, 1.01, math.nan])
def test_efficiency_is_checked(efficiency):
    with pytest.raises(DomainError):
        conversion_loss_kwh([1.0], 1.0, efficiency, 0.9)
    with pytest.raises(DomainError):
        conversion_loss_kwh([1.0], 1.0, 0.9, efficiency)


def test_charger_line_spreads_over_life():
    line = charger_line(4, 200.0, "declaration", lifetime_years=10, period_days=36.525)
    assert line.kg == pytest.approx(4 * 200 / 100)
    assert "36.525 days" in line.basis


def test_ageing_line_can_be_a_gain():
    assert ageing_line(-0.002, 60.0, 100.0, "report", end_of_life_loss_fraction=0.3).kg == pytest.approx(-40.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ageing_line(0.01, 60.0, 100.0, ""),
        lambda: ageing_line(0.01, 60.0, 100.0, "x", end_of_life_loss_fraction=0.0),
        lambda: ageing_line(math.nan, 60.0, 100.0, "x"),
        lambda: charger_line(1, 1.0, "x", lifetime_years=0, period_days=1),
        lambda: elsewhere_line(1.0, 400.0, "x"),
    ],
)
def test_life_cycle_lines_refuse(make):
    with pytest.raises(DomainError):
        make()
