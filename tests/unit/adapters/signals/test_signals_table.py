"""Tables of prices: units, time zones, days of 23 and 25 hours, gaps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.adapters.signals.settings import SignalSettings
from bothways.adapters.signals.table import prices_over, rows_of_csv, rows_of_json, table_of
from bothways.domain.errors import DomainError, InputError
from bothways.domain.timegrid import TimeGrid

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
START = datetime(2026, 6, 1, tzinfo=UTC)


def settings(**more: Any) -> SignalSettings:
    return SignalSettings.model_validate({"unit": "currency/kWh", **more})


def table(rows: list[dict[str, Any]], **more: Any) -> Any:
    return table_of(rows, settings(**more), "test")


def hourly(values: list[float], start: datetime = START) -> list[dict[str, Any]]:
    return [{"start": (start + index * HOUR).isoformat(), "price": value} for index, value in enumerate(values)]


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [("currency/kWh", 0.25, 0.25), ("currency/MWh", 250.0, 0.25), ("cents/kWh", 25.0, 0.25)],
)
def test_units_are_converted(unit: str, value: float, expected: float) -> None:
    assert table(hourly([value] * 3), unit=unit).price.tolist() == pytest.approx([expected] * 3)


def test_wrong_units_are_noticed() -> None:
    with pytest.raises(InputError, match="read as currency/kWh"):
        table(hourly([85.0, 90.0]))
    with pytest.raises(InputError, match=r"exceed 0\.001"):
        table(hourly([0.2] * 6), unit="currency/MWh")
    assert table(hourly([0.0] * 6), unit="currency/MWh").price.max() == 0.0  # a free day is no wrong unit
    assert table(hourly([31.0]), plausible_per_kwh=(-100.0, 100.0)).price[0] == 31.0
    with pytest.raises(InputError, match="carbon_unit"):
        table([{**row, "co2": 300} for row in hourly([0.1])], carbon="co2")
    with pytest.raises(InputError, match="0 to 3 kg/kWh"):
        table([{**row, "co2": 300} for row in hourly([0.1])], carbon="co2", carbon_unit="kg/kWh")
    with pytest.raises(ValueError, match="unit"):
        SignalSettings.model_validate({})


def test_carbon_and_export_come_along() -> None:
    rows = [{**row, "co2": "300", "sold": "0.05"} for row in hourly([0.1, 0.2])]
    more = {"carbon": "co2", "carbon_unit": "g/kWh", "export": "sold"}
    prices = prices_over(table(rows, **more), TimeGrid(START, HOUR, 2), settings(**more), "x")
    assert (prices.import_price, prices.export_price) == ((0.1, 0.2), (0.05, 0.05))
    assert prices.co2_kg_per_kwh == pytest.approx((0.3, 0.3))
    flat = settings(export_per_kwh=0.07)
    assert prices_over(table_of(rows, flat, "x"), TimeGrid(START, HOUR, 2), flat, "x").export_price == (0.07, 0.07)


def local_day(day: date, step: timedelta) -> tuple[TimeGrid, list[dict[str, Any]]]:
    """A local day as published: local times without offset, in order."""
    grid = TimeGrid.for_days(day, day, step, "Europe/Amsterdam")
    local = ZoneInfo("Europe/Amsterdam")
    rows = [
        {"start": grid.instant(index).astimezone(local).strftime("%Y-%m-%d %H:%M"), "price": 0.1 + index / 1000}
        for index in range(grid.periods)
    ]
    return grid, rows


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
@pytest.mark.parametrize("step", [HOUR, QUARTER])
def test_days_of_23_and_25_hours_in_local_time(day: date, hours: int, step: timedelta) -> None:
    grid, rows = local_day(day, step)
    assert len(rows) == hours * (HOUR // step)
    read = table(rows, tz="Europe/Amsterdam")
    prices = prices_over(read, grid, settings(), "x")
    assert prices.import_price == pytest.approx([row["price"] for row in rows])


def test_a_local_time_that_does_not_exist_is_refused() -> None:
    rows = [{"start": "2026-03-29 02:30", "price": 0.1}]
    with pytest.raises(InputError, match="exists in Europe/Amsterdam"):
        table(rows, tz="Europe/Amsterdam")
    with pytest.raises(InputError, match="an offset"):
        table(rows)
    with pytest.raises(DomainError):
        table(rows, tz="Europe/Nowhere")


def test_instants_in_several_forms() -> None:
    for start in ("2026-06-01T00:00:00Z", "2026-06-01T02:00+02:00", START.timestamp(), START.timestamp() * 1000):
        assert table([{"start": start, "price": 0.1}]).start_s[0] == int(START.timestamp())
    with pytest.raises(InputError, match="twice"):
        table(hourly([0.1]) * 2)


def test_finer_and_coarser_grids() -> None:
    read = table(hourly([0.1, 0.3, 0.5, 0.7]))
    quarters = prices_over(read, TimeGrid(START, QUARTER, 8), settings(), "x")
    assert quarters.import_price == pytest.approx([0.1] * 4 + [0.3] * 4)
    pairs = prices_over(read, TimeGrid(START, 2 * HOUR, 2), settings(), "x")
    assert pairs.import_price == pytest.approx([0.2, 0.6])


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=30), st.integers(0, 7), st.integers(1, 12))
def test_money_over_a_grid_is_money_over_the_table(values: list[float], offset: int, periods: int) -> None:
    """Resampling keeps the integral of the price."""
    start, step = START + offset * QUARTER, timedelta(minutes=20)
    end = start + periods * step
    if end > START + len(values) * HOUR:
        return
    rows = [{**row, "price": row["price"] + 1.5} for row in hourly(values)]
    prices = prices_over(table(rows), TimeGrid(start, step, periods), settings(), "x")
    minutes = [(start + timedelta(minutes=minute) - START) // HOUR for minute in range(20 * periods)]
    assert sum(prices.import_price) * 20 == pytest.approx(sum(values[hour] + 1.5 for hour in minutes))


def test_gaps_are_gaps() -> None:
    rows = hourly([0.1] * 6)
    del rows[3]
    read = table(rows)
    with pytest.raises(InputError, match="none for 2026-06-01T03:00Z"):
        prices_over(read, TimeGrid(START, HOUR, 6), settings(), "x")
    with pytest.raises(InputError, match="none for"):
        prices_over(read, TimeGrid(START - HOUR, HOUR, 2), settings(), "x")
    assert prices_over(read, TimeGrid(START, HOUR, 3), settings(), "x").import_price == (0.1,) * 3


def test_what_is_not_published_yet_as_on_the_day_before() -> None:
    grid, rows = local_day(date(2026, 10, 25), HOUR)
    more = {"tz": "Europe/Amsterdam", "beyond": "yesterday"}
    longer = TimeGrid(grid.start, HOUR, grid.periods + 24, "Europe/Amsterdam")
    prices = prices_over(table(rows, **more), longer, settings(**more), "x")
    after = prices.import_price[25:]
    by_local_hour = {int(row["start"][11:13]): row["price"] for row in reversed(rows)}  # the earlier of the two 02:00
    assert after == pytest.approx([by_local_hour[hour] for hour in range(24)])
    assert "24 of 49 intervals as on the day before" in prices.source
    far = TimeGrid(grid.start + timedelta(days=30), HOUR, 2, "Europe/Amsterdam")
    with pytest.raises(InputError):
        prices_over(table(rows, **more), far, settings(**more), "x")


def test_rows_of_text_and_json() -> None:
    assert rows_of_csv("\ufeffstart;price\n2026;1,5\n") == [{"start": "2026", "price": "1,5"}]
    assert rows_of_json(b'{"a":[{"b":[{"x":1}]}]}', "a.0.b", "t") == [{"x": 1}]
    for wrong in (b"<html>", b'{"a":1}', b'{"a":[1]}'):
        with pytest.raises(InputError):
            rows_of_json(wrong, "a", "t")
    for rows in ([], [{"time": "2026-06-01T00:00Z", "price": 1}], [{"start": "x", "price": "y"}]):
        with pytest.raises(InputError):
            table(rows)
