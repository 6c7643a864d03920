"""What the port ``SignalSource`` promises, held by made-up and flat prices, by files and by a real server."""

import contextlib
import json
import math
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bothways.adapters.clocks import SystemClock
from bothways.adapters.signals.sources import file_prices, http_prices
from bothways.adapters.simulated.building import SimulatedPrices
from bothways.app.live.sources import FlatPrices
from bothways.domain.errors import InputError
from bothways.domain.timegrid import TimeGrid

pytestmark = pytest.mark.asyncio
TZ = "Europe/Amsterdam"
START = datetime(2026, 3, 28, tzinfo=UTC)
HOURS = 72  # the day of 23 hours lies within
ROWS = [(START + timedelta(hours=hour), 50.0 + hour, 40.0 + hour, 300.0) for hour in range(HOURS)]


@contextlib.contextmanager
def over_http(_):
    body = json.dumps([{"start": at.isoformat(), "price": bought, "co2": co2} for at, bought, _, co2 in ROWS]).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/"
        units = {"unit": "currency/MWh", "carbon": "co2", "carbon_unit": "g/kWh"}
        yield http_prices(units | {"address": address, "fresh_s": 600}, SystemClock())
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def from_a_file(folder):
    lines = [f"{at.isoformat()},{bought},{sold},{co2}" for at, bought, sold, co2 in ROWS]
    path = folder / "prices.csv"
    path.write_text("\n".join(["start,price,sold,co2", *lines]) + "\n", encoding="utf-8")
    yield file_prices(path, {"unit": "currency/MWh", "export": "sold", "carbon": "co2", "carbon_unit": "g/kWh"})


SOURCES = {
    "made up": lambda _: contextlib.nullcontext(SimulatedPrices(TZ)),
    "flat": lambda _: contextlib.nullcontext(FlatPrices(0.3, 0.1)),
    "file": from_a_file,
    "HTTP": over_http,
}


@pytest.fixture(params=list(SOURCES))
def source(request, tmp_path):
    with SOURCES[request.param](tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    "grid",
    [
        TimeGrid(START, timedelta(minutes=15), 4 * 24, TZ),
        TimeGrid(START + timedelta(hours=23), timedelta(hours=1), 23, TZ),
        TimeGrid(START + timedelta(hours=30, minutes=15), timedelta(minutes=5), 12),
    ],
)
async def test_prices_cover_the_grid_and_are_money_per_kilowatt_hour(source, grid):
    prices = await source.prices(grid)
    assert prices.grid == grid
    for values in (prices.import_price, prices.export_price):
        assert len(values) == grid.periods
        assert all(math.isfinite(value) and abs(value) < 2.0 for value in values)
    assert len(prices.co2_kg_per_kwh) in {0, grid.periods}
    assert all(0.0 <= value < 2.0 for value in prices.co2_kg_per_kwh)
    assert prices.source
    again = await source.prices(grid)
    assert (again.import_price, again.export_price) == (prices.import_price, prices.export_price)


async def test_what_a_source_does_not_know_is_a_problem_or_known_and_never_a_hole(source):
    far = TimeGrid(START + timedelta(days=400), timedelta(hours=1), 6, TZ)
    if isinstance(source, FlatPrices | SimulatedPrices):
        prices = await source.prices(far)
        assert all(math.isfinite(value) for value in prices.import_price)
    else:
        with pytest.raises(InputError):
            await source.prices(far)


async def test_a_longer_step_is_the_mean_of_the_shorter_ones(source):
    hourly = await source.prices(TimeGrid(START, timedelta(hours=1), 8))
    quarters = await source.prices(TimeGrid(START, timedelta(minutes=15), 32))
    for hour, price in enumerate(hourly.import_price):
        mean = math.fsum(quarters.import_price[4 * hour : 4 * hour + 4]) / 4.0
        assert price == pytest.approx(mean, abs=1e-9)
