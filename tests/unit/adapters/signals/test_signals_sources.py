"""Prices from files that change and from a real local HTTP server that fails."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bothways.adapters.signals.sources import file_prices, http_prices
from bothways.domain.errors import DomainError, InputError
from bothways.domain.timegrid import TimeGrid

START = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRID = TimeGrid(START, HOUR, 3)


class SetClock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Service:
    """What the server answers, and what it was asked."""

    def __init__(self) -> None:
        self.status, self.kind, self.body = 200, "application/json", b""
        self.asked: list[tuple[str, str | None]] = []
        self.address = ""

    def offer(self, *values: float) -> None:
        rows = [{"start": (START + i * HOUR).isoformat(), "price": value} for i, value in enumerate(values)]
        self.body = json.dumps({"data": {"prices": rows}}).encode()


@pytest.fixture
def service() -> Iterator[Service]:
    offered = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            offered.asked.append((self.path, self.headers.get("Authorization")))
            self.send_response(offered.status)
            self.send_header("Content-Type", offered.kind)
            self.send_header("Content-Length", str(len(offered.body)))
            self.end_headers()
            self.wfile.write(offered.body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        offered.address = f"http://127.0.0.1:{server.server_port}/p?secret=abc"
        yield offered
        server.shutdown()
        thread.join()


def settings(service: Service, **more: Any) -> dict[str, Any]:
    return {"unit": "currency/MWh", "address": service.address, "path": "data.prices", "fresh_s": 600, **more}


@pytest.mark.asyncio
async def test_prices_over_http_are_cached(service: Service) -> None:
    clock = SetClock()
    source = http_prices(settings(service, keep_s=7200), clock)
    service.offer(100.0, 200.0, 300.0)
    prices = await source.prices(GRID)
    assert (prices.import_price, prices.source) == (pytest.approx((0.1, 0.2, 0.3)), "127.0.0.1")
    service.offer(110.0, 210.0, 310.0)
    clock.at += timedelta(minutes=5)
    assert (await source.prices(GRID)).import_price[0] == pytest.approx(0.1)
    assert len(service.asked) == 1
    clock.at += timedelta(minutes=10)
    assert (await source.prices(GRID)).import_price[0] == pytest.approx(0.11)
    service.status = 500
    clock.at += timedelta(minutes=30)
    old = await source.prices(GRID)
    assert old.import_price[0] == pytest.approx(0.11)
    assert "fetched 30 min ago, now failing" in old.source
    assert source.age_s() == 1800.0
    assert source.problem == "the server answered 500"
    clock.at += timedelta(hours=3)
    with pytest.raises(InputError, match=r"3.5 h old") as caught:
        await source.prices(GRID)
    assert "abc" not in str(caught.value)
    service.status = 200
    assert (await source.prices(GRID)).source == "127.0.0.1"


@pytest.mark.asyncio
async def test_bad_answers_do_not_replace_good_ones(service: Service) -> None:
    clock = SetClock()
    source = http_prices(settings(service), clock)
    service.offer(100.0, 200.0, 300.0)
    await source.prices(GRID)
    for body in (
        b"<html>busy</html>",
        b'{"data":{"prices":[]}}',
        json.dumps({"data": {"prices": [{"x": 1}]}}).encode(),
    ):
        service.body = body
        clock.at += timedelta(hours=1)
        assert (await source.prices(GRID)).import_price[2] == pytest.approx(0.3)
        assert source.problem
    service.offer(100.0 * 1000, 200.0 * 1000)  # a unit that changed
    clock.at += timedelta(hours=1)
    assert (await source.prices(GRID)).import_price[2] == pytest.approx(0.3)
    assert "unit" in source.problem


@pytest.mark.asyncio
async def test_windows_tokens_and_csv(service: Service, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    service.kind = "text/csv"
    service.body = b"start;price\n" + b"".join(
        f"{(START + i * HOUR).isoformat()};0.{i + 1}\n".encode() for i in range(3)
    )
    address = service.address + "&from={start}&to={end}"
    given = {"unit": "currency/kWh", "address": address, "token_file": "token"}
    source = http_prices(given, SetClock(), folder=tmp_path)
    assert (await source.prices(GRID)).import_price == (0.1, 0.2, 0.3)
    assert service.asked == [("/p?secret=abc&from=2026-06-01T00:00:00Z&to=2026-06-01T03:00:00Z", "Bearer t0ken")]
    await source.prices(TimeGrid(START, HOUR, 2))  # another window is asked for anew
    assert len(service.asked) == 2


@pytest.mark.asyncio
async def test_a_server_that_never_answered(service: Service) -> None:
    service.status = 404
    with pytest.raises(InputError, match=r"nothing was fetched yet \(the server answered 404"):
        await http_prices(settings(service), SetClock()).prices(GRID)
    gone = http_prices(settings(service, address="http://127.0.0.1:9/x", timeout_s=0.5), SetClock())
    with pytest.raises(InputError, match="ConnectError"):
        await gone.prices(GRID)


def write(path: Path, *values: float) -> None:
    rows = [f"{(START + i * HOUR).isoformat()},{value}\n" for i, value in enumerate(values)]
    path.write_text("start,price\n" + "".join(rows))


@pytest.mark.asyncio
async def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    write(path, 0.1, 0.2, 0.3)
    source = file_prices(path, {"unit": "currency/kWh"})
    assert (await source.prices(GRID)).import_price == (0.1, 0.2, 0.3)
    write(path, 0.11, 0.22, 0.33, 0.44)
    prices = await source.prices(GRID)
    assert (prices.import_price, prices.source) == ((0.11, 0.22, 0.33), "prices.csv")
    path.write_text("broken")
    prices = await source.prices(GRID)
    assert prices.import_price == (0.11, 0.22, 0.33)
    assert "last good" in prices.source
    path.unlink()
    assert (await source.prices(GRID)).import_price == (0.11, 0.22, 0.33)
    with pytest.raises(InputError, match="Check the path"):
        await file_prices(path, {"unit": "currency/kWh"}).prices(GRID)


def test_settings_are_checked_whole() -> None:
    with pytest.raises(InputError) as caught:
        http_prices({"adress": "http://x", "unit": "EUR"}, SetClock(), at="site.prices")
    told = str(caught.value)
    assert all(word in told for word in ("site.prices: unit", "adress", "site.prices: address"))
    with pytest.raises(InputError, match="unit"):
        file_prices(Path("x"), {})
    with pytest.raises(DomainError, match="Nowhere"):
        file_prices(Path("x"), {"unit": "currency/kWh", "tz": "Nowhere"})
