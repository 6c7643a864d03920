"""``bothways bill``: what does this load cost under this tariff?"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from bothways.adapters.files.series import Series
    from bothways.tariffs.bill import Bill
    from bothways.tariffs.structure import Tariff
    from bothways.tariffs.urdb import ImportedTariff

_T = TypeVar("_T")

LARGEST_KW = 10_000.0
"""Largest load that is believed without being told [kW]; a building's load in W is above it."""

LARGEST_HOME_KW = 1_000.0
"""The same under a residential tariff [kW]."""

_TITLES = {
    "energy": "energy", "demand_tou": "demand (time of use)", "demand_flat": "demand (flat)", "fixed": "fixed",
    "export_credit": "export credit", "other": "other",
}  # fmt: skip
_NAME_THE_ZONE = "If the times have no offset and follow daylight saving, name their zone: --tz America/Los_Angeles."
_OFFSET = re.compile(r"(Z|z|[+-]\d{2}(?::?\d{2})?)\s*$")
_PRIOR = re.compile(r"\s*(?:(\d{4}-\d{2})\s*=)?\s*(\d+(?:\.\d+)?)\s*")


def bill(
    tariff: Annotated[Path, typer.Option(help="Tariff in OpenEI URDB JSON.", show_default=False)],
    load: Annotated[Path, typer.Option(help="CSV with timestamp and load_kw; negative is export.", show_default=False)],
    tz: Annotated[str | None, typer.Option(help="Time zone of local timestamps and of the tariff's hours.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the bill as JSON and nothing else.")] = False,
    detail: Annotated[bool, typer.Option("--detail", help="Also show energy and what 'other' is made of.")] = False,
    prior_peaks: Annotated[
        str | None, typer.Option(help="Peaks of earlier months for ratchets in kW: 310,280 or 2017-11=310,2017-12=280.")
    ] = None,
    prices: Annotated[Path | None, typer.Option(help="CSV of prices, where the tariff has a price series.")] = None,
    price_column: Annotated[str, typer.Option(help="Column of the prices.")] = "price",
    generation_column: Annotated[
        str | None, typer.Option(help="Column of generation (kW) in the load's CSV, for buy-all-sell-all.")
    ] = None,
    max_kw: Annotated[float | None, typer.Option(help="Largest load that is plausible, in kW.", min=0.001)] = None,
) -> None:  # fmt: skip
    """Bills a load under a tariff, by month and component.

    Timestamps are ISO-8601, with an offset or local to --tz; load_kw is the mean over the interval that begins there.
    """
    inputs = _read_all(tariff, load, tz, prior_peaks, (prices, price_column), generation_column, max_kw)
    _print(_computed(load, inputs), inputs.tariff, inputs.warnings, as_json=json, detail=detail)


@dataclass(frozen=True)
class _Inputs:
    tariff: Tariff
    series: Series
    peaks: dict[str, float] | tuple[float, ...]
    price: Series | None
    generation: Series | None
    warnings: list[str]


