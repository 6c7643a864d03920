"""Whatever a table of sessions holds, it becomes a valid SessionTable or an InputError."""

from datetime import date

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from bothways.domain.errors import InputError
from bothways.mobility.assumptions import MIN_SOC, BatteryAssumption, apply
from bothways.mobility.declared import DepartureModel, Finished
from bothways.mobility.reading import CANONICAL, sessions_from_frame
from bothways.mobility.sessions import SessionTable, session_table
from bothways.mobility.timetable import Habit, sessions_from_timetable

TIME = st.builds(
    lambda day, hour, minute, tail: f"2019-{day}T{hour:02d}:{minute:02d}{tail}",
    st.sampled_from(["11-02", "11-03", "03-10", "11-04"]), st.integers(0, 23), st.sampled_from([0, 30]),
    st.sampled_from(["", "Z", "-07:00"]),
)  # fmt: skip
CELL: dict[str, st.SearchStrategy[str | None]] = {
    name: st.sampled_from([None, "0", "1", "5.5", "12", "nan", "-1", "1e9", "x"]) for name in CANONICAL
}
CELL |= dict.fromkeys(("arrival", "departure", "declared_departure"), st.one_of(TIME, TIME, TIME, st.none()))
CELL |= dict.fromkeys(("session_id", "evse_id", "vehicle_id"), st.sampled_from(["A", "B", "C", None]))
CELL["driver_input"] = st.sampled_from(["true", "False", "1", None, "?"])
LIKELY: dict[str, st.SearchStrategy[str | None]] = {
    **CELL,
    "delivered_kwh": st.sampled_from(["0", "1", "20.5"]),
    "requested_kwh": st.sampled_from([None, "3", "70"]),
    "evse_id": st.sampled_from(["A", "B"]),
    "session_id": st.sampled_from(["A", "B", "C", None]),
    "driver_input": st.sampled_from(["true", "false"]),
    "arrival": st.builds("2019-11-{:02d}T{:02d}:{:02d}".format, st.integers(1, 3), st.integers(0, 12), st.just(0)),
    "departure": st.one_of(
        st.none(), st.builds("2019-11-{:02d}T{:02d}:30".format, st.integers(3, 5), st.integers(13, 23))
    ),
}


@st.composite
def frames(
    draw: st.DrawFn, cells: dict[str, st.SearchStrategy[str | None]], names: list[str] | None = None
) -> pl.DataFrame:
    chosen = names or draw(st.lists(st.sampled_from(sorted(CANONICAL)), unique=True, min_size=1))
    size = draw(st.integers(0, 6))
    rows = {name: draw(st.lists(cells[name], min_size=size, max_size=size)) for name in chosen}
    return pl.DataFrame(rows, schema=dict.fromkeys(chosen, pl.String))


def is_fine(table: SessionTable) -> None:
    for evse in set(table.evse_id):
        mine = table.select(np.array([name == evse for name in table.evse_id]))
        assert (mine.arrival_s[1:] >= mine.departure_s[:-1]).all()


def said(error: InputError) -> None:
    for problem in error.problems:
        assert problem.where
        assert problem.found
        assert problem.allowed
        assert problem.remedy


@given(frames(CELL), st.sampled_from([None, "America/Los_Angeles", "Mars/Base"]))
def test_junk_frames(frame: pl.DataFrame, tz: str | None) -> None:
    try:
        imported = sessions_from_frame(frame, tz=tz)
    except InputError as error:
        said(error)
    else:
        is_fine(imported.table)


@given(
    frames(LIKELY, ["session_id", "evse_id", "arrival", "departure", "delivered_kwh", "requested_kwh", "driver_input"])
)
def test_frames_that_may_be_treated(frame: pl.DataFrame) -> None:
    try:
        imported = sessions_from_frame(frame, tz="America/Los_Angeles", evse_charge_kw=7.0)
    except InputError as error:
        said(error)
        return
    table, quality = imported.table, imported.quality
    is_fine(table)
    assert quality.sessions_read == frame.height
    assert quality.sessions_used == table.size
    dropped = frame.height - table.size
    assert dropped <= sum(quality.count(key) for key in ("duplicate_rows", "zero_length", "overlapping"))
    assert table.delivered_kwh.sum() <= frame["delivered_kwh"].cast(pl.Float64).sum() + 1e-9
    if not (quality.count("duplicate_rows") or quality.count("overlapping")):
        assert table.size == frame.height


