"""Reads a plan problem from a mapping (JSON, or the arrays of an .npz file) and writes one back.

The format is described in ``docs/reference/plan-format.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from bothways.domain.errors import InputError, Problems
from bothways.planning.limits import EnergyReserve, GroupLimit
from bothways.planning.parsing_limits import (
    energy_reserve,
    energy_reserve_to_mapping,
    group_limits,
    group_limits_to_list,
)
from bothways.planning.parsing_losses import loss_curves_to_list, part_load
from bothways.planning.plausibility import check_magnitudes
from bothways.planning.problem import Bools, DemandCharge, Fleet, Floats, PlanProblem
from bothways.planning.values import Allowed, Reader, as_number

KEYS = (
    "step_h", "periods", "import_price", "export_price", "base_load_kw", "demand_charge_per_kw", "peak_so_far_kw",
    "demand_charges", "import_limit_kw", "import_limit_penalty_per_kwh", "import_hard_limit_kw", "export_limit_kw",
    "terminal_value_per_kwh", "group_limits", "energy_reserve", "loss_curves", "unusual_magnitudes", "vehicles",
)  # fmt: skip
"""Keys of a problem, in the order of the documentation."""

_REQUIRED = frozenset({"step_h", "periods", "import_price", "export_price", "base_load_kw", "vehicles"})
_PRICE = Allowed("currency/kWh", -1e6, 1e6)
_POWER = Allowed("kW", 0.0, 1e9)
_LIMIT = Allowed("kW; null for none", 0.0)
_STEP = Allowed("step", 0, 1e9, whole=True)
_ENERGY = Allowed("kWh", 0.0, 1e9)
_EFFICIENCY = Allowed("fraction", 0.0, 1.0, above_low=True)
_COLUMNS: dict[str, tuple[Allowed, float | None]] = {
    "arrival": (_STEP, None),
    "departure": (_STEP, None),
    "energy_at_arrival_kwh": (_ENERGY, None),
    "energy_required_kwh": (_ENERGY, None),
    "energy_min_kwh": (_ENERGY, None),
    "energy_max_kwh": (_ENERGY, None),
    "charge_kw": (_POWER, None),
    "discharge_kw": (_POWER, None),
    "charge_efficiency": (_EFFICIENCY, None),
    "discharge_efficiency": (_EFFICIENCY, None),
    "wear_per_kwh": (Allowed("currency/kWh", 0.0, 1e6), None),
    "min_charge_kw": (_POWER, 0.0),
}
COLUMNS = (*_COLUMNS, "no_pause", "loss_curve")
"""Columns of ``vehicles``."""

_OPTIONAL_COLUMNS = frozenset({"min_charge_kw", "no_pause", "loss_curve"})
_CURVE = Allowed("number of an entry of loss_curves, or -1", -1, 1e6, whole=True)
_CHARGE_KEYS = ("price_per_kw", "steps", "peak_so_far_kw")
_DEMAND_PRICE = Allowed("currency/kW", 0.0, 1e9)


def problem_from_mapping(mapping: object, *, at: str = "") -> PlanProblem:
    """Reads a problem and checks it whole.

    Args:
        mapping: keys as in ``docs/reference/plan-format.md``; lists or numpy arrays, a number where all are equal.
        at: what is read, for the messages (usually the file's name).

    Returns:
        The problem.

    Raises:
        InputError: anything is wrong; it carries all problems found.
    """
    problems = Problems(at=at)
    if not isinstance(mapping, Mapping):  # JSON may hold anything
        problems.add(
            "", f"a {type(mapping).__name__}", "an object with named values", "Put the values under their keys."
        )
        raise InputError(problems.items)
    reader = Reader(dict(mapping), problems)
    reader.check_keys(KEYS, _REQUIRED)
    step_h = reader.number("step_h", Allowed("h", 0.0, 24.0, above_low=True), math.nan)
    periods_read = reader.number("periods", Allowed("steps", 1, 1e7, whole=True), math.nan)
    periods = None if math.isnan(periods_read) else int(periods_read)
    series = {key: reader.numbers(key, _PRICE, length=periods) for key in ("import_price", "export_price")}
    series["base_load_kw"] = reader.numbers("base_load_kw", Allowed("kW", -1e9, 1e9), length=periods)
    limits = {
        key: reader.number(key, _LIMIT, math.inf, nullable=True)
        for key in ("import_limit_kw", "import_hard_limit_kw", "export_limit_kw")
    }
    penalty = reader.number("import_limit_penalty_per_kwh", Allowed("currency/kWh", 0.0, 1e9), 0.0, nullable=True)
    if math.isfinite(limits["import_limit_kw"]) and "import_limit_penalty_per_kwh" not in mapping:
        allowed = "a price for import above import_limit_kw [currency/kWh]"
        reader.fault("import_limit_penalty_per_kwh", "nothing", allowed, "Add it, or leave out import_limit_kw.")
    terminal = reader.number("terminal_value_per_kwh", _PRICE, 0.0, nullable=True)
    demand_charges = _demand_charges(reader, problems, periods)
    columns = _columns(reader, problems, periods)
    if _flag(reader, "unusual_magnitudes") is False:
        check_magnitudes(reader, columns, series["base_load_kw"])
    groups, reserve = _coupled(reader, problems, periods, columns)
    losses = part_load(reader, problems, columns.get("loss_curve"))
    problems.raise_if_any()

    whole = {key: _spread(column, periods or 0) for key, column in series.items()}
    return PlanProblem(
        step_h=step_h,
        periods=periods or 0,
        import_price=whole["import_price"],
        export_price=whole["export_price"],
        base_load_kw=whole["base_load_kw"],
        fleet=_fleet(columns),
        demand_charges=demand_charges,
        import_limit_penalty_per_kwh=penalty,
        terminal_value_per_kwh=terminal,
        import_limit_kw=limits["import_limit_kw"],
        import_hard_limit_kw=limits["import_hard_limit_kw"],
        export_limit_kw=limits["export_limit_kw"],
        group_limits=groups,
        energy_reserve=reserve,
        part_load=losses,
    )


def problem_to_mapping(problem: PlanProblem) -> dict[str, object]:
    """Writes a problem as a mapping of numbers and lists, ready for JSON; reading it back gives the same problem.

    Absent limits are ``None``. One demand charge over all steps is written as ``demand_charge_per_kw``.
    """
    mapping: dict[str, object] = {
        "step_h": problem.step_h,
        "periods": problem.periods,
        "import_price": problem.import_price.tolist(),
        "export_price": problem.export_price.tolist(),
        "base_load_kw": problem.base_load_kw.tolist(),
    }
    charges = problem.demand_charges
    if len(charges) == 1 and bool(charges[0].steps.all()):
        mapping["demand_charge_per_kw"] = charges[0].price_per_kw
        mapping["peak_so_far_kw"] = charges[0].peak_so_far_kw
    elif charges:
        mapping["demand_charges"] = [
            {
                "price_per_kw": charge.price_per_kw,
                "steps": np.flatnonzero(charge.steps).tolist(),
                "peak_so_far_kw": charge.peak_so_far_kw,
            }
            for charge in charges
        ]
    for key in ("import_limit_kw", "import_hard_limit_kw", "export_limit_kw"):
        value = getattr(problem, key)
        mapping[key] = None if math.isinf(value) else value
    mapping["import_limit_penalty_per_kwh"] = problem.import_limit_penalty_per_kwh
    mapping["terminal_value_per_kwh"] = problem.terminal_value_per_kwh
    if problem.group_limits:
        mapping["group_limits"] = group_limits_to_list(problem.group_limits)
    if problem.energy_reserve is not None:
        mapping["energy_reserve"] = energy_reserve_to_mapping(problem.energy_reserve)
    columns = {item.name: getattr(problem.fleet, item.name) for item in fields(Fleet)}
    vehicles: dict[str, object] = {name: column.tolist() for name, column in columns.items()}
    if problem.part_load is not None:
        mapping["loss_curves"] = loss_curves_to_list(problem.part_load)
        vehicles["loss_curve"] = problem.part_load.curve.tolist()
    mapping["vehicles"] = vehicles
    doubts = Problems()
    check_magnitudes(Reader(mapping, doubts), columns, problem.base_load_kw)
    if len(doubts):
        mapping["unusual_magnitudes"] = True
    return mapping


def _coupled(
    reader: Reader, problems: Problems, periods: int | None, columns: dict[str, Floats]
) -> tuple[tuple[GroupLimit, ...], EnergyReserve | None]:
    if periods is None or "arrival" not in columns:  # without them no length can be checked
        return (), None
    size = columns["arrival"].size
    return group_limits(reader, problems, periods, size), energy_reserve(reader, problems, periods, size)


def _demand_charges(reader: Reader, problems: Problems, periods: int | None) -> tuple[DemandCharge, ...]:
    price = reader.number("demand_charge_per_kw", _DEMAND_PRICE, 0.0, nullable=True)
    so_far = reader.number("peak_so_far_kw", _POWER, 0.0, nullable=True)
    every = np.ones(periods or 1, dtype=np.bool_)
    charges = [DemandCharge(price, every, so_far)] if price > 0.0 else []
    listed = reader.raw("demand_charges")
    if listed is None:
        return tuple(charges)
    if not isinstance(listed, list | tuple):
        reader.fault("demand_charges", listed, "a list of objects", 'Give [{"price_per_kw": …, "steps": […]}].')
        return ()
    for number, item in enumerate(listed):
        name = f"demand_charges[{number}]"
        if not isinstance(item, Mapping):
            reader.fault(name, item, "an object with price_per_kw and steps", "Put the values under their keys.")
            continue
        one = Reader(dict(item), problems, f"{name}.")
        one.check_keys(_CHARGE_KEYS, {"price_per_kw"})
        charges.append(
            DemandCharge(
                one.number("price_per_kw", _DEMAND_PRICE, 0.0),
                every if one.raw("steps") is None else _steps(one, periods),
                one.number("peak_so_far_kw", _POWER, 0.0, nullable=True),
            )
        )
    return tuple(charges)


def _steps(reader: Reader, periods: int | None) -> Bools:
    """Which steps count: a list of step numbers, or a truth value for every step."""
    raw, count = reader.raw("steps"), periods or 1
    listed = raw.tolist() if isinstance(raw, np.ndarray) else raw
    if isinstance(listed, list | tuple) and listed and all(isinstance(item, bool) for item in listed):
        if periods is not None and len(listed) != periods:
            reader.fault("steps", f"{len(listed)} truth values", f"{periods} of them", "Give one for every step.")
            return np.ones(count, dtype=np.bool_)
        return np.array(listed, dtype=np.bool_)
    numbers = reader.numbers("steps", Allowed("step", 0, count - 1, whole=True) if periods else _STEP, length=None)
    mask = np.zeros(count, dtype=np.bool_)
    if numbers is not None:
        given = np.atleast_1d(numbers)
        given = given[np.isfinite(given) & (given < count)]
        mask[given.astype(np.int64)] = True
    return mask


def _columns(reader: Reader, problems: Problems, periods: int | None) -> dict[str, Floats]:
    """The vehicles' columns at full length; faulty entries are NaN, unreadable columns are left out."""
    raw = reader.raw("vehicles")
    if not isinstance(raw, Mapping):
        if reader.has("vehicles"):
            reader.fault("vehicles", raw, "an object with one column per property", "Give columns of equal length.")
        return {}
    vehicles = Reader(dict(raw), problems, "vehicles.")
    vehicles.check_keys(COLUMNS, frozenset(COLUMNS) - _OPTIONAL_COLUMNS)
    found = {
        key: vehicles.numbers(key, allowed, length=None, default=default)
        for key, (allowed, default) in _COLUMNS.items()
    }
    found["no_pause"] = _truths(vehicles, "no_pause")
    found["loss_curve"] = vehicles.numbers("loss_curve", _CURVE, length=None, default=-1.0)
    read = {key: column for key, column in found.items() if column is not None}
    sizes = [column.size for column in read.values() if column.ndim == 1]
    count = max(set(sizes), key=sizes.count) if sizes else 1
    columns = {}
    for key, column in read.items():
        if column.ndim == 1 and column.size != count:
            allowed = f"{count} values (most columns have that many), or one for all"
            vehicles.fault(key, f"{column.size} values", allowed, "Give every vehicle one value.")
        else:
            columns[key] = _spread(column, count)
    _check_vehicles(vehicles, columns, periods)
    return columns


def _check_vehicles(vehicles: Reader, columns: dict[str, Floats], periods: int | None) -> None:
    def rule(key: str, other: str, found: str, allowed: str, remedy: str, *, strict: bool = False) -> None:
        if key in columns and other in columns:
            mine, theirs = columns[key], columns[other]
            faulty = (mine <= theirs) if strict else (mine > theirs)
            vehicles.rows(key, faulty, found, (mine, theirs), allowed, remedy)

    rule(
        "departure", "arrival", "{0} with arrival {1}", "a step after arrival (half-open: arrival … departure − 1)",
        "Swap or correct the two.", strict=True,
    )  # fmt: skip
    if periods is not None and "departure" in columns:
        late = columns["departure"] > periods
        vehicles.rows(
            "departure", late, "{0}", (columns["departure"],), f"at most periods = {periods}", "Cut the stay."
        )
    rule(
        "energy_at_arrival_kwh", "energy_max_kwh", "{0} with energy_max_kwh {1}", "at most energy_max_kwh",
        "Correct the energy at arrival or the ceiling.",
    )  # fmt: skip
    rule(
        "energy_min_kwh", "energy_max_kwh", "{0} with energy_max_kwh {1}", "at most energy_max_kwh",
        "Correct the floor or the ceiling.",
    )  # fmt: skip
    rule(
        "min_charge_kw", "charge_kw", "{0} with charge_kw {1}", "at most charge_kw",
        "Correct the minimum, or set charge_kw to 0 for a vehicle that cannot charge there.",
    )  # fmt: skip


def _truths(reader: Reader, key: str) -> Floats | None:
    """A column of truth values (true/false or 1/0) as 1.0 and 0.0."""
    raw = reader.raw(key)
    if raw is None:
        return np.array(0.0)
    if isinstance(raw, np.ndarray):
        raw = raw.tolist()
    single = not isinstance(raw, list | tuple)
    items = list(raw) if isinstance(raw, list | tuple) else [raw]
    values = [float(item) if isinstance(item, bool) else as_number(item) for item in items]
    wrong = [at for at, value in enumerate(values) if value not in {0.0, 1.0}]
    for at in wrong[:5]:
        reader.fault(key if single else f"{key}[{at}]", items[at], "true or false", "Give a truth value.")
    reader.more(key, len(wrong), "true or false")
    column = np.array([value if value in {0.0, 1.0} else math.nan for value in values], dtype=np.float64)
    return np.array(column[0]) if single else column


def _flag(reader: Reader, key: str) -> bool | None:
    raw = reader.raw(key)
    if isinstance(raw, np.ndarray) and raw.ndim == 0:
        raw = raw.item()
    if raw is None:
        return False
    if not isinstance(raw, bool):
        reader.fault(key, raw, "true or false", "Give a truth value.")
        return None
    return raw


def _spread(column: Floats | None, length: int) -> Floats:
    if column is None:
        return np.zeros(length)
    return np.array(np.broadcast_to(column, (length,)), dtype=np.float64)


def _fleet(columns: dict[str, Floats]) -> Fleet:
    rest = {key: columns[key] for key in _COLUMNS if key not in {"arrival", "departure"}}
    return Fleet(
        arrival=columns["arrival"].astype(np.int64),
        departure=columns["departure"].astype(np.int64),
        no_pause=columns["no_pause"] > 0.5,
        **rest,
    )
