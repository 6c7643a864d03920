"""Traps of recorded sessions are treated and counted; errors are named with their line."""

import csv
import gzip
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bothways.adapters.files.sessions import read_sessions
from bothways.domain.errors import InputError
from bothways.mobility.reading import ACN_COLUMNS, CANONICAL, column_mapping, sessions_from_frame
from bothways.mobility.sessions import ImportedSessions

HEADER = ["session_id", "evse_id", "arrival", "departure", "delivered_kwh", "declared_departure", "requested_kwh"]


def frame(*rows: str, header: list[str] = HEADER) -> pl.DataFrame:
    cells = [[cell or None for cell in row.split(",")] for row in rows]
    return pl.DataFrame(cells, schema=dict.fromkeys(header, pl.String), orient="row")


def read(*rows: str, **options) -> ImportedSessions:
    return sessions_from_frame(frame(*rows), tz="America/Los_Angeles", source="s.csv", **options)


def faults(table: pl.DataFrame, **options) -> list[str]:
    with pytest.raises(InputError) as caught:
        sessions_from_frame(table, source="s.csv", **{"tz": "America/Los_Angeles", **options})
    return [str(problem) for problem in caught.value.problems]


def stamp(epoch_s: int) -> str:
    return str(np.datetime64(int(epoch_s), "s"))


GOOD = "a,E1,2019-05-01T08:00,2019-05-01T17:00,10,2019-05-01T16:00,12"


def test_a_plain_session() -> None:
    imported = read("b,E2,2019-05-01T09:00Z,2019-05-01T10:00Z,1,,", GOOD)
    table = imported.table
    assert table.session_id == ("b", "a")
    assert stamp(table.arrival_s[1]) == "2019-05-01T15:00:00"
    assert stamp(table.departure_s[1]) == "2019-05-02T00:00:00"
    assert stamp(table.declared_departure_s[1]) == "2019-05-01T23:00:00"
    assert table.has_declared_departure.tolist() == table.has_request.tolist() == [False, True]
    assert table.requested_kwh.tolist() == [0.0, 12.0]
    quality = imported.quality
    assert (quality.sessions_read, quality.sessions_used) == (2, 2)
    assert {item.key: item.count for item in quality.counts if item.count} == {
        "undeclared_departure": 1,
        "undeclared_request": 1,
    }
    assert all(item.name and item.treatment for item in quality.counts)


@pytest.mark.parametrize(
    ("rows", "key", "count", "used"),
    [
        ([GOOD, GOOD], "duplicate_rows", 1, 1),
        ([GOOD, GOOD.replace("a,E1", "b,E1")], "duplicate_rows", 1, 1),
        ([GOOD, GOOD.replace("E1", "E2"), GOOD.replace("E1", "E3")], "duplicate_ids", 2, 3),
        ([GOOD, "b,E1,2019-05-02T08:00,2019-05-02T08:00,0,,"], "zero_length", 1, 1),
        ([GOOD, "b,E1,2019-05-02T08:00,2019-05-04T08:00,1,,"], "long_stay", 1, 2),
        ([GOOD, "b,E1,2019-05-02T08:00,2019-05-02T09:00,5,2019-05-02T07:00,"], "declared_before_arrival", 1, 2),
        ([GOOD, "b,E1,2019-05-02T08:00,2019-05-02T09:00,5,,4.9"], "requested_below_delivered", 1, 2),
        ([GOOD, "b,E1,2019-05-02T08:00,2019-05-02T09:00,0,,"], "no_energy", 1, 2),
        ([GOOD, "b,E2,2019-11-03T00:30,2019-11-03T01:30,1,,"], "repeated_local_hour", 1, 2),
    ],
)
def test_traps_are_counted(rows: list[str], key: str, count: int, used: int) -> None:
    imported = read(*rows)
    assert imported.quality.count(key) == count
    assert imported.quality.sessions_read == len(rows)
    assert imported.quality.sessions_used == imported.table.size == used


