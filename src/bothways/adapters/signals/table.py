"""A table of prices: rows of text become values per interval in UTC, values per interval become prices over a grid."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
from numpy.typing import NDArray

from bothways.adapters.signals.settings import KG_PER_KWH, PER_KWH, SignalSettings
from bothways.domain.errors import InputError, Problem, Problems
from bothways.domain.timegrid import TimeGrid, zone
from bothways.operations.ports import Prices

_LOOK_BACK_DAYS = 7
_TINY_PER_KWH = 0.001
_SUSPECT_ROWS = 6


@dataclass(frozen=True)
class Table:
    """Published values, in time's order.

    Attributes:
        start_s: begin of every interval [s since 1970-01-01T00:00Z].
        end_s: end of every interval; intervals may differ in length and leave gaps.
        price: of import [currency/kWh].
        export: of export [currency/kWh].
        carbon: CO₂ intensity [kg/kWh]; empty where unknown.
    """

    start_s: NDArray[np.int64]
    end_s: NDArray[np.int64]
    price: NDArray[np.float64]
    export: NDArray[np.float64]
    carbon: NDArray[np.float64]


def rows_of_csv(text: str) -> list[dict[str, Any]]:
    """Rows of a CSV text; the separator is the comma or the semicolon, whichever the header has more of."""
    text = text.removeprefix("\ufeff")
    header = text.split("\n", 1)[0]
    separator = ";" if header.count(";") > header.count(",") else ","
    return list(csv.DictReader(io.StringIO(text), delimiter=separator))


def rows_of_json(content: bytes, path: str, at: str) -> list[dict[str, Any]]:
    """Rows of a JSON document.

    Raises:
        InputError: it is no JSON, or has no list of objects at ``path``.
    """
    try:
        found = orjson.loads(content)
        for key in path.split(".") if path else ():
            found = found[int(key)] if isinstance(found, list) else found[key]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        allowed = f"JSON with a list of intervals at {path or 'its root'}"
        raise InputError([Problem(at, str(error) or type(error).__name__, allowed, "Check the path.")]) from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        allowed = "a list of objects, one per interval"
        raise InputError([Problem(at, type(found).__name__, allowed, "Set path to where the list is.")])
    return found


def table_of(rows: Sequence[Mapping[str, Any]], settings: SignalSettings, at: str) -> Table:
    """Reads rows as the settings say.

    Raises:
        InputError: with every row that is wrong, or units that cannot be.
    """
    problems = Problems(at=at)
    if not rows:
        problems.add("", "no rows", "at least one interval", "Check the source.")
    wanted = [name for name in (settings.time, settings.price, settings.export, settings.carbon) if name]
    for name in wanted:
        if rows and name not in rows[0]:
            found = ", ".join(str(key) for key in rows[0])
            problems.add(
                f"column {name}", f"only {found}", "a column of that name", "Name the columns in the settings."
            )
    if settings.carbon and settings.carbon_unit is None:
        problems.add("carbon_unit", "nothing", "g/kWh, kg/kWh or kg/MWh", "State the unit of the CO₂ column.")
    problems.raise_if_any()
    starts = _starts(rows, settings, problems)
    price = _numbers(rows, settings.price, PER_KWH[settings.unit], problems)
    export = _numbers(rows, settings.export, PER_KWH[settings.unit], problems) if settings.export else None
    factor = KG_PER_KWH[settings.carbon_unit] if settings.carbon_unit else 1.0
    carbon = _numbers(rows, settings.carbon, factor, problems) if settings.carbon else np.empty(0)
    problems.raise_if_any()
    _check_plausible(price, settings, problems)
    if export is not None:
        _check_plausible(export, settings, problems)
    if carbon.size and (carbon.min() < 0.0 or carbon.max() > 3.0):
        found = f"{carbon.min():g} to {carbon.max():g} kg/kWh"
        problems.add(f"column {settings.carbon}", found, "0 to 3 kg/kWh", "Check carbon_unit.")
    problems.raise_if_any()
    sold = np.full(price.shape, settings.export_per_kwh) if export is None else export
    return _ordered(starts, price, sold, carbon, problems)


def _ordered(
    starts: NDArray[np.int64],
    price: NDArray[np.float64],
    export: NDArray[np.float64],
    carbon: NDArray[np.float64],
    problems: Problems,
) -> Table:
    order = np.argsort(starts, kind="stable")
    starts = starts[order]
    twice = starts[1:][np.diff(starts) == 0]
    for second in twice[:5]:
        moment = datetime.fromtimestamp(int(second), tz=UTC)
        problems.add("", f"{moment:%Y-%m-%dT%H:%MZ} twice", "every interval once", "Delete the repeated rows.")
    problems.raise_if_any()
    steps = np.diff(starts)
    usual = int(median(steps)) if steps.size else 3600
    # an interval lasts until the next begins, but a gap is a gap: nothing is stretched over it
    ends = np.append(np.minimum(starts[1:], starts[:-1] + usual), starts[-1] + usual)
    return Table(starts, ends, price[order], export[order], carbon[order] if carbon.size else carbon)


def _starts(rows: Sequence[Mapping[str, Any]], settings: SignalSettings, problems: Problems) -> NDArray[np.int64]:
    """Begins of intervals in seconds. Local times that come twice in autumn are told apart by their order."""
    local = zone(settings.tz) if settings.tz else None
    starts = np.zeros(len(rows), np.int64)
    latest: int | None = None
    for index, row in enumerate(rows):
        where = f"row {index + 1}, column {settings.time}"
        found = row.get(settings.time)
        at = _instant(found, local, latest)
        if at is None:
            needs = "an offset" if local is None else "a time that exists in " + str(settings.tz)
            allowed = f"ISO 8601 with {needs}"
            problems.add(where, str(found), allowed, "Set tz where instants are local, or write offsets.")
            continue
        starts[index] = latest = at
    return starts


def _instant(found: Any, local: ZoneInfo | None, latest: int | None) -> int | None:
    """Seconds since 1970 of one instant; ``None`` where it is none, or does not exist in the zone."""
    if isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found):
        return int(found / 1000.0 if abs(found) > 1e11 else found)  # programs count in seconds or in milliseconds
    try:
        at = datetime.fromisoformat(str(found).strip())
    except ValueError:
        return None
    if at.tzinfo is not None:
        return int(at.timestamp())
    if local is None:
        return None
    first, second = (int(at.replace(tzinfo=local, fold=fold).timestamp()) for fold in (0, 1))
    if datetime.fromtimestamp(first, tz=local).replace(tzinfo=None) != at:
        return None  # the clocks skip this time in spring
    return second if latest is not None and first <= latest < second else first


def _numbers(rows: Sequence[Mapping[str, Any]], name: str, factor: float, problems: Problems) -> NDArray[np.float64]:
    values = np.zeros(len(rows))
    for index, row in enumerate(rows):
        try:
            values[index] = float(row[name]) * factor
        except (KeyError, TypeError, ValueError):
            values[index] = math.nan
        if not math.isfinite(values[index]):
            found = str(row.get(name)) or "nothing"
            problems.add(f"row {index + 1}, column {name}", found, "a finite number", "Correct the row.")
    return values


def _check_plausible(price: NDArray[np.float64], settings: SignalSettings, problems: Problems) -> None:
    """A wrong unit is a factor of 100 or 1000: too great for the bounds, or almost nothing everywhere."""
    low, high = settings.plausible_per_kwh
    found = f"{price.min():g} to {price.max():g} per kWh, read as {settings.unit}"
    if price.min() < low or price.max() > high:
        remedy = "Check the unit; where it is right, widen plausible_per_kwh."
        problems.add("unit", found, f"{low:g} to {high:g} per kWh", remedy)
    elif price.size >= _SUSPECT_ROWS and 0.0 < np.abs(price).max() < _TINY_PER_KWH:
        problems.add("unit", found, f"prices that exceed {_TINY_PER_KWH:g} per kWh somewhere", "Check the unit.")


def prices_over(table: Table, grid: TimeGrid, settings: SignalSettings, source: str) -> Prices:
    """Prices over a grid: where the published intervals are shorter, their mean; where longer, theirs.

    Raises:
        InputError: the table does not cover the grid.
    """
    begins, ends = grid.epoch_s, grid.epoch_s + grid.step_s
    covered = _covered(table, begins, ends)
    borrowed = 0
    if not covered.all() and settings.beyond == "yesterday":
        begins, ends, borrowed = _borrowed(table, grid, covered)
        covered = _covered(table, begins, ends)
    if not covered.all():
        gap = grid.instant(int(np.argmin(covered)))
        last = datetime.fromtimestamp(int(table.end_s[-1]), tz=UTC)
        allowed = f"prices for {grid.start:%Y-%m-%dT%H:%MZ} to {grid.end:%Y-%m-%dT%H:%MZ}"
        found = f"none for {gap:%Y-%m-%dT%H:%MZ}; the last ends at {last:%Y-%m-%dT%H:%MZ}"
        remedy = 'Ask for fewer hours, or let beyond = "yesterday" fill what is not published.'
        raise InputError([Problem(source, found, allowed, remedy)])
    said = f"{source}; {borrowed} of {grid.periods} intervals as on the day before" if borrowed else source
    return Prices(
        grid,
        tuple(_means(table, table.price, begins, ends).tolist()),
        tuple(_means(table, table.export, begins, ends).tolist()),
        tuple(_means(table, table.carbon, begins, ends).tolist()) if table.carbon.size else (),
        source=said,
    )


def _borrowed(
    table: Table, grid: TimeGrid, covered: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """For intervals that are not covered, the same local time of the nearest earlier day that is."""
    begins = grid.epoch_s.copy()
    local = zone(grid.tz)
    for index in np.flatnonzero(~covered):
        at = grid.instant(int(index)).astimezone(local)
        for days in range(1, _LOOK_BACK_DAYS + 1):
            earlier = int(
                (at.replace(tzinfo=None) - timedelta(days=days)).replace(tzinfo=local, fold=at.fold).timestamp()
            )
            if _covered(table, np.array([earlier]), np.array([earlier + grid.step_s]))[0]:
                begins[index] = earlier
                break
    return begins, begins + grid.step_s, int(np.count_nonzero(~covered))


def _overlap(table: Table, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Per asked interval, the seconds that it shares with each published one, as (index, seconds) pairs."""
    firsts = np.searchsorted(table.end_s, begins, side="right")
    lasts = np.searchsorted(table.start_s, ends, side="left")
    shared = []
    for first, last, begin, end in zip(firsts, lasts, begins, ends, strict=True):
        places = np.arange(first, last)
        seconds = np.minimum(table.end_s[places], end) - np.maximum(table.start_s[places], begin)
        shared.append(np.stack([places, np.maximum(seconds, 0)]))
    return shared


def _covered(table: Table, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    shared = _overlap(table, begins, ends)
    return np.array([int(part[1].sum()) == end - begin for part, begin, end in zip(shared, begins, ends, strict=True)])


def _means(
    table: Table, values: NDArray[np.float64], begins: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.float64]:
    return np.array([float(np.average(values[part[0]], weights=part[1])) for part in _overlap(table, begins, ends)])
