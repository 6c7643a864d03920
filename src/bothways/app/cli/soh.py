"""``bothways soh`` and ``bothways verify``: a battery's record, its signed certificate, and the check of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bothways.battery.health import HealthRecord, Visit

_CHECK_UNITS = "Check that --capacity-kwh is in kWh (not Wh) and that of this battery, and the units of the columns."

_OPTIONAL = ("discharged_kwh", "soc_at_arrival", "soc_at_departure", "temperature_c")


def soh(
    visits: Annotated[
        Path, typer.Argument(help="Table of visits to chargers: arrival, departure, charged_kwh, …", show_default=False)
    ],
    capacity_kwh: Annotated[float, typer.Option("--capacity-kwh", help="Usable capacity when new [kWh], above 0.")],
    battery: Annotated[
        str | None, typer.Option("--battery", help="The vehicle_id to take; needed where the table has several.")
    ] = None,
    charge_efficiency: Annotated[float, typer.Option(help="Stored per AC energy (0.01…1).")] = 0.9,
    discharge_efficiency: Annotated[float, typer.Option(help="AC per stored energy (0.01…1).")] = 0.9,
    soc_error: Annotated[float, typer.Option(help="Standard error of one state of charge (0.0001…0.5).")] = 0.01,
    window_days: Annotated[float, typer.Option(help="Older visits do not tell the capacity [days].")] = 180.0,
    resistance: Annotated[float | None, typer.Option(help="Resistance over new, where measured.")] = None,
    tz: Annotated[str | None, typer.Option("--tz", help="IANA zone of instants without offset.")] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="Write a signed certificate (JSON).", show_default=False)
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Private key that signs (PEM).", show_default=False)] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make that key first, and its public part beside it (.pub).")
    ] = False,
    issuer: Annotated[str, typer.Option("--issuer", help="Who vouches for the certificate.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print the record as JSON and nothing else.")] = False,
) -> None:
    """Tells a battery's state of health from its visits to chargers, and signs a certificate of it.

    Capacity is estimated from visits whose state of charge is known at both ends, with its 95 % interval. First life
    ends at 80 % of new capacity; from there to 70 % a battery serves as a stationary one.
    """
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    from bothways.battery.certificate import payload_of  # noqa: PLC0415
    from bothways.battery.health import Metering, build_record  # noqa: PLC0415

    numbers = {
        "--capacity-kwh": capacity_kwh,
        "--charge-efficiency": charge_efficiency,
        "--discharge-efficiency": discharge_efficiency,
        "--soc-error": soc_error,
        "--window-days": window_days,
        "--resistance": resistance,
    }
    _check_options(numbers, certificate, key, issuer, new_key=new_key)
    name, found = _read_visits(visits, battery, tz, capacity_kwh)
    metering = Metering(
        charge_efficiency=charge_efficiency,
        discharge_efficiency=discharge_efficiency,
        soc_error=soc_error,
        window=timedelta(days=window_days),
    )
    record = build_record(
        name, capacity_kwh, found, metering=metering, resistance_factor=resistance, named="--capacity-kwh"
    )
    payload = payload_of(record, issuer=issuer or "unsigned", issued=datetime.now(UTC).replace(microsecond=0))
    lines: list[str] = []
    if certificate is not None and key is not None:
        lines = _sign(payload, certificate, key, new_key=new_key)
    if json:
        import json as encoder  # noqa: PLC0415

        typer.echo(encoder.dumps(payload, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        typer.echo("\n".join(_record_lines(record) + lines))


def verify(
    certificate: Annotated[Path, typer.Argument(help="Certificate of a battery (JSON).", show_default=False)],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="The issuer's public key (PEM), from the issuer.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON and nothing else.")] = False,
) -> None:
    """Checks a battery's certificate without asking anybody: is it unchanged, and did the issuer sign it?

    Without --public-key only the first is known: anybody can make a key and sign with it.
    """
    from bothways.adapters.files.reading import read_json, shown  # noqa: PLC0415
    from bothways.adapters.trust.ed25519 import fingerprint, read_public_key  # noqa: PLC0415
    from bothways.adapters.trust.ed25519 import verify as check  # noqa: PLC0415
    from bothways.battery.certificate import canonical_bytes, parse_certificate  # noqa: PLC0415

    read = parse_certificate(read_json(certificate), shown(certificate))
    unchanged = check(read.public_key, read.signature, canonical_bytes(read.payload))
    by_issuer = None if public_key is None else unchanged and read_public_key(public_key) == read.public_key
    good = unchanged and by_issuer is not False
    if json:
        import json as encoder  # noqa: PLC0415

        told = {"unchanged": unchanged, "signed_by_given_key": by_issuer, "key": fingerprint(read.public_key)}
        typer.echo(encoder.dumps(told | {"payload": dict(read.payload)}, indent=2, ensure_ascii=False))
    elif not unchanged:
        typer.echo("NOT VALID: the certificate was changed after it was signed, or never signed by its key.")
    elif by_issuer is False:
        typer.echo("NOT VALID: unchanged, but signed with another key than the one given.")
        typer.echo(f"key: {fingerprint(read.public_key)}")
    else:
        typer.echo("unchanged, and signed with the key given" if by_issuer else "unchanged since it was signed")
        typer.echo(f"key: {fingerprint(read.public_key)}")
        if by_issuer is None:
            typer.echo("Whose key that is, is not known: compare it with the issuer's, or give --public-key.")
        for name in ("battery_id", "issuer", "issued", "stage"):
            typer.echo(f"{name}: {read.payload.get(name)}")
    if not good:
        raise typer.Exit(1)


def _check_options(
    numbers: dict[str, float | None], certificate: Path | None, key: Path | None, issuer: str, *, new_key: bool
) -> None:
    from bothways.app.cli.ranges import CAPACITY_KWH, check_ranges  # noqa: PLC0415
    from bothways.domain.errors import Problems  # noqa: PLC0415

    problems = Problems()
    ranges = {
        "--capacity-kwh": CAPACITY_KWH,
        "--charge-efficiency": (0.01, 1.0, ""),
        "--discharge-efficiency": (0.01, 1.0, ""),
        "--soc-error": (0.0001, 0.5, ""),
        "--window-days": (1.0, 36500.0, "days"),
        "--resistance": (0.01, 100.0, "over new"),
    }
    check_ranges(problems, numbers, ranges)
    if certificate is not None and key is None:
        problems.add("--key", "nothing", "the private key that signs", "Name it, with --new-key to make one.")
    if certificate is not None and not issuer.strip():
        problems.add("--issuer", "nothing", "who vouches for the certificate", "Give a name.")
    if certificate is None and (key is not None or new_key):
        problems.add("--certificate", "nothing", "where to write the certificate", "Name a file, or leave out the key.")
    problems.raise_if_any()


def _sign(payload: dict[str, object], target: Path, key: Path, *, new_key: bool) -> list[str]:
    from bothways.adapters.files.writing import check_result_file, write_json  # noqa: PLC0415
    from bothways.adapters.trust.ed25519 import create_key, fingerprint, sign  # noqa: PLC0415
    from bothways.battery.certificate import Certificate, canonical_bytes  # noqa: PLC0415

    lines = []
    check_result_file(target)  # a new key is not left behind where the certificate has no place
    if new_key:
        public = key.with_name(key.name + ".pub")
        create_key(key, public)
        lines.append(f"new key: {key} (keep it secret), public part: {public}")
    signature, public_key = sign(key, canonical_bytes(payload))
    write_json(target, Certificate(payload, public_key, signature).as_json())
    return [*lines, f"certificate: {target}, signed with key {fingerprint(public_key)}"]


def _read_visits(path: Path, battery: str | None, tz: str | None, capacity_kwh: float) -> tuple[str, list[Visit]]:
    """Reads the visits of one battery; all faults of the table come back together."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from bothways.adapters.files.tables import read_numbered_table  # noqa: PLC0415
    from bothways.battery.health import Visit  # noqa: PLC0415
    from bothways.domain.errors import Problems  # noqa: PLC0415
    from bothways.mobility.cells import RowProblems, parse_instants  # noqa: PLC0415

    table = read_numbered_table(path)
    problems = Problems(at=table.source)
    for column in ("arrival", "departure", "charged_kwh"):
        if column not in table.frame.columns:
            listed = ", ".join(table.frame.columns[:12])
            problems.add("header", f"no column {column!r} among: {listed}", f"a column {column!r}", "Add or rename it.")
    problems.raise_if_any()
    name, rows_of = _choose(table.frame, battery, problems)
    frame = table.frame[rows_of.tolist()]
    rows = RowProblems(table.source, lambda row: table.place(int(rows_of[row])))
    spans = {}
    for column in ("arrival", "departure"):
        spans[column] = parse_instants(frame[column], tz)
        rows.add_faults(spans[column], frame[column], column, "an ISO-8601 instant such as 2025-05-01T05:00:00-07:00")
    begin, end = spans["arrival"], spans["departure"]
    backward = (end.epoch_s <= begin.epoch_s) & (begin.fault == 0) & (end.fault == 0)
    rows.add(backward, "departure", frame["departure"], "a departure after the arrival", "Correct the instants.")
    numbers = _read_numbers(frame, rows)
    _check_energy(frame, rows, numbers, (end.epoch_s - begin.epoch_s) / 3600.0, capacity_kwh)
    _check_repeated(rows, begin, end)
    rows.raise_if_any()
    return name, [
        Visit(
            arrival=datetime.fromtimestamp(int(begin.epoch_s[row]), tz=UTC),
            departure=datetime.fromtimestamp(int(end.epoch_s[row]), tz=UTC),
            **{column: values[row] for column, values in numbers.items() if values[row] is not None},
        )
        for row in range(frame.height)
    ]


