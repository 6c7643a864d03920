"""Loads compiled kernels before they are needed: compiling takes a machine some seconds once, or a minute.

A tick's kernels are waited for before the first tick. Those with which the fleet engine plans converters that lose more
at part load are loaded beside the loop; until they are there, plans count losses as they are at full power.
"""

from __future__ import annotations

import math

import numpy as np

from bothways.dispatch.curves import Curves
from bothways.dispatch.phases import CONSTRAINTS, cap_rise, hold, import_load, settle_minimum
from bothways.dispatch.setpoints import setpoints

_loaded: set[str] = set()


def kernels_loaded(*, part_load: bool = False) -> bool:
    """Whether every kernel of a tick was compiled or loaded in this process.

    Args:
        part_load: whether the tick counts losses at part load.
    """
    with_curves = not part_load or any(
        getattr(known[-1], "instance_class", None) is Curves for known in setpoints.signatures
    )
    return with_curves and all(kernel.signatures for kernel in (setpoints, import_load, settle_minimum, cap_rise, hold))


def load_kernels(*, part_load: bool = False) -> None:
    """Calls each kernel once with one vehicle; afterwards no tick has to wait for a compiler.

    Args:
        part_load: also with losses at part load.
    """
    one, first, running = np.ones(1), np.ones(1, dtype=np.int64), np.ones(1, dtype=np.bool_)
    order = np.zeros(1, dtype=np.int64)
    known = (one, one, one, one, one, first, one, one, one, one, one, 0.0, math.inf, 1.0, 1.0, 1.0)
    setpoints(*known)
    if part_load:
        slope, intercept = np.ones((1, 1)), np.zeros((1, 1))
        setpoints(*known, Curves(slope, intercept, slope, intercept))
    base, limit = np.zeros(CONSTRAINTS), np.ones(CONSTRAINTS)
    shares = (np.ones((1, CONSTRAINTS)), np.ones((1, CONSTRAINTS)), np.ones((1, CONSTRAINTS)), one)
    power = np.ones(1)
    import_load(power, 0, base, *shares)
    settle_minimum(power, one, one, one, running, order, base, limit, *shares)
    cap_rise(power, one, one, order, 1.0, 1.0)
    hold(power, one, one, one, one, order, base, base, limit, limit, *shares)


def converters_loaded() -> bool:
    """Whether the fleet engine can plan converters without waiting for a compiler."""
    return "converters" in _loaded


def load_converters() -> None:
    """Compiles or loads the kernels for plans of converters: a second, or a minute where no cache has them."""
    from bothways.planning.engine.converters.solve import prepare_converters  # noqa: PLC0415
    from bothways.planning.engine.solve import prepare  # noqa: PLC0415

    if not converters_loaded():
        prepare()  # the search among converters begins with that of the plain engine
        prepare_converters()
        _loaded.add("converters")
