"""Hourly loads of a year of 8760 h that begins on a Monday [kW], from whole-number arithmetic only."""

import numpy as np

HOUR = np.arange(8760)
OF_DAY = HOUR % 24
DAY = HOUR // 24


def spiky():
    """About 3 700 kWh a month with single hours of 25 to 38 kW."""
    load = 2.5 + 0.05 * ((HOUR * 37) % 61) + 3.0 * ((OF_DAY >= 16) & (OF_DAY < 21))
    return load + np.where(HOUR % 53 == 0, 22.0 + DAY % 13, 0.0)


def office():
    """An office of some 450 kW with a summer peak."""
    working = (OF_DAY >= 7) & (OF_DAY < 19) & (DAY % 7 < 5)
    summer = (DAY >= 150) & (DAY < 270)
    return 80.0 + 210.0 * working + 90.0 * (working & summer) + 0.5 * ((HOUR * 29) % 151)


def home():
    """A home of about 700 kWh a month."""
    return 0.35 + 1.4 * ((OF_DAY >= 17) & (OF_DAY < 22)) + 0.01 * ((HOUR * 31) % 97)


def roof(load, peak_kw):
    """The load less a roof of photovoltaics: exports at noon, every month still imports on balance."""
    sun = np.where((OF_DAY >= 7) & (OF_DAY <= 17), 25.0 - (OF_DAY - 12.0) ** 2, 0.0) / 25.0
    return load - peak_kw * sun * (1.0 + (DAY * 17) % 5) / 5.0