def _read_all(
    tariff: Path, load: Path, tz: str | None, prior_peaks: str | None, prices: tuple[Path | None, str],
    generation_column: str | None, max_kw: float | None,
) -> _Inputs:  # fmt: skip
    """Reads everything and raises the problems of all inputs together."""
    from bothways.adapters.files.series import read_series  # noqa: PLC0415
    from bothways.domain.errors import InputError, Problem  # noqa: PLC0415
    from bothways.domain.timegrid import month_label  # noqa: PLC0415
    from bothways.tariffs.plausibility import doubtful_series  # noqa: PLC0415

    problems: list[Problem] = []
    imported = _tried(problems, lambda: _read_tariff(tariff))
    known = imported.tariff if imported is not None else None
    peaks = _tried(problems, lambda: _prior_peaks(prior_peaks)) or ()
    local = _tried(problems, lambda: _zone(load, tz, known)) or "UTC"  # with a faulty zone other problems still show
    most = max_kw or _largest(known)

    floating = tz is None and (known is None or known.timezone is None)
    hint = _NAME_THE_ZONE if floating else ""

    def column(path: Path, name: str, limits: tuple[float, float], quantity: str, remedy: str) -> Series:
        named = {name: remedy, "timestamp": "Call the column of times timestamp."}
        with _options_named():
            return read_series(
                path, name, tz=local, plausible=limits, quantity=quantity, column_remedies=named, order_hint=hint
            )

    fixed = "The column of the load must be called load_kw (in kW): rename it."
    series = _tried(problems, lambda: column(load, "load_kw", (-most, most), "load [kW]", fixed))
    generation = None
    if (pv := generation_column) is not None:
        what = f"{pv.removesuffix('_kw')} [kW]"
        generation = _tried(
            problems, lambda: column(load, pv, (0.0, most), what, "Name the column with --generation-column.")
        )
    path, name = prices
    price = None
    if path is not None:
        quantity, option = "price per kWh or MWh", "Name the column with --price-column."
        price = _tried(problems, lambda: column(path, name, (-1e6, 1e6), quantity, option))
    if peaks and series is not None:
        first = month_label(int(series.grid.local.month_index[0]))
        _tried(problems, lambda: _check_prior_peaks(peaks, first))
    if known is not None:
        problems.extend(_price_problems(tariff, known, given=path is not None))
    if problems or imported is None or series is None:
        raise InputError(list(dict.fromkeys(problems)))
    warnings = [*imported.warnings, *series.warnings, *(price.warnings if price is not None else ())]
    if price is not None:
        warnings.extend(f"{path}: {text}" for text in doubtful_series(imported.tariff, price.values))
    warnings.extend(_zone_warnings(load, tz, local, imported.tariff))
    return _Inputs(imported.tariff, series, peaks, price, generation, warnings)


def _computed(load: Path, inputs: _Inputs) -> Bill:
    from bothways.adapters.files.series import resample  # noqa: PLC0415
    from bothways.domain.errors import DomainError, InputError, Problem  # noqa: PLC0415
    from bothways.tariffs.billing import compute_bill  # noqa: PLC0415

    grid = inputs.series.grid
    price = None if inputs.price is None else resample(inputs.price, grid).values
    try:
        return compute_bill(
            inputs.tariff,
            grid,
            inputs.series.values,
            prior_peaks=inputs.peaks,
            price_series=price,
            generation_kw=None if inputs.generation is None else inputs.generation.values,
        )
    except DomainError as error:
        remedy = "Correct the value, the load or the tariff."
        raise InputError([Problem(str(load), str(error), "a load that the tariff can bill", remedy)]) from error


def _tried(problems: list[Any], read: Callable[[], _T]) -> _T | None:
    """Runs one step of reading; its problems are collected with those of the others."""
    from bothways.domain.errors import InputError  # noqa: PLC0415

    try:
        return read()
    except InputError as error:
        problems.extend(error.problems)
        return None


@contextmanager
def _options_named() -> Iterator[None]:
    """Words remedies about time zones with the option of this command."""
    from bothways.domain.errors import InputError  # noqa: PLC0415
    from bothways.mobility.cells import ALLOWED, Fault  # noqa: PLC0415

    remedies = {
        ALLOWED[Fault.NO_OFFSET][1]: "Add the offset (or Z), or name their zone: --tz America/Los_Angeles.",
        ALLOWED[Fault.NO_SUCH_LOCAL_TIME][1]: (
            "If the times have no daylight saving, name a fixed zone: --tz Etc/GMT+8 (8 h behind UTC)."
        ),
    }
    try:
        yield
    except InputError as error:
        told = [replace(problem, remedy=remedies.get(problem.remedy, problem.remedy)) for problem in error.problems]
        raise InputError(told) from error


def _read_tariff(path: Path) -> ImportedTariff:
    from bothways.adapters.files.reading import read_json  # noqa: PLC0415
    from bothways.tariffs.urdb import tariff_from_urdb  # noqa: PLC0415

    return tariff_from_urdb(read_json(path), name_of_source=str(path))


