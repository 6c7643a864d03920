"""Rows of stations, needs and facts as the records of the live platform, and back."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import orjson

from bothways.adapters.db.values import clean, from_us, optional_from_us, optional_us, short, to_us
from bothways.operations.stations import DriverNeed, EvseRecord, GridPermission, StationRecord


def station_row(record: StationRecord, secret_hash: str) -> dict[str, Any]:
    """The row of ``station``."""
    return {
        "station_id": short(record.station_id),
        "site_id": short(record.site_id),
        "evses": orjson.dumps([asdict(evse) for evse in record.evses]).decode(),
        "security_profile": record.security_profile,
        "accepted_us": optional_us(record.accepted_at),
        "discharge": record.discharge,
        "model": clean(record.model),
        "secret_hash": secret_hash,
        "previous_hash": "",
        "removed_us": None,
    }


def station_record(row: Any) -> StationRecord:
    """The record of a row of ``station``."""
    return StationRecord(
        station_id=row.station_id,
        site_id=row.site_id,
        evses=tuple(EvseRecord(**evse) for evse in orjson.loads(row.evses)),
        security_profile=row.security_profile,
        accepted_at=optional_from_us(row.accepted_us),
        discharge=row.discharge,
        model=row.model,
    )


def need_row(need: DriverNeed) -> dict[str, Any]:
    """The row of ``need``."""
    body = {
        "ready_us": to_us(need.ready_by),
        "energy_kwh": need.energy_kwh,
        "soc": need.soc,
        "floor_soc": need.floor_soc,
        "discharge_consent": need.discharge_consent,
        "discharge_cap_kwh": need.discharge_cap_kwh if math.isfinite(need.discharge_cap_kwh) else None,
        "charge_now": need.charge_now,
    }
    return {
        "holder": short(need.holder),
        "stated_us": to_us(need.stated_at),
        "need_id": short(need.need_id),
        "body": orjson.dumps(body).decode(),
    }


def driver_need(row: Any) -> DriverNeed:
    """The need of a row of ``need``."""
    body = orjson.loads(row.body)
    cap = body.pop("discharge_cap_kwh")
    return DriverNeed(
        need_id=row.need_id,
        holder=row.holder,
        ready_by=from_us(body.pop("ready_us")),
        stated_at=from_us(row.stated_us),
        discharge_cap_kwh=math.inf if cap is None else cap,
        **body,
    )


def permission_body(permission: GridPermission) -> dict[str, object]:
    """A grid permission as plain values."""
    return {
        "agreement": clean(permission.agreement),
        "export_limit_kw": permission.export_limit_kw,
        "protection": clean(permission.protection),
        "certificates": [[clean(name), to_us(ends)] for name, ends in permission.certificates],
        "islanding": permission.islanding,
    }


def grid_permission(site_id: str, body: dict[str, Any]) -> GridPermission:
    """The permission of what :func:`permission_body` gave."""
    certificates = tuple((name, from_us(ends)) for name, ends in body.pop("certificates"))
    return GridPermission(site_id, certificates=certificates, **body)
