"""Losses between the AC side and the battery: part load, stand-by, derating in the cold and the heat.

A converter loses a part that is always there, one in proportion to power and one with its square; its loss is therefore
convex in power, and a convex piecewise-linear loss is what an optimiser can take exactly: for charging

    stored power ≤ slope_k · ac_power + intercept_k for every segment k,

and for discharging, with powers as magnitudes, ac_power ≤ slope_k · stored power + intercept_k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bothways.domain.errors import DomainError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EfficiencyCurve:
    """Loss of one direction as a convex piecewise-linear function of the power that goes in.

    Attributes:
        input_kw: breakpoints of input power, ascending from 0, shape ``(K + 1,)`` [kW].
        loss_kw: loss at the breakpoints, shape ``(K + 1,)`` [kW]; the first is the loss of being on without power.

    Raises:
        DomainError: breakpoints that do not ascend from 0, a loss below 0 or not convex, or one that grows faster than
            power, so that more in would be less out.
    """

    input_kw: Floats
    loss_kw: Floats

    def __post_init__(self) -> None:
        power, loss = np.array(self.input_kw, dtype=np.float64), np.array(self.loss_kw, dtype=np.float64)
        if power.ndim != 1 or power.shape != loss.shape or power.shape[0] < 2:
            msg = "an efficiency curve needs at least two breakpoints, with one loss each"
            raise DomainError(msg)
        if not (
            np.isfinite(power).all() and np.isfinite(loss).all() and power[0] == 0.0 and (np.diff(power) > 0).all()
        ):
            msg = f"breakpoints must be finite and ascend from 0, not {power.tolist()}"
            raise DomainError(msg)
        slopes = np.diff(loss) / np.diff(power)
        if loss[0] < 0.0 or (np.diff(slopes) < -1e-9).any() or slopes[0] < -1e-9 or slopes[-1] >= 1.0:
            msg = f"losses must be at least 0, convex and grow more slowly than power, not {loss.tolist()} kW"
            raise DomainError(msg)
        for name, array in (("input_kw", power), ("loss_kw", loss)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def quadratic(
        cls,
        rated_kw: float,
        idle_kw: float,
        proportional: float,
        square: float,
        segments: Sequence[float] = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0),
    ) -> EfficiencyCurve:
        """Loss idle + proportional·P + square·P²/rated, with breakpoints on the curve.

        Args:
            rated_kw: rated input power [kW].
            idle_kw: loss of being on [kW].
            proportional: loss per power.
            square: loss at rated power that grows with its square, per rated power.
            segments: breakpoints as fractions of rated power. Between them the chord lies above the curve, by at most
                square·rated·(width/2)².
        """
        power = np.asarray(segments, dtype=np.float64) * rated_kw
        return cls(power, idle_kw + proportional * power + square * power**2 / rated_kw)

    @classmethod
    def from_efficiency(cls, rated_kw: float, load: ArrayLike, efficiency: ArrayLike) -> EfficiencyCurve:
        """The greatest convex curve below the losses of measured points; where they fall with power it stays level.

        Args:
            rated_kw: rated input power [kW].
            load: input power over rated power of each measurement, above 0.
            efficiency: output over input of each, in (0, 1].

        Raises:
            DomainError: points out of range, or fewer than two.

        >>> curve = EfficiencyCurve.from_efficiency(10.0, [0.1, 0.5, 1.0], [0.80, 0.92, 0.93])
        >>> [round(float(curve.efficiency(p)), 3) for p in (1.0, 5.0, 10.0)]
        [0.8, 0.92, 0.93]
        """
        fraction = np.asarray(load, dtype=np.float64)
        eta = np.asarray(efficiency, dtype=np.float64)
        if fraction.ndim != 1 or fraction.shape != eta.shape or fraction.shape[0] < 2:
            msg = "measured points need at least two loads with one efficiency each"
            raise DomainError(msg)
        if not ((fraction > 0.0).all() and (eta > 0.0).all() and (eta <= 1.0).all() and rated_kw > 0.0):
            msg = "measured points need loads above 0 and efficiencies in (0, 1]"
            raise DomainError(msg)
        order = np.argsort(fraction)
        power = fraction[order] * rated_kw
        # level before the envelope: a chord from a point that is raised afterwards would pass above its neighbours
        points = _lower_hull(power, np.maximum.accumulate(power * (1.0 - eta[order])))
        power, loss = points[:, 0], points[:, 1]
        slope = (loss[1] - loss[0]) / (power[1] - power[0]) if len(points) > 1 else 0.0
        slope = max(0.0, slope)
        idle = max(0.0, loss[0] - slope * power[0])
        return cls(np.append(0.0, power), np.append(idle, loss))

    @property
    def rated_kw(self) -> float:
        """Greatest input power [kW]."""
        return float(self.input_kw[-1])

    def loss(self, input_kw: ArrayLike) -> Floats:
        """Loss while on [kW], same shape as ``input_kw``; beyond the rating the last segment goes on."""
        power = np.asarray(input_kw, dtype=np.float64)
        slopes, intercepts = self.segments()
        return np.asarray(power - np.min(slopes * power[..., None] + intercepts, axis=-1))

    def output_kw(self, input_kw: ArrayLike) -> Floats:
        """Power that comes out [kW]; 0 where the loss eats it all."""
        power = np.asarray(input_kw, dtype=np.float64)
        return np.asarray(np.maximum(0.0, power - self.loss(power)))

    def input_for(self, output_kw: ArrayLike) -> Floats:
        """Power that must go in for an output [kW]; the inverse of :meth:`output_kw` above 0."""
        power = np.asarray(output_kw, dtype=np.float64)
        slopes, intercepts = self.segments()
        return np.asarray(np.where(power > 0.0, np.max((power[..., None] - intercepts) / slopes, axis=-1), 0.0))

    def efficiency(self, input_kw: ArrayLike) -> Floats:
        """Output over input, 0 at no power."""
        power = np.asarray(input_kw, dtype=np.float64)
        safe = np.where(power > 0.0, power, 1.0)
        return np.asarray(np.where(power > 0.0, self.output_kw(power) / safe, 0.0))

    def segments(self) -> tuple[Floats, Floats]:
        """Slopes and intercepts of the output, each ``(K,)`` and ``(K,)`` [kW]: output = min_k(slope_k·input + b_k)."""
        slopes = 1.0 - np.diff(self.loss_kw) / np.diff(self.input_kw)
        return slopes, (self.input_kw - self.loss_kw)[:-1] - slopes * self.input_kw[:-1]


def _lower_hull(x: Floats, y: Floats) -> Floats:
    """Lower convex envelope of points with ascending ``x``, shape ``(H, 2)`` (Andrew's monotone chain)."""
    hull: list[tuple[float, float]] = []
    for px, py in zip(x.tolist(), y.tolist(), strict=True):
        while len(hull) >= 2 and (hull[-1][0] - hull[-2][0]) * (py - hull[-2][1]) <= (hull[-1][1] - hull[-2][1]) * (
            px - hull[-2][0]
        ):
            hull.pop()
        if hull and px == hull[-1][0]:
            hull[-1] = (px, min(py, hull[-1][1]))
        else:
            hull.append((px, py))
    return np.array(hull)


@dataclass(frozen=True)
class ChargerLosses:
    """Both directions of one charger with its vehicle, and what they draw while they wait.

    Attributes:
        charge: AC power in, stored power out.
        discharge: stored power in, AC power out.
        standby_kw: drawn from the AC side while plugged in and available without power [kW].
    """

    charge: EfficiencyCurve
    discharge: EfficiencyCurve
    standby_kw: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.standby_kw) and self.standby_kw >= 0.0):
            msg = f"standby_kw must be finite and at least 0, not {self.standby_kw}"
            raise DomainError(msg)

    def stored_kw(self, ac_kw: ArrayLike) -> Floats:
        """Power into the battery for a power at the charger, both signed (positive charges) [kW].

        At 0 nothing moves: stand-by is drawn from the AC side and is not part of ``ac_kw``.
        """
        power = np.asarray(ac_kw, dtype=np.float64)
        return np.asarray(np.where(power > 0.0, self.charge.output_kw(power), 0.0 - self.discharge.input_for(-power)))

    def round_trip(self, ac_kw: ArrayLike) -> Floats:
        """AC energy back per AC energy in, at the same AC power in both directions."""
        power = np.asarray(ac_kw, dtype=np.float64)
        return np.asarray(self.charge.efficiency(power) * power / np.maximum(self.discharge.input_for(power), 1e-12))

    def standby_kwh(self, ac_kw: ArrayLike, available: ArrayLike, step_h: float) -> float:
        """Energy drawn while available without power [kWh, AC side], for arrays of shape ``(T,)``."""
        idle = np.asarray(available, dtype=np.bool_) & (np.asarray(ac_kw, dtype=np.float64) == 0.0)
        return float(idle.sum() * self.standby_kw * step_h)