def _prior_peaks(text: str | None) -> dict[str, float] | tuple[float, ...]:
    """Reads ``310,280`` (oldest first, the last is the month before the load) or ``2017-11=310,2017-12=280``."""
    from bothways.domain.errors import InputError, Problem  # noqa: PLC0415

    if text is None:
        return ()
    matches = [_PRIOR.fullmatch(part) for part in text.split(",")]
    found = [match for match in matches if match is not None]
    named = [match for match in found if match[1]]
    if len(found) < len(matches) or len(named) not in {0, len(found)}:
        allowed = "peaks [kW], oldest first: 310,280 or with months: 2017-11=310,2017-12=280"
        raise InputError([Problem("--prior-peaks", text, allowed, "Separate them by commas; use a decimal point.")])
    if named:
        return {match[1]: float(match[2]) for match in named}
    return tuple(float(match[2]) for match in found)


def _check_prior_peaks(peaks: dict[str, float] | tuple[float, ...], first: str) -> None:
    from bothways.domain.errors import DomainError, InputError, Problem  # noqa: PLC0415
    from bothways.tariffs.demand import prior_months  # noqa: PLC0415

    try:
        prior_months(peaks, first)
    except DomainError as error:
        allowed = f"peaks of months before {first}, the first of the load"
        raise InputError([Problem("--prior-peaks", str(error), allowed, "Leave the others out.")]) from error


def _zone(load: Path, tz: str | None, tariff: Tariff | None) -> str:
    """The zone of timestamps without offset and of the schedules: --tz, the tariff's, or the clock of the load.

    Without any zone the clock is taken as it is written in the file, without daylight saving, and a warning says so.
    """
    from bothways.adapters.files.tables import read_numbered_table  # noqa: PLC0415
    from bothways.domain.errors import DomainError, InputError, Problem  # noqa: PLC0415
    from bothways.domain.timegrid import zone  # noqa: PLC0415

    if tz is not None:
        try:
            zone(tz)
        except DomainError as error:
            remedy = "Give a name such as America/Los_Angeles."
            raise InputError([Problem("--tz", repr(tz), "an IANA time zone", remedy)]) from error
        return tz
    if tariff is not None and tariff.timezone is not None:
        return tariff.timezone
    frame = read_numbered_table(load).frame
    stamps = frame["timestamp"].cast(str).unique().to_list() if "timestamp" in frame.columns else []
    ends = {match[1].upper() for stamp in stamps if stamp and (match := _OFFSET.search(stamp[10:]))}
    offsets = {"+00" if end == "Z" else end.replace(":", "").removesuffix("00") or "+00" for end in ends}
    if offsets <= {"+00", "-00"}:
        return "UTC"
    (offset,) = offsets if len(offsets) == 1 else ("several",)
    if re.fullmatch(r"[+-]\d{2}", offset) and -12 <= int(offset) <= 14:
        return f"Etc/GMT{-int(offset):+d}"
    found = f"UTC offsets {', '.join(sorted(ends))}"
    remedy = "Say in which zone the tariff's hours are: --tz America/Los_Angeles."
    raise InputError([Problem(str(load), found, "one offset in whole hours where no --tz is given", remedy)])


def _zone_warnings(load: Path, tz: str | None, local: str, tariff: Tariff) -> list[str]:
    if tz is not None and tariff.timezone is not None and tz != tariff.timezone:
        return [f"timestamps are read in {tz}, but the tariff's hours are those of {tariff.timezone}"]
    if tz is None and tariff.timezone is None:
        return [f"{load}: no --tz is given, so the tariff's hours are those of the file's clock ({local}), always"]
    return []


def _largest(tariff: Tariff | None) -> float:
    """Largest plausible load [kW]: twenty times what the tariff is meant for, within limits."""
    if tariff is None:
        return LARGEST_KW
    if tariff.sector.casefold() == "residential":
        return LARGEST_HOME_KW
    meant = tariff.capacity_kw[1]
    return min(max(20.0 * meant, LARGEST_HOME_KW), LARGEST_KW) if math.isfinite(meant) else LARGEST_KW


