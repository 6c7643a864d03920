"""Loads the compiled kernels of a tick before the first one needs them: compiling takes a machine some seconds once."""

from __future__ import annotations

import math

import numpy as np

from bothways.dispatch.phases import CONSTRAINTS, cap_rise, hold, import_load, settle_minimum
from bothways.dispatch.setpoints import setpoints


def kernels_loaded() -> bool:
    """Whether every kernel was compiled or loaded in this process."""
    return all(kernel.signatures for kernel in (setpoints, import_load, settle_minimum, cap_rise, hold))


def load_kernels() -> None:
    """Calls each kernel once with one vehicle; afterwards no tick has to wait for a compiler."""
    one, first, running = np.ones(1), np.ones(1, dtype=np.int64), np.ones(1, dtype=np.bool_)
    order = np.zeros(1, dtype=np.int64)
    setpoints(one, one, one, one, one, first, one, one, one, one, one, 0.0, math.inf, 1.0, 1.0, 1.0)
    base, limit = np.zeros(CONSTRAINTS), np.ones(CONSTRAINTS)
    shares = (np.ones((1, CONSTRAINTS)), np.ones((1, CONSTRAINTS)), np.ones((1, CONSTRAINTS)), one)
    power = np.ones(1)
    import_load(power, 0, base, *shares)
    settle_minimum(power, one, one, one, running, order, base, limit, *shares)
    cap_rise(power, one, one, order, 1.0, 1.0)
    hold(power, one, one, one, one, order, base, base, limit, limit, *shares)
