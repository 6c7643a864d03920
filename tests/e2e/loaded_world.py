"""Virtual stations under load that note every acknowledged message, and the check of a store against their notes.

``BOTHWAYS_LOAD_SPEED`` sets how fast their time runs: stations buffer what a server that is gone cannot take, and where
it is gone for long, as on a busy machine, slower ones leave a backlog that can be worked off.
"""

import os
import random
from collections import Counter

import pytest

from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.adapters.db.store import open_store
from bothways.adapters.simulated.drivers import Driver, Routine
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.operations.stations import EvseRecord, StationRecord

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
SPEED = float(os.environ.get("BOTHWAYS_LOAD_SPEED", "600"))


async def register(database, count):
    """Registers stations at the site ``house``; returns their secrets."""
    store = await open_store(database)
    secrets = {f"CP-{number:03d}": new_secret() for number in range(count)}
    for name, secret in secrets.items():
        await store.add_station(StationRecord(name, "house", (EvseRecord(1, 11.0),)), hash_secret(secret))
    await store.close()
    return secrets


def stations_of(secrets, port, clock, timeout_s=20.0, seed=0):
    """A virtual station for each secret, which keeps a journal of what was acknowledged."""
    stations = []
    for number, (name, secret) in enumerate(secrets.items()):
        options = StationOptions(
            protocol=PROTOCOLS[number % 3], secret=secret, tick_s=120.0, meter_s=300.0, heartbeat_s=3600.0
        )
        station = VirtualStation(
            name, f"ws://127.0.0.1:{port}/ocpp", [Outlet(1, 11.0)], clock, options, rng=random.Random(seed + number)
        )
        station.wire.journal = []
        station.wire.retry_s = (0.05, 0.3)
        station.wire.timeout_s = timeout_s
        stations.append(station)
    return stations


def drivers_of(stations, clock):
    """A driver for each, who stays for 24 minutes and is away for six."""
    routine = Routine(stay_h=0.4, away_h=0.1, trip_kwh=5.0)
    return [
        Driver(f"T-{number}", station, 1, routine, clock, random.Random(number))
        for number, station in enumerate(stations)
    ]


def acknowledged(stations):
    """How many messages were acknowledged so far."""
    return sum(len(station.wire.journal) for station in stations)


def told_by(station):
    """What the station told, by transaction: energy into the vehicle [kWh], and how many starts there were."""
    energy, starts, begun = {}, Counter(), {}
    for action, payload, answer in station.wire.journal:
        if action == "StartTransaction":
            identity = str(answer["transactionId"])
            starts[identity] += 1
            begun[identity] = payload["meterStart"]
        elif action == "StopTransaction":
            identity = str(payload["transactionId"])
            energy[identity] = (payload["meterStop"] - begun[identity]) / 1000.0
        elif action == "TransactionEvent":
            identity = payload["transactionInfo"]["transactionId"]
            starts[identity] += payload["eventType"] == "Started"
            for value in payload.get("meterValue", []):
                register = value["sampledValue"][0]["value"] / 1000.0
                begun.setdefault(identity, register)
                energy[identity] = register - begun[identity]
    return energy, starts


async def check(database, stations):
    """Every acknowledged transaction is there once, energy adds up, no id came twice; returns how many there are."""
    store = await open_store(database)
    try:
        rows = {}
        for row in await store.transactions(limit=1_000_000):
            key = (row.station_id, row.transaction_id)
            assert key not in rows, f"{key} is there twice"
            rows[key] = row
        told = 0
        for station in stations:
            energy, starts = told_by(station)
            assert max(starts.values(), default=1) == 1, "an id was given to two transactions"
            for identity, kwh in energy.items():
                row = rows.pop((station.station_id, identity))
                assert row.ended_at is not None
                assert row.missing == ()
                assert row.energy_import_kwh == pytest.approx(kwh, abs=2e-3)
                told += 1
            assert not station.wire.rejected
        assert not rows, "the store knows transactions that no station told of"
        assert told >= len(stations)
    finally:
        await store.close()
    return told