def _price_problems(path: Path, tariff: Tariff, *, given: bool) -> list[Any]:
    from bothways.domain.errors import Problem  # noqa: PLC0415

    if tariff.price_series is not None and not given:
        remedy = "Add --prices FILE (columns timestamp and price)."
        return [Problem("--prices", "nothing", "a CSV of prices, as the tariff has a price series", remedy)]
    if tariff.price_series is None and given:
        remedy = 'Add "bothways": {"price_series": {"factor": 0.001}} to the tariff, or leave --prices out.'
        return [Problem(f"{path}: bothways.price_series", "nothing", "a rule for the prices given", remedy)]
    return []


def _print(computed: Bill, tariff: Tariff, warnings: list[str], *, as_json: bool, detail: bool) -> None:
    for warning in dict.fromkeys(warnings):
        typer.echo(f"warning: {warning}", err=True)
    if as_json:
        import json  # noqa: PLC0415

        content = computed.as_dict()
        if detail:
            content = _detailed(computed, content)
        else:
            for note in computed.notes:
                typer.echo(f"note: {note}", err=True)
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))
        return
    _print_table(computed, tariff, detail=detail)


def _detailed(computed: Bill, content: dict[str, Any]) -> dict[str, object]:
    for row, month in zip(content["months"], computed.months, strict=True):
        row["billed_kw"] = round(month.billed_kw, 6)
        row["import_kwh"] = round(month.import_kwh, 6)
        row["export_kwh"] = round(month.export_kwh, 6)
        row["complete"] = month.complete
        row["lines"] = [{"name": line.name, "amount": round(line.amount, 6)} for line in month.lines]
    return {**content, "notes": list(computed.notes)}


def _print_table(computed: Bill, tariff: Tariff, *, detail: bool) -> None:
    """The bill for a person: a row for each month, a column for each component that occurs."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.measure import Measurement  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    rows = computed.rounded()
    shown = [name for name in _TITLES if name == "energy" or any(row[name] for row in rows)]
    title = " · ".join(part for part in (tariff.utility, tariff.name) if part)
    table = Table(title=Text(title) if title else None, box=SIMPLE_HEAD, show_footer=True, title_justify="left")
    table.add_column("month", footer="total", no_wrap=True)
    if detail:
        energy = sum(month.import_kwh for month in computed.months), sum(month.export_kwh for month in computed.months)
        for name, total in zip(("import kWh", "export kWh"), energy, strict=True):
            table.add_column(name, justify="right", footer=f"{total:,.1f}", no_wrap=True)
    for name in (*shown, "total"):
        heading = _TITLES.get(name, f"total {computed.currency}")
        table.add_column(heading, justify="right", footer=f"{sum(row[name] for row in rows):,.2f}", no_wrap=True)
    table.add_column("peak kW", justify="right", no_wrap=True)
    for row, month in zip(rows, computed.months, strict=True):
        energies = [f"{month.import_kwh:,.1f}", f"{month.export_kwh:,.1f}"] if detail else []
        amounts = [f"{row[name]:,.2f}" for name in (*shown, "total")]
        table.add_row(month.month, *energies, *amounts, f"{month.peak_kw:,.2f}")
    console = Console(highlight=False)
    needed = Measurement.get(console, console.options.update(max_width=1_000), table).maximum
    if needed > console.width:  # a bill is never cut off
        console = Console(highlight=False, width=needed)
    console.print(table)
    if detail:
        totals: dict[str, float] = {}
        for month in computed.months:
            for line in month.lines:
                totals[line.name] = totals.get(line.name, 0.0) + line.amount
        for name, amount in totals.items():
            console.print(Text(f"other: {name} {amount:,.2f} {computed.currency}"))
    for note in computed.notes:
        console.print(Text(f"note: {note}"))
