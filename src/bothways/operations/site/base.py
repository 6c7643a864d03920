"""The building's own load from the site's meter, while vehicles are on their way from one order to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bothways.dispatch.phases import CONSTRAINTS
from bothways.operations.site.settings import SiteSettings
from bothways.operations.site.state import PHASES, EvseState, Image

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Base:
    """Import without controllable vehicles on L1, L2, L3 and in total, shape ``(4,)`` [kW].

    Attributes:
        building: the building alone, as estimated; ``nan`` where it was never seen.
        high: at most, with the load of EVSEs that take no orders.
        low: at least, likewise.
        import_limit: greatest import, shape ``(4,)`` [kW].
        export_limit: greatest export, shape ``(4,)`` [kW].
    """

    building: Floats
    high: Floats
    low: Floats
    import_limit: Floats
    export_limit: Floats


def limits_of(image: Image) -> tuple[Floats, Floats]:
    """Import and export limits on the four constraints [kW]."""
    limits = image.limits
    phase = limits.phase_kw
    return (
        np.array([phase, phase, phase, limits.import_hard_kw]),
        np.array([phase, phase, phase, limits.export_kw]),
    )


def estimate_base(image: Image, before: Floats | None, settings: SiteSettings) -> Base:
    """The building's load now.

    The meter shows building and vehicles together. A vehicle whose metering is settled is subtracted exactly; one on
    its way between two orders is somewhere in a range, so the building is in a range as well. The estimate is the
    value in that range nearest to the estimate before: a vehicle that ramps up is not taken for a building that
    does, and a building that changes is seen at once as far as vehicles cannot explain it.

    Args:
        image: the tick's image.
        before: ``building`` of the tick before; ``None`` at the beginning.
        settings: what is assumed when the meter is silent.

    Returns:
        The base with the limits in force.
    """
    import_limit, export_limit = limits_of(image)
    if not image.meter_fresh:
        return _worst_case(image, before, import_limit, settings)
    measured = _measured(image, settings)
    low, high, nominal = _vehicles(image.evses)
    guess = measured - nominal if before is None or not np.isfinite(before).all() else before
    building = np.clip(guess, measured - high, measured - low)
    extra, spare, given = _untold(image.evses)
    # what an EVSE out of reach gives may end at any moment: the building that it hides is counted
    top = np.maximum(building, np.minimum(building + given, measured - low))
    return Base(building, top + extra, building + spare, import_limit, export_limit)


def _measured(image: Image, settings: SiteSettings) -> Floats:
    if image.phase_kw:
        return np.array([*image.phase_kw, image.site_kw])
    share = settings.phase_imbalance / PHASES if image.site_kw > 0.0 else 1.0 / PHASES
    return np.array([*([image.site_kw * share] * PHASES), image.site_kw])


def _vehicles(evses: tuple[EvseState, ...]) -> tuple[Floats, Floats, Floats]:
    """Least, greatest and likely power of all EVSEs on the four constraints [kW]."""
    used = [item for item in evses if item.session is not None or item.low_kw != 0.0 or item.high_kw != 0.0]
    low = np.array([item.low_kw for item in used])[:, None]
    high = np.array([item.high_kw for item in used])[:, None]
    told = [item.measured_kw if item.fresh else min(max(item.ordered_kw, item.low_kw), item.high_kw) for item in used]
    known = np.array([item.phases.known for item in used], dtype=np.bool_)[:, None]
    worst = np.array([item.phases.worst for item in used]).reshape(-1, PHASES)
    most = np.array([item.phases.most_kw for item in used]).reshape(-1, PHASES)
    even = (most > 0.0) / np.maximum(1, (most > 0.0).sum(axis=1, keepdims=True))
    by_phase = (
        np.where(known, low * worst, np.minimum(0.0, np.maximum(low, -most))),
        np.where(known, high * worst, np.maximum(0.0, np.minimum(high, most))),
        np.array(told)[:, None] * np.where(known, worst, even),
    )
    totals = (low.sum(), high.sum(), sum(told))
    least, greatest, likely = (np.append(part.sum(axis=0), total) for part, total in zip(by_phase, totals, strict=True))
    return least, greatest, likely


def _untold(evses: tuple[EvseState, ...]) -> tuple[Floats, Floats, Floats]:
    """What EVSEs may take, and what they may give, beyond what they can be told, on the four constraints [kW].

    The third is what those that take no orders may be giving now, at least 0.
    """
    most, least, given = np.zeros(CONSTRAINTS), np.zeros(CONSTRAINTS), np.zeros(CONSTRAINTS)
    for item in evses:
        more = item.reserved_kw if not item.controllable else max(0.0, item.excess_kw)
        less = min(0.0, item.excess_kw if item.controllable else item.low_kw)
        if more == 0.0 == less:
            continue
        for c in range(PHASES):
            most[c] += min(item.phases.worst[c] * more, item.phases.most_kw[c])
            least[c] += max(item.phases.worst[c] * less, -item.phases.most_kw[c])
            given[c] -= 0.0 if item.controllable else max(item.phases.worst[c] * less, -item.phases.most_kw[c])
        most[PHASES] += more
        least[PHASES] += less
        given[PHASES] -= 0.0 if item.controllable else less
    return most, least, given


def _worst_case(image: Image, before: Floats | None, import_limit: Floats, settings: SiteSettings) -> Base:
    """No meter: the greatest load that was stated, else all but a share of each limit; and no discharging."""
    high = np.zeros(CONSTRAINTS)
    stated = settings.assumed_load_kw
    for c in range(CONSTRAINTS):
        if stated is not None:
            high[c] = stated if c == PHASES else stated * settings.phase_imbalance / PHASES
        elif math.isfinite(import_limit[c]):
            high[c] = import_limit[c] * (1.0 - settings.stale_share)
    extra, *_ = _untold(image.evses)
    building = np.full(CONSTRAINTS, np.nan) if before is None else before
    # nobody sees what is exported: vehicles must not cause any
    return Base(building, high + extra, np.zeros(CONSTRAINTS), import_limit, np.zeros(CONSTRAINTS))
