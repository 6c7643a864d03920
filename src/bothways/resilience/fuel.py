"""Compiled kernel: when the generators' tanks are empty."""

from __future__ import annotations

from numba import njit

from bothways.resilience.serving import ADD, GENERATED, IN_KW, KEEP, OUT_KW, ROOM, TURN, book, needed_kw, running_kw
from bothways.resilience.site import Floats

_EPS = 1e-7


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
def fuel_lasts(
    begin: int, loads: Floats, inrush: Floats, keep: int, pv: Floats, sun_works: float, path: Floats, units: Floats,
    unit_kw: Floats, tank: Floats, left: Floats, lasts: Floats, energy: Floats,
) -> None:  # fmt: skip
    """Writes the hour from which each kind's tank is empty, along the path on which every generator runs.

    Fewer running generators use no more fuel in an hour, so the path is the cautious one.

    Args:
        begin: as in :func:`follow_outage`, and so all others down to ``lasts``.
        loads: see there.
        inrush: see there.
        keep: see there.
        pv: see there.
        sun_works: see there.
        path: see there.
        units: see there.
        unit_kw: see there.
        tank: electric energy of each kind's fuel [kWh], shape ``(K,)``.
        left: scratch, shape ``(K,)``.
        lasts: out, shape ``(K,)``.
        energy: scratch, shape ``(1, 5 + J)``.
    """
    stored = 0.0
    for k in range(tank.shape[0]):
        left[k] = tank[k]
        lasts[k] = path.shape[0]
    for d in range(path.shape[0]):
        hour = (begin + d) % pv.shape[0]
        stored = min(path[d, ROOM], stored * path[d, KEEP] + path[d, ADD])
        gen = running_kw(units, unit_kw, lasts, 0, d)
        sun = pv[hour] * sun_works
        free = gen + sun + min(path[d, OUT_KW], stored)
        tiers = keep
        while tiers > 0 and needed_kw(loads, hour, tiers, d == 0, inrush)[1] > free:
            tiers -= 1
        load = needed_kw(loads, hour, tiers, d < 0, inrush)[0]
        net, into = load - gen - sun, 0.0
        if net < 0.0 and path[d, TURN] > 0.0:
            into = min(-net, path[d, IN_KW], max(0.0, path[d, ROOM] - stored) / path[d, TURN])
        energy[:] = 0.0
        book(energy, 0, 1.0, load, gen, sun, max(0.0, net), into, 0.0)
        for k in range(unit_kw.shape[0]):
            if d < lasts[k] and gen > 0.0:
                left[k] -= energy[0, GENERATED] * units[0, k] * unit_kw[k] / gen
                if left[k] < -_EPS:
                    lasts[k] = d
        stored = max(0.0, stored - max(0.0, net)) + into * path[d, TURN]