def _check_energy(frame: Any, rows: Any, numbers: dict[str, list[Any]], hours: Any, capacity_kwh: float) -> None:
    """Refuses visits whose energy could not fit the battery."""
    import numpy as np  # noqa: PLC0415

    from bothways.battery.health import MOST_FILLS_PER_DAY, most_energy_kwh  # noqa: PLC0415

    most = np.array([most_energy_kwh(capacity_kwh, float(length)) for length in hours])
    allowed = f"at most {MOST_FILLS_PER_DAY:g} × --capacity-kwh ({capacity_kwh:g} kWh) in each day begun of a visit"
    for column in ("charged_kwh", "discharged_kwh"):
        if column in numbers:
            energy = np.array([np.nan if value is None else value for value in numbers[column]])
            rows.add(energy > most, column, frame[column], allowed, _CHECK_UNITS)  # NaN compares as False


def _check_repeated(rows: Any, begin: Any, end: Any) -> None:
    """Refuses visits of the same span as an earlier one: they would count twice."""
    import numpy as np  # noqa: PLC0415

    readable = (begin.fault == 0) & (end.fault == 0)
    spans = list(zip(begin.epoch_s.tolist(), end.epoch_s.tolist(), strict=True))
    first: dict[tuple[int, int], int] = {}
    again = np.zeros(len(spans), dtype=np.bool_)
    for row in np.flatnonzero(readable).tolist():
        again[row] = first.setdefault(spans[row], row) != row

    def told(row: int) -> str:
        return f"the same arrival and departure as{rows.place(first[spans[row]]).removeprefix(rows.source)}"

    rows.add(again, "arrival", told, "each visit of a battery once", "Remove the repeated row.")
    _check_overlaps(rows, begin, end, readable & ~again & (end.epoch_s > begin.epoch_s))


