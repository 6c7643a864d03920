"""From history and tariff to what the planner pays for; forecasts; the planning desk."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.operations.ports import Prices
from bothways.operations.site.history import StepHistory, history_from
from bothways.operations.site.planner import TariffCosts, expected_base, step_start
from bothways.operations.site.settings import LoopOptions, SiteSettings, VehicleAssumption
from bothways.operations.site.signals import PriceBoard
from bothways.tariffs.structure import DemandCharges, DemandTier, EnergyTier, Tariff

NOW = datetime(2026, 6, 3, 8, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
TARIFF = Tariff(
    name="test", energy=((EnergyTier(rate=0.2),),), flat_demand=DemandCharges(periods=((DemandTier(10.0),),))
)


def history(values):
    made = StepHistory(900)
    first = int(NOW.timestamp()) // 900 - len(values)
    made.net = {first + k: value for k, value in enumerate(values)}
    made.base = dict(made.net)
    return made


def test_the_months_metered_peak_is_free():
    grid = TimeGrid(NOW, QUARTER, 8)
    costs = TariffCosts(TARIFF).costs(grid, history([12.0, 40.0, 8.0]), None)
    assert costs.import_price == pytest.approx(np.full(8, 0.2))
    assert [(term.price_per_kw, term.peak_so_far_kw) for term in costs.demand] == [(10.0, 40.0)]
    first = TariffCosts(TARIFF).costs(TimeGrid(datetime(2026, 6, 1, tzinfo=UTC), QUARTER, 8), history([99.0]), None)
    assert first.demand[0].peak_so_far_kw == 0.0  # a new month begins at nothing


def test_a_signal_replaces_the_tariffs_price_and_alone_it_is_all_there_is():
    grid = TimeGrid(NOW, QUARTER, 2)
    signal = Prices(grid, (0.3, 0.4), (0.1, 0.1))
    both = TariffCosts(TARIFF).costs(grid, StepHistory(900), signal)
    assert both.import_price.tolist() == [0.3, 0.4]
    assert len(both.demand) == 1
    alone = TariffCosts(None).costs(grid, StepHistory(900), signal)
    assert alone.export_price.tolist() == [0.1, 0.1]
    assert TariffCosts(None).costs(grid, StepHistory(900), None).import_price.tolist() == [0.0, 0.0]


def test_the_load_is_expected_as_a_week_ago_else_a_day_ago_else_as_now():
    grid = TimeGrid(NOW, QUARTER, 4)
    made = StepHistory(900)
    step = int(NOW.timestamp()) // 900
    made.base = {step + 1 - 672: 7.0, step + 1 - 96: 1.0, step + 2 - 96: 2.0}
    assert expected_base(grid, made, None, 5.0).tolist() == [5.0, 7.0, 2.0, 5.0]
    assert expected_base(grid, made, lambda _: [9.0, 8.0, 7.0, 6.0], 5.0).tolist() == [5.0, 8.0, 7.0, 6.0]
    assert expected_base(grid, made, lambda _: None, 5.0)[1] == 7.0


def test_step_means_close_with_the_step_and_are_remembered():
    made = StepHistory(900)
    closed = [made.add(NOW + timedelta(seconds=60 * k), 60.0, 10.0 + (k > 15), 4.0) for k in range(1, 18)]
    assert [value for value in closed if value is not None] == [int(NOW.timestamp()) // 900]
    assert made.net[int(NOW.timestamp()) // 900] == pytest.approx(10.0)
    assert made.running(NOW + timedelta(seconds=17 * 60)) == pytest.approx((11.0, 120.0))
    assert made.running(NOW - timedelta(days=1)) == (0.0, 0.0)
    again = history_from(made.as_values(), 900)
    assert again.net == made.net
    assert history_from(made.as_values(), 300).net == {}
    assert history_from({"steps": 3}, 900).net == {}


def test_half_a_step_is_not_a_step():
    made = StepHistory(900)
    made.add(NOW + timedelta(seconds=60), 60.0, 10.0, 4.0)
    assert made.add(NOW + timedelta(seconds=960), 60.0, 10.0, 4.0) is None
    assert made.net == {}


def test_steps_are_counted_in_utc():
    assert step_start(NOW + timedelta(minutes=14, seconds=59), 900) == NOW
    grid = TimeGrid(datetime(2026, 10, 25, 22, 0, tzinfo=UTC), QUARTER, 4, "Europe/Berlin")
    assert StepHistory(900).steps_of_month(grid) == 24 * 96 + 96  # October until now, with its hour that came twice


@pytest.mark.asyncio
async def test_prices_are_fetched_once_per_step_and_a_change_is_news():
    class Source:
        def __init__(self):
            self.calls, self.level = 0, 0.1

        async def prices(self, grid):
            self.calls += 1
            return Prices(grid, (self.level,) * grid.periods, (0.0,) * grid.periods)

    source = Source()
    board = PriceBoard(source, LoopOptions(), "UTC")
    assert await board.refresh(NOW)
    assert not await board.refresh(NOW + timedelta(minutes=3))
    assert source.calls == 1
    assert not await board.refresh(NOW + QUARTER)  # a step later the same prices
    source.level = 0.2
    assert await board.refresh(NOW + 2 * QUARTER)
    part = board.over(TimeGrid(NOW + 3 * QUARTER, QUARTER, 4))
    assert part.import_price == (0.2,) * 4
    assert board.over(TimeGrid(NOW, QUARTER, 4)) is None
    assert board.over(TimeGrid(NOW + 2 * QUARTER, QUARTER, 1000)) is None


@pytest.mark.parametrize(
    "changes",
    [{"import_hard_limit_kw": -1.0}, {"stale_share": 2.0}, {"safe_charge_kw": math.inf}, {"tz": "Nowhere"},
     {"phase_imbalance": 0.5}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(changes):
    with pytest.raises(DomainError):
        SiteSettings("site", **changes)


def test_options_and_assumptions_that_make_no_sense_are_refused():
    with pytest.raises(DomainError):
        LoopOptions(tick_s=0.0)
    with pytest.raises(DomainError):
        LoopOptions(order_refresh_s=400.0)
    with pytest.raises(DomainError):
        LoopOptions(ramp_kw_per_min=0.0)
    with pytest.raises(DomainError):
        VehicleAssumption(capacity_kwh=0.0)
    assert LoopOptions().ramp_kw_per_s(1000.0) == pytest.approx(200.0 / 60.0)
    assert LoopOptions().ramp_kw_per_s(10.0) == 1.0