def default_losses(rated_kw: float) -> ChargerLosses:
    """Losses of a bidirectional charger with a passenger car, both directions including the battery's own.

    Loss = 0.020·rated + 0.045·P + 0.022·P²/rated each way. Grid to grid this gives 83 % at rated power, 82 % at half,
    76 % at a quarter and 60 % at a tenth of it: within the published 70–85 % from a quarter of the rating upwards, and
    poor below a tenth. Schram et al. 2020, 10.1109/SEST48500.2020.9203459, measured 79.1–87.8 % (87.0 % at 3 × 16 A,
    less at lower currents and in the cold); Apostolaki-Iosifidou et al. 2017, 10.1016/j.energy.2017.03.015, found
    12–36 % lost between grid and battery and back. The split into three terms, and a stand-by of 50 W for the vehicle's
    controls kept awake plus 15 W for the charger, are assumptions that meet these bands.

    >>> default_losses(11.0).round_trip([11.0, 5.5, 2.75, 1.1]).round(2).tolist()
    [0.83, 0.82, 0.76, 0.6]
    """
    curve = EfficiencyCurve.quadratic(rated_kw, 0.020 * rated_kw, 0.045, 0.022)
    return ChargerLosses(charge=curve, discharge=curve, standby_kw=0.065)


@dataclass(frozen=True)
class Derating:
    """Share of rated power that a battery takes or gives at a temperature, piecewise linear.

    The defaults are an assumption in the manner of lithium-ion data sheets (no charging below −25 °C, full power from
    15 to 40 °C, nothing above 60 °C); a vehicle's own curve should replace them where it is known.

    Attributes:
        celsius: breakpoints, ascending, shape ``(K,)`` [°C].
        charge: share 0…1 while charging at each.
        discharge: share 0…1 while discharging at each.
    """

    celsius: tuple[float, ...] = (-25.0, -10.0, 0.0, 10.0, 15.0, 40.0, 50.0, 60.0)
    charge: tuple[float, ...] = (0.0, 0.05, 0.2, 0.6, 1.0, 1.0, 0.5, 0.0)
    discharge: tuple[float, ...] = (0.2, 0.5, 0.8, 1.0, 1.0, 1.0, 0.6, 0.0)

    def __post_init__(self) -> None:
        shares = (
            np.array([self.charge, self.discharge]) if len(self.charge) == len(self.discharge) else np.zeros((0, 0))
        )
        if shares.shape != (2, len(self.celsius)) or not (np.diff(self.celsius) > 0.0).all():
            msg = "derating needs ascending temperatures with one share of charging and one of discharging each"
            raise DomainError(msg)
        if not ((shares >= 0.0) & (shares <= 1.0)).all():
            msg = "shares of derating must lie in 0…1"
            raise DomainError(msg)

    def charge_share(self, temperature_c: ArrayLike) -> Floats:
        """Share of rated charging power, same shape as ``temperature_c``; held beyond the ends."""
        return np.asarray(np.interp(np.asarray(temperature_c, dtype=np.float64), self.celsius, self.charge))

    def discharge_share(self, temperature_c: ArrayLike) -> Floats:
        """Share of rated discharging power, same shape as ``temperature_c``; held beyond the ends."""
        return np.asarray(np.interp(np.asarray(temperature_c, dtype=np.float64), self.celsius, self.discharge))