def _check_overlaps(rows: Any, begin: Any, end: Any, usable: Any) -> None:
    """Refuses visits that begin while an earlier one goes on: a battery is at one charger at a time."""
    import numpy as np  # noqa: PLC0415

    from bothways.battery.health import overlapping  # noqa: PLC0415

    places = np.flatnonzero(usable)
    found = overlapping(begin.epoch_s[places], end.epoch_s[places])
    earlier = dict(zip(places[found >= 0].tolist(), places[found[found >= 0]].tolist(), strict=True))
    clash = np.zeros(usable.shape[0], dtype=np.bool_)
    clash[list(earlier)] = True

    def told(row: int) -> str:
        return f"begins before the visit of{rows.place(earlier[row]).removeprefix(rows.source)} has ended"

    remedy = "Correct the instants, or split the table by vehicle_id where it holds two batteries."
    rows.add(clash, "arrival", told, "visits of one battery after one another", remedy)


def _read_numbers(frame: Any, rows: Any) -> dict[str, list[Any]]:
    """The columns of numbers, ``None`` where an optional cell is empty; faults go to ``rows``."""
    import numpy as np  # noqa: PLC0415

    from bothways.adapters.files.series import kelvin_remedy  # noqa: PLC0415
    from bothways.battery.health import CELSIUS_EDGES  # noqa: PLC0415
    from bothways.mobility.cells import Fault, Numbers, parse_numbers  # noqa: PLC0415

    ranges = {"charged_kwh": (0.0, 1e5), "discharged_kwh": (0.0, 1e5), "temperature_c": CELSIUS_EDGES}
    read: dict[str, list[Any]] = {}
    for column in ("charged_kwh", *(column for column in _OPTIONAL if column in frame.columns)):
        numbers = parse_numbers(frame[column])
        forgiven = (numbers.fault == Fault.EMPTY) & (column in _OPTIONAL)
        fault = np.where(forgiven, Fault.NONE, numbers.fault).astype(np.int8)
        rows.add_faults(Numbers(numbers.values, fault), frame[column], column, "a number with a decimal point")
        low, *_, high = ranges.get(column, (0.0, 1.0))
        odd = (numbers.values < low) | (numbers.values > high)  # NaN compares as False
        fraction = column.startswith("soc")
        remedy = "Give a fraction from 0 to 1; divide percent by 100." if fraction else "Correct the value or its unit."
        if column == "temperature_c" and odd.any():
            remedy = kelvin_remedy(numbers.values[odd].tolist()) or remedy
        rows.add(odd, column, frame[column], f"a number from {low:g} to {high:g}", remedy)
        read[column] = [None if np.isnan(value) else float(value) + 0.0 for value in numbers.values]  # no -0.0
    return read


