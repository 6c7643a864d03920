"""Station administration from the command line: what is asked is checked whole before the store is touched."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar, cast, get_args

from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.adapters.db.store import SqlStore, open_store
from bothways.app.live.config import Config, load_config
from bothways.domain.errors import Problems
from bothways.operations.stations import DischargeMethod, EvseRecord, StationRecord

T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9*\-_=:+|@.]{1,48}")
_LEAST_A = 6.0
_VOLTAGE = 230.0


@dataclass(frozen=True, slots=True)
class StationForm:
    """What ``bothways station add`` was asked for; see its options."""

    station_id: str
    site: str | None
    evses: int
    charge_kw: float
    discharge_kw: float
    min_charge_kw: float | None
    phases: int
    first_phase: int
    discharge: str
    profile: int


def with_store(config: Config, work: Callable[[SqlStore], Awaitable[T]]) -> T:
    """Opens the configured store, does the work, closes it."""

    async def run() -> T:
        store = await open_store(config.store.url)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def record_from(form: StationForm, config: Config) -> StationRecord:
    """The record that a form describes.

    Raises:
        InputError: with every problem of the form.
    """
    problems = Problems(at="station")
    if not _ID.fullmatch(form.station_id):
        allowed = "1 to 48 letters, digits or one of * - _ = : + | @ ."
        problems.add("STATION", form.station_id, allowed, "Choose an id as OCPP allows it.")
    sites = [site.id for site in config.site]
    site = form.site if form.site is not None or len(sites) > 1 else sites[0]
    if site not in sites:
        problems.add("--site", site or "nothing", f"one of {', '.join(sites)}", "Name the station's site.")
    methods = get_args(DischargeMethod)
    if form.discharge not in methods:
        problems.add("--discharge", form.discharge, ", ".join(methods), "Leave it out where discharging is unknown.")
    for name, low, high in (("evses", 1, 50), ("phases", 1, 3), ("first_phase", 1, 3), ("profile", 1, 3)):
        value = getattr(form, name)
        if not low <= value <= high:
            problems.add(f"--{name.replace('_', '-')}", value, f"{low} to {high}", "Correct the number.")
    if not (math.isfinite(form.charge_kw) and 0.0 < form.charge_kw <= 1000.0):
        problems.add("--charge-kw", form.charge_kw, "above 0 and at most 1000 kW", "Give the power in kW, not in W.")
    if not 0.0 <= form.discharge_kw <= 1000.0:
        problems.add("--discharge-kw", form.discharge_kw, "0 to 1000 kW", "Give the power in kW, not in W.")
    if form.discharge == "none" and form.discharge_kw > 0.0:
        remedy = "Say with --discharge how this model is told to discharge."
        problems.add("--discharge-kw", form.discharge_kw, "0 where --discharge is none", remedy)
    least = form.min_charge_kw
    if least is None:
        least = min(_LEAST_A * _VOLTAGE * form.phases / 1000.0, form.charge_kw)
    if not 0.0 <= least <= form.charge_kw:
        problems.add("--min-charge-kw", least, "0 to --charge-kw", "Give the power in kW.")
    problems.raise_if_any()
    evses = tuple(
        EvseRecord(
            number,
            form.charge_kw,
            form.discharge_kw,
            least,
            form.phases,
            (form.first_phase - 1 + number - 1) % 3 + 1,
        )
        for number in range(1, form.evses + 1)
    )
    return StationRecord(
        form.station_id,
        cast("str", site),
        evses,
        security_profile=form.profile,
        discharge=cast("DischargeMethod", form.discharge),
    )


def add_station(path: Path, form: StationForm, *, as_json: bool) -> None:
    """Adds a station and prints its secret, once.

    Raises:
        InputError: any problem of configuration or form, or an id that exists or existed.
    """
    config = load_config(path)
    record = record_from(form, config)
    secret = new_secret()
    with_store(config, lambda store: store.add_station(record, hash_secret(secret)))
    _show_secret(config, record.station_id, secret, as_json=as_json)


def renew_secret(path: Path, station_id: str, *, as_json: bool) -> None:
    """Gives a station a new secret and prints it, once."""
    config = load_config(path)
    secret = new_secret()
    with_store(config, lambda store: store.rotate_secret(station_id, hash_secret(secret)))
    _show_secret(config, station_id, secret, as_json=as_json)


def address(config: Config) -> str:
    """Where stations connect, without their id."""
    scheme = "wss" if config.server.tls_certificate else "ws"
    return f"{scheme}://{config.server.host}:{config.server.port}/ocpp"


def _show_secret(config: Config, station_id: str, secret: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"station_id": station_id, "address": address(config), "secret": secret}))
        return
    print(f"station   {station_id}")
    print(f"address   {address(config)}/{station_id}")
    print(f"secret    {secret}")
    print("The secret is shown this once; only a hash of it is kept. The station's user name is its id.")


def list_stations(path: Path, *, as_json: bool) -> None:
    """Prints all stations."""
    config = load_config(path)
    records = with_store(config, lambda store: store.stations())
    if as_json:
        print(json.dumps([_plain(record) for record in records]))
        return
    if not records:
        print("no stations yet; add one with `bothways station add`")
        return
    print(f"{'station':24} {'site':16} {'EVSEs':>5} {'kW':>7} {'profile':>7}  {'discharge':14} {'accepted':17} model")
    for record in records:
        power = sum(evse.charge_kw for evse in record.evses)
        accepted = f"{record.accepted_at:%Y-%m-%d %H:%M}Z" if record.accepted_at else "never"
        print(
            f"{record.station_id:24} {record.site_id:16} {len(record.evses):5d} {power:7.1f} "
            f"{record.security_profile:7d}  {record.discharge:14} {accepted:17} {record.model}"
        )


def _plain(record: StationRecord) -> dict[str, object]:
    return {
        "station_id": record.station_id,
        "site_id": record.site_id,
        "security_profile": record.security_profile,
        "accepted_at": record.accepted_at.isoformat() if record.accepted_at else None,
        "discharge": record.discharge,
        "model": record.model,
        "evses": [
            {"evse_id": e.evse_id, "charge_kw": e.charge_kw, "discharge_kw": e.discharge_kw, "phases": e.phases}
            for e in record.evses
        ],
    }


def remove_station(path: Path, station_id: str) -> None:
    """Removes a station; what it said stays."""
    config = load_config(path)
    with_store(config, lambda store: store.remove_station(station_id, datetime.now(tz=UTC)))
    print(f"removed {station_id}; its transactions stay, its id is not given again")
