"""Screens under many eyes: first paint with 100 charging points, age of what is shown, cost of 200 watchers.

``python benchmarks/screens.py [--watchers 200] [--evses 100] [--seconds 30] [--browser]``

A live system with virtual stations runs in a process of its own. Watchers are raw web sockets that load the site's page
as a browser does and take every update; ``--browser`` adds a real one for the first paint and the age of what it shows.
The cost of watching is the server's processor time with watchers less that without, per second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import re
import secrets
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import websockets

PASSWORD = "four words make passphrases"


async def _world(pipe: Connection, evses: int) -> None:
    from bothways.adapters.clocks import SystemClock
    from bothways.adapters.db.credentials import hash_secret, new_secret
    from bothways.adapters.db.store import open_store
    from bothways.adapters.ocpp.options import GatewayOptions
    from bothways.adapters.simulated.building import Building, SimulatedMeter, SimulatedPrices
    from bothways.adapters.simulated.outlet import Outlet
    from bothways.adapters.simulated.station import StationOptions, VirtualStation
    from bothways.adapters.simulated.vehicle import VirtualVehicle
    from bothways.adapters.trust.passwords import Argon2Hasher
    from bothways.app.live.config import config_from_mapping
    from bothways.app.live.server import LiveServer, Parts
    from bothways.operations.access.roles import Grant, Role
    from bothways.operations.stations import EvseRecord, StationRecord

    folder = Path(tempfile.mkdtemp(prefix="bothways-screens-"))
    site = {"id": "garage", "tz": "Europe/Amsterdam", "import_hard_limit_kw": 500.0, "assumed_load_kw": 60.0,
            "prices": {"import_per_kwh": 0.3}}  # fmt: skip
    config = config_from_mapping(
        {"server": {"port": 0, "web_port": 0, "log_level": "error"}, "store": {"url": f"sqlite:///{folder}/live.db"},
         "tokens": {"accept_any": True}, "site": [site]}, {},
    )  # fmt: skip
    store, clock = await open_store(config.store.url), SystemClock()
    names = {f"CP-{number:03d}": new_secret() for number in range(evses)}
    for name, secret in names.items():
        await store.add_station(StationRecord(name, "garage", (EvseRecord(1, 11.0, 0.0, 4.14),)), hash_secret(secret))
    outlets = [Outlet(1, 11.0, 0.0) for _ in names]
    building = Building(peak_load_kw=60.0, pv_kwp=30.0)
    parts = Parts(
        clock=clock, meters={"garage": SimulatedMeter(building, lambda: outlets, clock, 1.0)},
        signals={"garage": SimulatedPrices(building.tz)}, gateway=GatewayOptions(messages_per_s=200.0),
        hasher=Argon2Hasher(fast=True), screens=True,
    )  # fmt: skip
    live = LiveServer(config, parts, store)
    await live.access.create("watcher", PASSWORD, [Grant(Role.ADMINISTRATOR, "*")])
    await live.start()
    stations = []
    for outlet, (name, secret) in zip(outlets, names.items(), strict=True):
        options = StationOptions(protocol="ocpp2.1", secret=secret, tick_s=1.0, meter_s=5.0)
        url = f"ws://127.0.0.1:{live.port}/ocpp"
        stations.append(VirtualStation(name, url, [outlet], clock, options, rng=random.Random(name)))
    running = [asyncio.create_task(station.run()) for station in stations]
    await asyncio.sleep(4.0)
    for number, station in enumerate(stations):
        if number % 5:
            vehicle = VirtualVehicle(f"T-{number}", 60.0, 20.0 + number % 30, 11.0, min_charge_kw=4.14)
            await station.plug_in(1, vehicle)
    await asyncio.sleep(10.0)
    pipe.send(live.web_port)
    while not pipe.poll():
        await asyncio.sleep(0.2)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await live.stop()
    shutil.rmtree(folder, ignore_errors=True)


def _serve(pipe: Connection, evses: int) -> None:
    asyncio.run(_world(pipe, evses))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Watched:
    def __init__(self) -> None:
        self.open = self.messages = self.bytes = self.lost = 0
        self.marks: dict[str, float] = {}
        self.ages: list[float] = []


async def _watch(url: str, cookie: str, client: httpx.AsyncClient, seen: _Watched, until: asyncio.Event) -> None:
    """Looks until it is told to stop; a connection that the server closed is opened anew, as a browser does."""
    first = True
    while not until.is_set():
        try:
            await _look(url, cookie, client, seen, until, first=first)
        except websockets.ConnectionClosed:
            seen.lost += 1
        first = False


async def _look(
    url: str, cookie: str, client: httpx.AsyncClient, seen: _Watched, until: asyncio.Event, *, first: bool
) -> None:
    html = (await client.get(f"{url}/site/garage")).text
    client_id = re.search(r"client_id[\"']?\s*:\s*[\"']([^\"']+)", html)
    assert client_id is not None, html[:500]
    tab = secrets.token_hex(8)
    asked = f"EIO=4&transport=websocket&client_id={client_id[1]}&document_id=d{tab}&tab_id=t{tab}"
    address = f"{url.replace('http', 'ws')}/_nicegui_ws/socket.io/?{asked}&next_message_id=0&implicit_handshake=true"
    headers = {"Cookie": f"bothways_session={cookie}"}
    async with websockets.connect(
        address, additional_headers=headers, origin=url, max_size=None, open_timeout=60.0
    ) as socket:
        await socket.recv()
        await socket.send("40")
        seen.open += first
        told: set[str] = set()
        while not until.is_set():
            try:
                async with asyncio.timeout(1.0):
                    said = await socket.recv()
            except TimeoutError:
                continue
            if said == "2":
                await socket.send("3")
            elif str(said).startswith("42"):
                seen.messages += 1
                seen.bytes += len(said)
                for mark, since in seen.marks.items():
                    if mark not in told and mark in said:
                        told.add(mark)
                        seen.ages.append(time.perf_counter() - since)


def _raise_any(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done():
            task.result()


def _share(values: list[float], share: float) -> float | None:
    return round(sorted(values)[int(share * (len(values) - 1))], 2) if values else None


async def _sign_in(url: str) -> tuple[str, str]:
    async with httpx.AsyncClient(timeout=20.0) as client:
        answer = await client.post(f"{url}/api/v1/session", json={"name": "watcher", "password": PASSWORD})
        return str(answer.cookies["bothways_session"]), str(answer.json()["csrf_token"])


async def _change(client: httpx.AsyncClient, url: str, token: str, seen: _Watched, count: int) -> None:
    """Overrides that every watcher is shown: from the answer to the change on, its age counts."""
    for number in range(count):
        await asyncio.sleep(2.0 + random.random())
        kw = 401.0 + number
        until = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
        asked = {"kind": "import_limit", "kw": kw, "until": until, "reason": "to be seen"}
        answer = await client.post(
            f"{url}/api/v1/sites/garage/overrides", json=asked, headers={"x-csrf-token": token, "Origin": url}
        )
        assert answer.status_code == 201, answer.text
        seen.marks[f"{kw:.1f} kW"] = time.perf_counter()


async def _measure(url: str, pid: int, watchers: int, seconds: float) -> dict[str, object]:
    cookie, token = await _sign_in(url)
    before, began = _cpu_s(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    alone = (_cpu_s(pid) - before) / (time.perf_counter() - began)
    seen, until = _Watched(), asyncio.Event()
    tasks: list[asyncio.Task[None]] = []
    opening = time.perf_counter()
    client = httpx.AsyncClient(timeout=60.0, cookies={"bothways_session": cookie})
    for number in range(watchers):  # four at a time, as people come
        tasks.append(asyncio.create_task(_watch(url, cookie, client, seen, until)))
        while seen.open < number - 3:
            await asyncio.sleep(0.01)
            _raise_any(tasks)
    while seen.open < watchers:
        await asyncio.sleep(0.1)
        _raise_any(tasks)
    opened = (time.perf_counter() - opening) / watchers
    await asyncio.sleep(5.0)
    before, began, messages, size = _cpu_s(pid), time.perf_counter(), seen.messages, seen.bytes
    changing = asyncio.create_task(_change(client, url, token, seen, max(2, int(seconds / 3.5))))
    await asyncio.sleep(seconds)
    lasted = time.perf_counter() - began
    watched = (_cpu_s(pid) - before) / lasted
    await changing
    await asyncio.sleep(3.0)
    until.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.aclose()
    return {
        "watchers": watchers, "cores_without": round(alone, 3), "cores_with": round(watched, 3),
        "cores_of_watching": round(watched - alone, 3), "s_per_page_opened": round(opened, 3),
        "connections_lost": seen.lost,
        "changes_seen": len(seen.ages), "after_s": {"median": _share(seen.ages, 0.5), "p99": _share(seen.ages, 0.99)},
        "messages_per_s_each": round((seen.messages - messages) / lasted / watchers, 2),
        "kB_per_s_each": round((seen.bytes - size) / lasted / watchers / 1000.0, 2),
    }  # fmt: skip


def _paint(url: str) -> dict[str, object]:
    from playwright.sync_api import sync_playwright

    chromium = next(
        found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.goto(f"{url}/sign-in")
        page.get_by_label("Name").fill("watcher")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.locator("article").first.wait_for()
        paints, whole = [], []
        for _ in range(5):
            began = time.perf_counter()
            page.goto(f"{url}/site/garage")
            page.locator("article").last.wait_for()
            whole.append(time.perf_counter() - began)
            script = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            paints.append(float(page.evaluate(script)) / 1000.0)
        count = page.locator("article").count()
        browser.close()
    return {"cards": count, "first_paint_s": round(statistics.median(paints), 2),
            "all_cards_s": round(statistics.median(whole), 2)}  # fmt: skip


def main() -> None:
    """Runs the benchmark and prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--evses", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--browser", action="store_true")
    asked = parser.parse_args()
    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, asked.evses), daemon=True)
    server.start()
    try:
        if not here.poll(180.0):
            raise SystemExit("the live system did not start")
        url = f"http://127.0.0.1:{here.recv()}"
        told: dict[str, object] = {"evses": asked.evses, "load_average": round(os.getloadavg()[0], 1)}
        if asked.browser:
            told |= _paint(url)
        told |= asyncio.run(_measure(url, server.pid or 0, asked.watchers, asked.seconds))
        print(json.dumps(told, indent=1))
    finally:
        here.send("stop")
        server.join(20.0)
        server.kill()


if __name__ == "__main__":
    main()