def _choose(frame: Any, battery: str | None, problems: Any) -> tuple[str, Any]:
    """The battery's name and the rows that are its own."""
    import numpy as np  # noqa: PLC0415

    everything = np.arange(frame.height)
    if "vehicle_id" in frame.columns:
        names = [str(name) for name in frame["vehicle_id"].to_list()]
        known = sorted(set(names))
        listed = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
        if battery is None and len(known) > 1:
            problems.add("vehicle_id", f"{len(known)} batteries", "one battery", f"Name one with --battery: {listed}")
        elif battery is not None and battery not in known:
            problems.add("--battery", battery, f"one of: {listed}", "Name a vehicle_id of the table.")
        else:
            chosen = battery if battery is not None else (known[0] if known else "battery")
            everything = np.flatnonzero(np.array(names) == chosen) if names else everything
            battery = chosen
    if not problems.items and everything.size == 0:
        problems.add("", "no rows", "at least one visit", "Add rows.")
    problems.raise_if_any()
    return battery or "battery", everything


def _record_lines(record: HealthRecord) -> list[str]:
    lines = [f"battery {record.battery_id}, {record.new_capacity_kwh:g} kWh when new"]
    lines.append(
        f"{_counted(record.visits)} from {record.first:%Y-%m-%d} to {record.last:%Y-%m-%d}: "
        f"{record.charged_kwh:.0f} kWh charged, {record.discharged_kwh:.0f} kWh fed back "
        f"({record.discharge_cycles:.1f} full cycles)"
    )
    health, estimate = record.health, record.estimate
    if health is None or estimate is None:
        lines.append(
            "state of health unknown: no recent visit with its state of charge known at both ends moved enough"
        )
    else:
        lines.append(
            f"capacity {estimate.capacity_kwh:.1f} kWh (95 %: {estimate.low_kwh:.1f} to {estimate.high_kwh:.1f}) from "
            f"{_counted(estimate.visits)}" + (f", {estimate.left_out} left out as odd" if estimate.left_out else "")
        )
        lines.append(f"state of health {health[0]:.1%} (95 %: {health[1]:.1%} to {health[2]:.1%}): {record.stage}")
    if record.resistance_factor is not None:
        lines.append(f"resistance × {record.resistance_factor:.2f} of new")
    placed = float(record.dwell_h.sum())
    if placed > 0.0:
        full, hot = float(record.dwell_h[8:].sum()), float(record.dwell_h[:, 4:].sum())
        lines.append(
            f"of {placed:.0f} h at chargers {full / placed:.0%} above 80 % of charge, {hot / placed:.0%} above 30 °C"
        )
    return lines


def _counted(visits: int) -> str:
    return "1 visit" if visits == 1 else f"{visits} visits"
