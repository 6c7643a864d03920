"""Limits that couple vehicles beside the site meter: feeders and phases, and energy kept back for the site."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bothways.domain.errors import DomainError

Floats = NDArray[np.float64]

_PHASES = 3
_USUAL_PENALTY = 10.0


def _check(name: str, condition: bool, message: str) -> None:
    if not condition:
        msg = f"{name}: {message}"
        raise DomainError(msg)


@dataclass(frozen=True)
class GroupLimit:
    """A limit on the power of some vehicles together: a feeder, a phase, a transformer.

    Equation: lower_kw ≤ base_kw + Σ_i weight_i·power_i ≤ upper_kw in every step; power at the AC side,
    positive charges.

    Attributes:
        name: what people call it; it appears in reasons.
        weight: share of each vehicle's power that the limit sees, shape ``(N,)``, at least 0; 0 is no member.
        upper_kw: highest power, shape ``(T,)`` [kW]; ``inf`` for none.
        lower_kw: lowest power, shape ``(T,)`` [kW]; ``-inf`` for none.
        base_kw: power that flows there without the vehicles, shape ``(T,)`` [kW].
        penalty_per_kwh: price of power beyond the limit [currency/kWh]; ``inf`` makes it a hard limit, which ranks with
            the hard import limit above everything else.
    """

    name: str
    weight: Floats
    upper_kw: Floats
    lower_kw: Floats
    base_kw: Floats
    penalty_per_kwh: float = math.inf

    def __post_init__(self) -> None:
        what = f"group limit {self.name!r}"
        good = self.weight.ndim == 1 and bool((np.isfinite(self.weight) & (self.weight >= 0.0)).all())
        _check(what, good, "weight must hold one finite number of at least 0 per vehicle")
        same = self.base_kw.ndim == 1 and self.upper_kw.shape == self.lower_kw.shape == self.base_kw.shape
        _check(what, same, "upper_kw, lower_kw and base_kw must hold one number per step")
        _check(what, bool(np.isfinite(self.base_kw).all()), "base_kw must be finite")
        numbers = not bool(np.isnan(self.upper_kw).any() or np.isnan(self.lower_kw).any())
        sensible = numbers and bool((self.upper_kw > -math.inf).all() and (self.lower_kw < math.inf).all())
        _check(what, sensible, "upper_kw must not be -inf, lower_kw must not be inf, neither may be NaN")
        _check(what, bool((self.lower_kw <= self.upper_kw).all()), "lower_kw is above upper_kw")
        _check(what, self.penalty_per_kwh >= 0.0, "penalty_per_kwh must be at least 0")

    @classmethod
    def of(
        cls,
        name: str,
        weight: ArrayLike,
        periods: int,
        *,
        upper_kw: ArrayLike = math.inf,
        lower_kw: ArrayLike = -math.inf,
        base_kw: ArrayLike = 0.0,
        penalty_per_kwh: float = math.inf,
    ) -> GroupLimit:
        """A limit from numbers or arrays; a number stands for every step, truth values for whole members.

        >>> GroupLimit.of("feeder 1", [True, False, True], 2, upper_kw=40.0).weight
        array([1., 0., 1.])
        """
        upper, lower, base = (
            np.array(np.broadcast_to(np.asarray(one, dtype=np.float64), (periods,)))
            for one in (upper_kw, lower_kw, base_kw)
        )
        return cls(name, np.asarray(weight, dtype=np.float64), upper, lower, base, penalty_per_kwh)

    @property
    def hard(self) -> bool:
        """Whether the limit must be kept."""
        return math.isinf(self.penalty_per_kwh)

    def beyond_kw(self, power_kw: Floats) -> Floats:
        """Power beyond the limit, on either side, ``(T,)`` [kW].

        Args:
            power_kw: power there with the vehicles, ``(T,)`` [kW].
        """
        return np.maximum(np.maximum(power_kw - self.upper_kw, self.lower_kw - power_kw), 0.0)


def phase_limits(
    phase: ArrayLike,
    periods: int,
    *,
    upper_kw: ArrayLike,
    base_kw: ArrayLike = 0.0,
    penalty_per_kwh: float = math.inf,
) -> tuple[GroupLimit, GroupLimit, GroupLimit]:
    """The limits of the three phases of one connection.

    Args:
        phase: for each vehicle 1, 2 or 3 where it charges on that phase alone, 0 where it takes a third on each,
            ``(N,)``.
        periods: number of steps T.
        upper_kw: limit of each phase [kW]: a number, ``(T,)``, or ``(3, T)``; it holds in both directions.
        base_kw: load of each phase without the vehicles [kW]; same shapes.
        penalty_per_kwh: as in :class:`GroupLimit`.

    Raises:
        DomainError: a phase other than 0, 1, 2 or 3.

    >>> [limit.weight.round(2).tolist() for limit in phase_limits([0, 1, 3], 1, upper_kw=7.4)]
    [[0.33, 1.0, 0.0], [0.33, 0.0, 0.0], [0.33, 0.0, 1.0]]
    """
    of_vehicle = np.asarray(phase)
    _check("phase limits", bool(np.isin(of_vehicle, (0, 1, 2, 3)).all()), "a phase must be 0 (all three), 1, 2 or 3")
    upper = np.broadcast_to(np.asarray(upper_kw, dtype=np.float64), (_PHASES, periods))
    base = np.broadcast_to(np.asarray(base_kw, dtype=np.float64), (_PHASES, periods))
    one, two, three = (
        GroupLimit.of(
            f"L{number + 1}",
            np.where(of_vehicle == 0, 1.0 / _PHASES, np.where(of_vehicle == number + 1, 1.0, 0.0)),
            periods,
            upper_kw=upper[number],
            lower_kw=-upper[number],
            base_kw=base[number],
            penalty_per_kwh=penalty_per_kwh,
        )
        for number in range(_PHASES)
    )
    return one, two, three


@dataclass(frozen=True)
class EnergyReserve:
    """Energy that the connected vehicles together keep back for the site, as far as they can.

    Equation: Σ_i weight_it·ηd_i·(e_i,t+1 − floor_i) + deficit_t ≥ required_t, e at the end of step t, over the vehicles
    present in step t that can discharge. A vehicle below its floor counts from the step that brings it there. Every
    driver's requirement ranks above the reserve.

    Attributes:
        required_kwh: energy at the AC side that should be there at the end of each step, ``(T,)`` [kWh].
        weight: expected presence of each vehicle, ``(N,)`` or ``(N, T)``, at least 0.
        penalty_per_kwh: price of each kWh that is missing at the end of a step [currency/kWh per step]; the shadow
            price never exceeds it.
    """

    required_kwh: Floats
    weight: Floats
    penalty_per_kwh: float = _USUAL_PENALTY

    def __post_init__(self) -> None:
        required, weight = self.required_kwh, self.weight
        good = required.ndim == 1 and bool((np.isfinite(required) & (required >= 0.0)).all())
        _check("energy reserve", good, "required_kwh must hold one finite number of at least 0 per step")
        shaped = weight.ndim == 1 or (weight.ndim == 2 and weight.shape[1] == required.shape[0])
        _check("energy reserve", shaped, "weight must hold one number per vehicle, or per vehicle and step")
        positive = bool((np.isfinite(weight) & (weight >= 0.0)).all())
        _check("energy reserve", positive, "weight must be finite and at least 0")
        priced = math.isfinite(self.penalty_per_kwh) and self.penalty_per_kwh > 0.0
        _check("energy reserve", priced, "penalty_per_kwh must be finite and above 0")

    @classmethod
    def of(
        cls, required_kwh: ArrayLike, vehicles: int, periods: int, *, weight: ArrayLike = 1.0,
        penalty_per_kwh: float = _USUAL_PENALTY,
    ) -> EnergyReserve:  # fmt: skip
        """A reserve from numbers or arrays; a number stands for all steps or vehicles.

        >>> EnergyReserve.of(50.0, 2, 3).required_kwh
        array([50., 50., 50.])
        """
        given = np.asarray(weight, dtype=np.float64)
        shape = (vehicles,) if given.ndim <= 1 else (vehicles, periods)
        required = np.broadcast_to(np.asarray(required_kwh, dtype=np.float64), (periods,))
        return cls(np.array(required), np.array(np.broadcast_to(given, shape)), penalty_per_kwh)

    def weight_at(self, vehicles: NDArray[np.int64], steps: NDArray[np.int64]) -> Floats:
        """Weights of some vehicle-steps, same shape as the two arrays broadcast."""
        if self.weight.ndim == 1:
            return np.asarray(np.broadcast_to(self.weight[vehicles], np.broadcast_shapes(vehicles.shape, steps.shape)))
        return np.asarray(self.weight[vehicles, steps])