def test_shared_ids_get_numbers_that_are_free() -> None:
    rows = [GOOD, GOOD.replace("E1", "E2"), GOOD.replace("a,E1", "a (2),E3")]
    assert sorted(read(*rows).table.session_id) == ["a", "a (2)", "a (3)"]


def test_overlaps_end_where_the_next_begins() -> None:
    imported = read(
        "a,E1,2019-05-01T08:00,2019-05-01T17:00,10,2019-05-01T16:00,",
        "b,E1,2019-05-01T12:00,2019-05-01T13:00,1,,",
        "c,E1,2019-05-01T12:00,2019-05-01T15:00,2,,",
        "d,E2,2019-05-01T12:00,2019-05-01T13:00,1,,",
    )
    table = imported.table
    assert table.session_id == ("a", "c", "d")
    assert table.stay_h.tolist() == [4.0, 3.0, 1.0]
    assert imported.quality.count("overlapping") == 2
    (item,) = (item for item in imported.quality.counts if item.key == "overlapping")
    assert "1 of them began at the same instant and were dropped (1.0 kWh)" in item.treatment
    assert any("overlapping" in warning for warning in imported.warnings)


def test_missing_plug_outs() -> None:
    imported = read(
        "a,E1,2019-05-01T08:00,2019-05-01T16:00,10,,",
        "b,E1,2019-05-02T08:00,2019-05-02T12:00,10,,",
        "c,E1,2019-05-03T08:00,2019-05-03T18:00,10,,",
        "d,E1,2019-05-04T08:00,,10,2019-05-04T11:00,",
        "e,E1,2019-05-05T08:00,,10,,",
        "f,E1,2019-05-06T08:00,,10,,",
        "g,E1,2019-05-06T09:00,2019-05-06T17:00,10,,",
    )
    assert imported.table.stay_h.tolist() == [8.0, 4.0, 10.0, 3.0, 8.0, 1.0, 8.0]
    assert imported.quality.count("missing_plug_out") == 3
    assert imported.quality.count("overlapping") == 0


def test_missing_plug_outs_without_any_known_stay() -> None:
    assert "no departure at all" in faults(frame("a,E1,2019-05-01T08:00,,10,,"))[0]
    assert read("a,E1,2019-05-01T08:00,,10,2019-05-01T09:00,").table.stay_h.tolist() == [1.0]


def test_the_repeated_hour_is_read_so_that_stays_have_a_length() -> None:
    table = read(
        "a,E1,2019-11-03T00:30,2019-11-03T01:30,1,,",
        "b,E2,2019-11-03T01:45,2019-11-03T01:15,1,,",
        "c,E3,2019-11-03T01:15,2019-11-03T01:45,1,,",
    ).table
    hours = dict(zip(table.session_id, table.stay_h.tolist(), strict=True))
    assert hours == {"a": 1.0, "b": 0.5, "c": 0.5}


def test_ratings() -> None:
    row = "b,E1,2019-05-02T08:00,2019-05-02T09:00,8,,"
    assert read(GOOD, row, evse_charge_kw=7.0).quality.count("above_rating") == 1
    assert read(GOOD, row, evse_charge_kw=7.9).quality.count("above_rating") == 0  # within 2 %
    (item,) = (item for item in read(GOOD, row).quality.counts if item.key == "above_rating")
    assert "not checked" in item.treatment