@given(
    st.lists(
        st.one_of(
            st.lists(st.integers(-(2**60), 2**60), min_size=3, max_size=3),
            st.lists(st.floats(), min_size=3, max_size=3),
            st.lists(st.booleans(), min_size=3, max_size=3),
            st.lists(st.datetimes(), min_size=3, max_size=3),
            st.lists(st.dates(), min_size=3, max_size=3),
            st.lists(st.text(max_size=5), min_size=3, max_size=3),
            st.lists(st.binary(max_size=5), min_size=3, max_size=3),
            st.just([[1], [2], None]),
            st.just([None, None, None]),
        ),
        min_size=len(CANONICAL),
        max_size=len(CANONICAL),
    )
)
def test_columns_of_any_type(columns: list[list[object]]) -> None:
    frame = pl.DataFrame([pl.Series(name, values) for name, values in zip(CANONICAL, columns, strict=True)])
    try:
        sessions_from_frame(frame, tz="Europe/Amsterdam")
    except InputError as error:
        said(error)


FRACTION = st.floats(0.0, 1.0)


@given(
    st.lists(
        st.tuples(st.floats(0, 200), st.floats(0, 200), st.booleans(), FRACTION, st.booleans()), min_size=1, max_size=8
    ),
    st.floats(1, 150), FRACTION, FRACTION, st.floats(0.5, 1.0),
)  # fmt: skip
def test_assumed_energies_always_fit(
    rows: list[tuple[float, float, bool, float, bool]], capacity: float, soc: float, floor: float, eta: float
) -> None:
    n = len(rows)
    delivered, requested, has_request, at_arrival, has_soc = zip(*rows, strict=True)
    table = session_table(
        [str(k) for k in range(n)], ["E"] * n, list(range(n)), list(range(1, n + 1)), delivered,
        requested_kwh=requested, has_request=has_request, soc_at_arrival=at_arrival, has_soc_at_arrival=has_soc,
    )  # fmt: skip
    energy = apply(table, BatteryAssumption("car", capacity, soc, floor, 7.0, 7.0, eta, 0.9, "test"))
    e, top = energy.energy_at_arrival_kwh, energy.capacity_kwh
    assert (e >= min(MIN_SOC, soc) * capacity * ~table.has_soc_at_arrival - 1e-9).all()
    assert (e + table.delivered_kwh * eta <= top + 1e-6).all()
    assert (top >= capacity - 1e-9).all()
    assert (e + energy.request_kwh * eta <= np.maximum(top, e) + 1e-6).all()
    np.testing.assert_allclose(e[table.has_soc_at_arrival], (table.soc_at_arrival * capacity)[table.has_soc_at_arrival])


@given(
    st.lists(st.tuples(st.integers(1, 200_000), st.integers(1, 100_000), st.booleans()), max_size=60),
    st.integers(1, 100_000), st.integers(0, 150_000), st.floats(0.01, 0.99), st.floats(0.01, 0.99),
)  # fmt: skip
def test_more_confidence_is_never_later(
    history: list[tuple[int, int, bool]], declared: int, now: int, low: float, high: float
) -> None:
    model = DepartureModel(least=3)
    for k, (stay, said_s, silent) in enumerate(history):
        start = 3600 * k
        model.learn(Finished(start, start + stay, None if silent else start + said_s, 5.0, 4.0, "v" if k % 2 else None))
    for say in (declared, None):
        asked = {"arrival_s": 0, "declared_departure_s": say, "now_s": now, "vehicle_id": "v"}
        late, early = (model.departure(confidence=c, **asked) for c in sorted((low, high)))
        assert (late is None) == (early is None)
        if late is not None and early is not None:
            assert now <= early <= late
            cautious = model.cautious_departure(confidence=low, **asked)
            assert cautious is not None
            assert say is None or cautious <= max(now, say)


@given(
    st.builds(
        Habit,
        name=st.just("car"),
        battery=st.just(BatteryAssumption("car", 40.0, 0.5, 0.2, 7.0, 7.0, 0.9, 0.9, "test")),
        count=st.integers(0, 4),
        leaves_h=st.floats(0, 24), returns_h=st.floats(0, 24), leaves_spread_h=st.floats(0, 12),
        returns_spread_h=st.floats(0, 12), weekend_leaves_h=st.floats(0, 24), weekend_returns_h=st.floats(0, 24),
        weekday_trip_share=FRACTION, weekend_trip_share=FRACTION, weekday_energy_kwh=st.floats(0, 100),
        energy_spread=FRACTION, target_soc=st.floats(MIN_SOC, 1.0), plug_in_share=FRACTION,
        evse_ids=st.sampled_from([(), ("A",), ("A", "B")]),
    ),
    st.sampled_from([date(2019, 3, 9), date(2019, 11, 2), date(2019, 6, 1)]),
)  # fmt: skip
def test_any_habit_makes_sessions(habit: Habit, first: date) -> None:
    last = date(first.year, first.month, first.day + 5)
    table = sessions_from_timetable(habit, first, last, "America/Los_Angeles", np.random.default_rng(0))
    is_fine(table)
    for vehicle in set(table.vehicle_id):
        mine = table.select(np.array([name == vehicle for name in table.vehicle_id]))
        assert (mine.arrival_s[1:] >= mine.departure_s[:-1]).all()
