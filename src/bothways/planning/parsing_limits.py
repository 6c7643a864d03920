"""Reads group limits and the energy reserve of a plan problem, and writes them back."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from bothways.domain.errors import Problems
from bothways.planning.limits import EnergyReserve, GroupLimit
from bothways.planning.problem import Floats
from bothways.planning.values import Allowed, Reader

GROUP_KEYS = ("name", "vehicles", "weight", "upper_kw", "lower_kw", "base_kw", "penalty_per_kwh")
"""Keys of one entry of ``group_limits``."""

RESERVE_KEYS = ("required_kwh", "weight", "penalty_per_kwh")
"""Keys of ``energy_reserve``."""

_ANY_POWER = Allowed("kW; null for none", -1e9, 1e9)
_SHARE = Allowed("share of the vehicle's power", 0.0, 1e3)
_PRESENCE = Allowed("expected presence", 0.0, 1e3)
_PENALTY = Allowed("currency/kWh; null for a hard limit", 0.0, 1e9)
_MOST_NAME = 100


def group_limits(reader: Reader, problems: Problems, periods: int, vehicles: int) -> tuple[GroupLimit, ...]:
    """The entries of ``group_limits``.

    Args:
        reader: of the whole problem.
        problems: where faults are noted.
        periods: number of steps T.
        vehicles: number of vehicles N.
    """
    listed = reader.raw("group_limits")
    if listed is None:
        return ()
    if not isinstance(listed, list | tuple):
        reader.fault("group_limits", listed, "a list of objects", 'Give [{"name": …, "upper_kw": …}].')
        return ()
    found = []
    for number, item in enumerate(listed):
        at = f"group_limits[{number}]"
        if not isinstance(item, Mapping):
            reader.fault(at, item, "an object with name and upper_kw", "Put the values under their keys.")
            continue
        one = Reader(dict(item), problems, f"{at}.")
        one.check_keys(GROUP_KEYS, {"name"})
        found.append(_group(one, problems, periods, vehicles))
    return tuple(limit for limit in found if limit is not None)


def _group(reader: Reader, problems: Problems, periods: int, vehicles: int) -> GroupLimit | None:
    before = len(problems)
    name = reader.raw("name")
    if isinstance(name, np.ndarray) and name.ndim == 0:
        name = name.item()
    if not isinstance(name, str) or not name.strip() or len(name) > _MOST_NAME:
        reader.fault("name", name, f"a text of 1 to {_MOST_NAME} characters", "Name the limit, for example 'feeder 1'.")
    if not reader.has("upper_kw") and not reader.has("lower_kw"):
        reader.fault("upper_kw", "nothing", "upper_kw, lower_kw or both", "Say what the limit is.")
    upper = _series(reader, "upper_kw", periods, math.inf)
    lower = _series(reader, "lower_kw", periods, -math.inf)
    base = _series(reader, "base_kw", periods, 0.0)
    penalty = reader.number("penalty_per_kwh", _PENALTY, math.inf, nullable=True)
    weight = _weight(reader, vehicles)
    if len(problems) > before or weight is None:
        return None
    if np.any(lower > upper):
        step = int(np.flatnonzero(lower > upper)[0])
        reader.fault(
            f"lower_kw[{step}]", f"{lower[step]:g} with upper_kw {upper[step]:g}", "at most upper_kw", "Swap the two."
        )
        return None
    return GroupLimit(str(name), weight, upper, lower, base, penalty)


def _weight(reader: Reader, vehicles: int) -> Floats | None:
    """Shares of the vehicles: from ``weight``, from the list ``vehicles`` of members, or all of every vehicle."""
    given = reader.numbers("weight", _SHARE, length=None, default=1.0)
    members = reader.numbers("vehicles", Allowed("vehicle", 0, vehicles - 1, whole=True), length=None, default=-1.0)
    if given is None or members is None or np.isnan(given).any() or np.isnan(members).any():
        return None
    listed = members.ndim == 1 or bool(members >= 0.0)
    at = np.atleast_1d(members).astype(np.int64) if listed else np.arange(vehicles)
    if np.unique(at).size != at.size:
        reader.fault("vehicles", "a vehicle named twice", "each vehicle at most once", "Remove the repetition.")
        return None
    if given.ndim == 1 and given.size != at.size:
        allowed = f"{at.size} values, one per {'listed ' if listed else ''}vehicle, or one for all"
        reader.fault("weight", f"{given.size} values", allowed, "Match the lengths.")
        return None
    weight = np.zeros(vehicles)
    weight[at] = given
    return weight


def _series(reader: Reader, key: str, periods: int, none: float) -> Floats:
    column = reader.numbers(key, _ANY_POWER, length=periods, default=none)
    return np.full(periods, none if column is None else column) if column is None or column.ndim == 0 else column


def energy_reserve(reader: Reader, problems: Problems, periods: int, vehicles: int) -> EnergyReserve | None:
    """The entry ``energy_reserve``; parameters as for :func:`group_limits`."""
    raw = reader.raw("energy_reserve")
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        reader.fault("energy_reserve", raw, "an object with required_kwh", "Put the values under their keys.")
        return None
    before = len(problems)
    one = Reader(dict(raw), problems, "energy_reserve.")
    one.check_keys(RESERVE_KEYS, {"required_kwh"})
    required = one.numbers("required_kwh", Allowed("kWh", 0.0, 1e9), length=periods)
    penalty = one.number(
        "penalty_per_kwh", Allowed("currency/kWh per step", 0.0, 1e9, above_low=True), _DEFAULT_PENALTY, nullable=True
    )
    weight = _presence(one, problems, periods, vehicles)
    if required is None or weight is None or len(problems) > before:
        return None
    return EnergyReserve.of(required, vehicles, periods, weight=weight, penalty_per_kwh=penalty)


def _presence(reader: Reader, problems: Problems, periods: int, vehicles: int) -> Floats | None:
    """Weights per vehicle, or per vehicle and step where rows are given."""
    raw = reader.raw("weight")
    table = raw.tolist() if isinstance(raw, np.ndarray) and raw.ndim == 2 else raw
    nested = isinstance(table, list | tuple) and bool(table) and all(isinstance(row, list | tuple) for row in table)
    if not nested or not isinstance(table, list | tuple):
        return reader.numbers("weight", _PRESENCE, length=vehicles, default=1.0)
    if len(table) != vehicles:
        reader.fault("weight", f"{len(table)} rows", f"{vehicles} rows, one per vehicle", "Match the lengths.")
        return None
    rows = Reader({f"weight[{at}]": row for at, row in enumerate(table)}, problems, "energy_reserve.")
    read = [rows.numbers(f"weight[{at}]", _PRESENCE, length=periods) for at in range(vehicles)]
    whole = [row for row in read if row is not None]
    return np.stack(whole) if len(whole) == vehicles else None


_DEFAULT_PENALTY = EnergyReserve.of(0.0, 1, 1).penalty_per_kwh


def group_limits_to_list(limits: tuple[GroupLimit, ...]) -> list[dict[str, object]]:
    """The entries of ``group_limits``, ready for JSON."""
    return [
        {
            "name": limit.name,
            "weight": limit.weight.tolist(),
            **_side("upper_kw", limit.upper_kw),
            **_side("lower_kw", limit.lower_kw),
            "base_kw": limit.base_kw.tolist(),
            "penalty_per_kwh": None if limit.hard else limit.penalty_per_kwh,
        }
        for limit in limits
    ]


def _side(key: str, values: Floats) -> dict[str, object]:
    """One side of a limit. A step without limit gets a power that no site reaches; none at all is ``None``."""
    if np.isinf(values).all():
        return {key: None}
    return {key: np.clip(values, _ANY_POWER.low, _ANY_POWER.high).tolist()}


def energy_reserve_to_mapping(reserve: EnergyReserve) -> dict[str, object]:
    """The entry ``energy_reserve``, ready for JSON."""
    return {
        "required_kwh": reserve.required_kwh.tolist(),
        "weight": reserve.weight.tolist(),
        "penalty_per_kwh": reserve.penalty_per_kwh,
    }