def test_a_vehicle_in_two_places() -> None:
    header = [*HEADER, "vehicle_id", "energy_since_last_session_kwh"]
    table = frame(f"{GOOD},v,", f"{GOOD.replace('a,E1', 'b,E2').replace('08:00', '09:00')},v,5", header=header)
    imported = sessions_from_frame(table, tz="America/Los_Angeles")
    assert imported.table.vehicle_id == ("v", None)
    assert imported.table.has_energy_since_last_session.tolist() == [False, False]
    assert imported.quality.count("vehicle_in_two_places") == 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("x,E1,2019-05-01T08:00,2019-05-01T17:00,nan,,", "column delivered_kwh: found 'nan'"),
        ("x,E1,2019-05-01T08:00,2019-05-01T17:00,,,", "column delivered_kwh: found an empty cell"),
        ("x,E1,2019-05-01T08:00,2019-05-01T17:00,ten,,", "column delivered_kwh: found 'ten'"),
        ("x,E1,2019-05-01T08:00,2019-05-01T17:00,-1,,", "Correct the sign"),
        ("x,E1,2019-05-01T08:00,2019-05-01T17:00,11500,,", "Is it in Wh?"),
        ("x,E1,2019-05-01T08:00,2019-05-01T08:10,1500,,", "a mean of 9000 kW"),
        ("x,E1,2019-05-01T08:00,2019-05-01T17:00,1,,nan", "column requested_kwh: found 'nan'"),
        ("x,E1,2019-05-01T08:00,2019-05-01T17:00,1,,-2", "column requested_kwh: found '-2'"),
        ("x,E1,2019-05-01T17:00,2019-05-01T08:00,1,,", "before the arrival at 2019-05-01T17:00"),
        ("x,E1,1 May 2019,2019-05-01T08:00,1,,", "column arrival: found '1 May 2019'"),
        ("x,E1,,2019-05-01T08:00,1,,", "column arrival: found an empty cell"),
        ("x,E1,2019-05-01T08:00,soon,1,,", "column departure: found 'soon'"),
        ("x,E1,2019-05-01T08:00,2019-05-01T17:00,1,later,", "column declared_departure: found 'later'"),
        ("x,E1,2019-03-10T02:30,2019-03-10T17:00,1,,", "clocks go forward"),
        ("x,,2019-05-01T08:00,2019-05-01T17:00,1,,", "column evse_id: found an empty cell"),
    ],
)
def test_errors_name_their_line(row: str, words: str) -> None:
    (found,) = faults(frame(GOOD, row))
    assert found.startswith("s.csv line 3")
    assert words in found


def test_all_errors_at_once() -> None:
    rows = [GOOD] + ["x,E1,2019-05-01T17:00,2019-05-01T08:00,-1,never,nan"] * 30
    found = faults(frame(*rows))
    assert len([text for text in found if " line " in text]) == 20
    assert sum("more of this kind" in text for text in found) == 4


def test_optional_columns_and_factors() -> None:
    names = ["soc_at_arrival", "usable_capacity_kwh", "charge_kw", "discharge_kw", "vehicle_id"]
    table = frame(f"{GOOD},55,60,7.2,,v", f"{GOOD.replace('a,E1', 'b,E2')},,,,5,", header=HEADER + names)
    factors = {"soc_at_arrival": 0.01, "delivered_kwh": 0.5}
    sessions = sessions_from_frame(table, tz="UTC", factors=factors).table
    assert sessions.soc_at_arrival.tolist() == [0.55, 0.0]
    assert sessions.delivered_kwh.tolist() == [5.0, 5.0]
    assert sessions.has_soc_at_arrival.tolist() == sessions.has_usable_capacity.tolist() == [True, False]
    assert sessions.has_discharge_kw.tolist() == [False, True]
    assert sessions.vehicle_id == ("v", None)
    assert "percent" in faults(table)[0]


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("charge_kw", "7200", "Is it in W?"),
        ("usable_capacity_kwh", "60000", "Is it in Wh?"),
        ("usable_capacity_kwh", "0", "above 0"),
        ("energy_since_last_session_kwh", "5", "vehicle_id"),
        ("driver_input", "perhaps", "true or false"),
    ],
)
def test_optional_columns_are_checked(column: str, cell: str, words: str) -> None:
    (found,) = faults(frame(f"{GOOD},{cell}", header=[*HEADER, column]))
    assert words in found
    assert f"s.csv line 2, column {column}" in found


