"""Irradiance of a clear sky, on the horizontal and in a plane, sampled inside every interval (pvlib)."""

from __future__ import annotations

import math
import warnings
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bothways.adapters.profiles.optional import load
from bothways.domain.timegrid import TimeGrid

Floats = NDArray[np.float64]

LONGEST_SAMPLE_S = 900
"""Longest time between two positions of the sun within one interval [s]."""

_NEEDED_FOR = "computed PV"


class ClearSky:
    """The sun over one place, at the middle of ``per_interval`` equal parts of every interval of ``grid``.

    All arrays have shape ``(T · per_interval,)`` and are in W/m², 0 at night. The clear sky is that of Ineichen and
    Perez (2002), doi:10.1016/S0038-092X(02)00045-2, with a constant Linke turbidity.

    Raises:
        InputError: pvlib is not installed.
    """

    def __init__(
        self, grid: TimeGrid, *, latitude: float, longitude: float, altitude_m: float, linke_turbidity: float
    ) -> None:
        self.per_interval = math.ceil(grid.step_s / LONGEST_SAMPLE_S)
        self._latitude, self._longitude, self._altitude_m = latitude, longitude, altitude_m
        self._linke_turbidity = linke_turbidity
        part_ns = grid.step_s * 1_000_000_000 // self.per_interval
        parts = np.arange(grid.periods * self.per_interval, dtype=np.int64)
        pandas = load("pandas", needed_for=_NEEDED_FOR)
        self._times = pandas.to_datetime(grid.start_s * 1_000_000_000 + parts * part_ns + part_ns // 2, utc=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._position = load("pvlib.solarposition", needed_for=_NEEDED_FOR).get_solarposition(
                self._times, latitude, longitude, altitude=altitude_m
            )
            self._extra = load("pvlib.irradiance", needed_for=_NEEDED_FOR).get_extra_radiation(self._times)

    @cached_property
    def horizontal_w_m2(self) -> Floats:
        """Global irradiance of the clear sky on the horizontal [W/m²]."""
        atmosphere = load("pvlib.atmosphere", needed_for=_NEEDED_FOR)
        clearsky = load("pvlib.clearsky", needed_for=_NEEDED_FOR)
        zenith = self._position["apparent_zenith"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # air mass is not a number at night, on purpose
            air_mass = atmosphere.get_absolute_airmass(
                atmosphere.get_relative_airmass(zenith), atmosphere.alt2pres(self._altitude_m)
            )
            sky = clearsky.ineichen(
                zenith, air_mass, self._linke_turbidity, altitude=self._altitude_m, dni_extra=self._extra
            )
        return _filled(sky["ghi"])

    def in_plane_w_m2(self, horizontal_w_m2: Floats, *, tilt_deg: float, azimuth_deg: float) -> Floats:
        """Irradiance that a tilted module takes in, given that on the horizontal [W/m²].

        Beam and diffuse after Erbs, Klein and Duffie (1982), doi:10.1016/0038-092X(82)90302-4; the tilted plane after
        Hay and Davies (1980); the beam loses what a glass cover reflects.
        """
        irradiance: Any = load("pvlib.irradiance", needed_for=_NEEDED_FOR)
        iam: Any = load("pvlib.iam", needed_for=_NEEDED_FOR)
        position = self._position
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parts = irradiance.erbs(horizontal_w_m2, position["zenith"], self._times)
            plane = irradiance.get_total_irradiance(
                tilt_deg, azimuth_deg, position["apparent_zenith"], position["azimuth"],
                parts["dni"], horizontal_w_m2, parts["dhi"], dni_extra=self._extra, model="haydavies",
            )  # fmt: skip
            incidence = irradiance.aoi(tilt_deg, azimuth_deg, position["apparent_zenith"], position["azimuth"])
            passed = iam.physical(incidence)
        return _filled(plane["poa_direct"]) * _filled(passed) + _filled(plane["poa_diffuse"])


def _filled(series: Any) -> Floats:
    """Numbers at day, 0 where pvlib has none (the sun is down)."""
    return np.maximum(np.nan_to_num(np.asarray(series, dtype=np.float64)), 0.0)
