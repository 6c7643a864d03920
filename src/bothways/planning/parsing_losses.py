"""Reads losses at part load of a plan problem, and writes them back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bothways.battery.losses import ChargerLosses, EfficiencyCurve, default_losses
from bothways.domain.errors import DomainError, Problems
from bothways.planning.part_load import NONE, PartLoad
from bothways.planning.problem import Floats
from bothways.planning.values import Allowed, Reader

LOSS_KEYS = (
    "rated_kw", "load", "charge_efficiency", "discharge_efficiency", "charge_input_kw", "charge_loss_kw",
    "discharge_input_kw", "discharge_loss_kw",
)  # fmt: skip
"""Keys of one entry of ``loss_curves``."""

_MEASURED = ("load", "charge_efficiency", "discharge_efficiency")
_CURVES = ("charge_input_kw", "charge_loss_kw", "discharge_input_kw", "discharge_loss_kw")
_RATED = Allowed("kW", 0.0, 1e9, above_low=True)
_LOAD = Allowed("power over rated power", 0.0, 1.0, above_low=True)
_EFFICIENCY = Allowed("fraction", 0.0, 1.0, above_low=True)
_POWER = Allowed("kW", 0.0, 1e9)


def part_load(reader: Reader, problems: Problems, curve: Floats | None) -> PartLoad | None:
    """The entries of ``loss_curves`` with the vehicles that have them; ``None`` where no vehicle has any.

    Args:
        reader: of the whole problem.
        problems: where faults are noted.
        curve: the column ``vehicles.loss_curve``; ``None`` if it could not be read.
    """
    listed = reader.raw("loss_curves")
    if listed is None:
        listed = []
    if not isinstance(listed, list | tuple):
        reader.fault("loss_curves", listed, "a list of objects", 'Give [{"rated_kw": …}].')
        return None
    before = len(problems)
    found = [_curve(reader, problems, number, item) for number, item in enumerate(listed)]
    if curve is None:
        return None
    beyond = curve >= len(listed)
    Reader({}, problems, "vehicles.").rows(
        "loss_curve", beyond, "{0}", (curve,), f"−1 for none, or the number of an entry of loss_curves ({len(listed)})",
        "Name an entry that is there.",
    )  # fmt: skip
    if len(problems) > before or np.isnan(curve).any() or bool((curve == NONE).all()):
        return None
    return PartLoad(tuple(item for item in found if item is not None), curve.astype(np.int64))


def _curve(reader: Reader, problems: Problems, number: int, item: object) -> ChargerLosses | None:
    at = f"loss_curves[{number}]"
    if not isinstance(item, Mapping):
        reader.fault(at, item, "an object with rated_kw", "Put the values under their keys.")
        return None
    before = len(problems)
    one = Reader(dict(item), problems, f"{at}.")
    one.check_keys(LOSS_KEYS, {"rated_kw"})
    rated = one.number("rated_kw", _RATED, 1.0)
    measured, curves = _any(one, _MEASURED), _any(one, _CURVES)
    if measured and curves:
        one.fault("load", "measured points beside curves", "one of the two", "Leave one out.")
    columns = {
        key: _column(one, key, allowed)
        for key, allowed in (
            *(((key, _LOAD if key == "load" else _EFFICIENCY) for key in _MEASURED) if measured else ()),
            *(((key, _POWER) for key in _CURVES) if curves else ()),
        )
    }
    if len(problems) > before:
        return None
    try:
        if curves:
            sides = [EfficiencyCurve(columns[f"{way}_input_kw"], columns[f"{way}_loss_kw"]) for way in _WAYS]
        elif measured:
            sides = [
                EfficiencyCurve.from_efficiency(rated, columns["load"], columns[f"{way}_efficiency"]) for way in _WAYS
            ]
        else:
            return default_losses(rated)
        return ChargerLosses(charge=sides[0], discharge=sides[1])
    except DomainError as error:
        reader.fault(at, "losses that no converter has", str(error), "Correct the values.")
        return None


_WAYS = ("charge", "discharge")


def _any(reader: Reader, keys: tuple[str, ...]) -> bool:
    return any(reader.raw(key) is not None for key in keys)


def _column(reader: Reader, key: str, allowed: Allowed) -> Floats:
    found = reader.numbers(key, allowed, length=None)
    if found is None and not reader.has(key):
        reader.fault(key, "nothing", f"a list of numbers ({allowed})", "Give the values, or leave out the others.")
    return np.zeros(0) if found is None else np.atleast_1d(found)


def loss_curves_to_list(losses: PartLoad) -> list[dict[str, object]]:
    """The entries of ``loss_curves``, ready for JSON."""
    return [
        {
            "rated_kw": item.charge.rated_kw,
            "charge_input_kw": item.charge.input_kw.tolist(),
            "charge_loss_kw": item.charge.loss_kw.tolist(),
            "discharge_input_kw": item.discharge.input_kw.tolist(),
            "discharge_loss_kw": item.discharge.loss_kw.tolist(),
        }
        for item in losses.curves
    ]