def test_columns() -> None:
    table = frame(GOOD).rename({"delivered_kwh": "energie", "evse_id": "punt"})
    assert sessions_from_frame(table, {"delivered_kwh": "energie", "evse_id": "punt"}, tz="UTC").table.size == 1
    found = "\n".join(faults(table))
    assert "no column 'evse_id'" in found
    assert "no column 'delivered_kwh'" in found
    assert "Did you mean 'energie'" in faults(table, columns={"delivered_kwh": "energy", "evse_id": "punt"})[0]
    assert "Did you mean 'delivered_kwh'" in faults(table, columns={"deliverd_kwh": "energie"})[0]
    assert "preset 'acn'" in faults(pl.DataFrame({name: ["1"] for name in ACN_COLUMNS.values()}))[0]
    assert "no rows" in faults(frame(GOOD).clear())[0]
    assert "Mars/Base" in faults(frame(GOOD), tz="Mars/Base")[0]
    with pytest.raises(InputError, match="one of canonical, acn"):
        column_mapping("ocpp")
    assert set(column_mapping()) == set(CANONICAL)


def test_nothing_left() -> None:
    assert "no usable session" in faults(frame("a,E1,2019-05-01T08:00,2019-05-01T08:00,0,,"))[0]


def test_typed_columns() -> None:
    table = pl.DataFrame(
        {
            "session_id": [1, 2],
            "evse_id": [7, 8],
            "arrival": [datetime(2019, 5, 1, 8), datetime(2019, 5, 1, 9)],
            "departure": [datetime(2019, 5, 1, 17), None],
            "delivered_kwh": [1.5, 2.5],
            "driver_input": [True, None],
            "requested_kwh": [3, 4],
        }
    )
    sessions = sessions_from_frame(table, tz="America/Los_Angeles").table
    assert sessions.session_id == ("1", "2")
    assert sessions.evse_id == ("7", "8")
    assert stamp(sessions.arrival_s[0]) == "2019-05-01T15:00:00"
    assert sessions.stay_h.tolist() == [9.0, 9.0]
    assert sessions.has_request.tolist() == [True, False]


EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "workplace-jpl" / "data"


def test_the_jpl_garage_of_2019() -> None:
    """Counts against plain Python over the csv module, row by row."""
    paths = sorted(EXAMPLE.glob("acn_jpl_2019-*.csv.gz"))
    rows: list[dict[str, str]] = []
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows += csv.DictReader(file)
    claimed = [row for row in rows if row["claimed"] == "True"]
    stays = [datetime.fromisoformat(row["departure"]) - datetime.fromisoformat(row["arrival"]) for row in rows]
    energy = [float(row["delivered_energy (kWh)"]) for row in rows]
    less = sum(float(row["requested_energy (kWh)"]) < float(row["delivered_energy (kWh)"]) for row in claimed)
    fast = sum(kwh > 7.0 * 1.02 * (stay / timedelta(hours=1)) for kwh, stay in zip(energy, stays, strict=True))

    imported = read_sessions(paths, preset="acn", evse_charge_kw=7.0)
    table, quality = imported.table, imported.quality
    assert quality.sessions_read == quality.sessions_used == table.size == len(rows) == 11_830
    assert quality.count("driver_silent") == len(rows) - len(claimed) == 382
    assert quality.count("undeclared_departure") == quality.count("undeclared_request") == 382
    assert quality.count("requested_below_delivered") == less == 1216
    assert quality.count("long_stay") == sum(stay > timedelta(days=1) for stay in stays) == 5
    assert quality.count("above_rating") == fast == 3
    for key in ("overlapping", "duplicate_rows", "duplicate_ids", "zero_length", "missing_plug_out"):
        assert quality.count(key) == 0
    assert len(set(table.evse_id)) == 52
    assert table.delivered_kwh.sum() == pytest.approx(sum(energy))
    assert table.stay_h.sum() == pytest.approx(sum(stays, timedelta()) / timedelta(hours=1))
    assert imported.warnings == ()
    assert "/" not in quality.source
