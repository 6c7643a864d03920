"""The cells, as data: which law, with which tables, from which source, believed how far.

>>> sorted(MODELS)
['generic', 'lfp-250ah', 'lfp-sony', 'nca-panasonic', 'nmc-50ah', 'nmc-nrel', 'nmc111-sanyo']
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bothways.battery import laws
from bothways.battery.laws import GAS, GRID, ROOM_K, TABLES

Floats = NDArray[np.float64]

FARADAY = 96485.33212
"""[C/mol]."""

_SOC = np.linspace(0.0, 1.0, GRID + 1)

SANYO_OCV_V = (
    3.3310, 3.3758, 3.4197, 3.4575, 3.4910, 3.5190, 3.5436, 3.5639, 3.5812, 3.5963, 3.6079, 3.6181, 3.6267, 3.6342,
    3.6411, 3.6479, 3.6552, 3.6632, 3.6726, 3.6840, 3.6974, 3.7140, 3.7322, 3.7530, 3.7747, 3.7974, 3.8209, 3.8451,
    3.8688, 3.8924, 3.9154, 3.9393, 3.9649, 3.9914, 4.0194, 4.0470, 4.0730, 4.0962, 4.1183, 4.1404, 4.1620,
)  # fmt: skip
"""Open-circuit voltage of the Sanyo UR18650E at soc 0, 0.025 … 1 [V].

Schmalstieg et al. 2014, figure 1, and Ecker et al. 2014, 10.1016/j.jpowsour.2013.09.143, as digitised in BLAST-Lite.
"""

NREL_OCV_V = (3.0000, 3.4679, 3.5394, 3.5950, 3.6453, 3.6876, 3.7469, 3.8400, 3.9521, 4.0668, 4.193)
NREL_ANODE_V = (1.2868, 0.2420, 0.1818, 0.1488, 0.1297, 0.1230, 0.1181, 0.1061, 0.0925, 0.0876, 0.0859)
"""Voltages of the NREL cell and of its anode at soc 0, 0.1 … 1 [V], as in SSC ``lib_battery_lifetime_nmc``."""


def anode_potential_v(soc: Floats) -> Floats:
    """Potential of a graphite anode against lithium [V].

    Safari and Delacourt 2011, 10.1149/1.3567007, with the stoichiometry x = 0.0085 + 0.7715·soc of Schimpe et al.
    2018, 10.1149/2.1181714jes.
    """
    x = 8.5e-3 + soc * (0.78 - 8.5e-3)
    return np.asarray(
        0.6379
        + 0.5416 * np.exp(-305.5309 * x)
        + 0.044 * np.tanh(-(x - 0.1958) / 0.1088)
        - 0.1978 * np.tanh((x - 1.0571) / 0.0854)
        - 0.6875 * np.tanh((x + 0.0117) / 0.0529)
        - 0.0175 * np.tanh((x - 0.5692) / 0.0875)
    )


@dataclass(frozen=True, eq=False)
class AgeingModel:
    """One cell's ageing law. Calendar rates are exp(A(soc) + B(soc)·h) with h = T⁻¹ or T⁻³ [1/K or 1/K³].

    Attributes:
        key: the name it is called by.
        title: what it is, in words.
        chemistry: cathode and anode.
        source: author, year, doi.
        validity: what the cell was tested at, and what the law does not know.
        kind: which law of :mod:`bothways.battery.laws`.
        p_calendar: power p of the calendar law L = z^p.
        p_cycle: power p of the cycle law L = z^p.
        resistance_power: power of the calendar law of resistance; 0 where the source gives no resistance.
        heat_power: n of h = T⁻ⁿ, 1 or 3.
        tables: shape ``(7, 2001)``, rows named in :mod:`bothways.battery.laws`.
        never_better: which of hotter use, fuller storage, deeper cycles (as many) and faster ones can never lengthen
            life under this law.
    """

    key: str
    title: str
    chemistry: str
    source: str
    validity: str
    kind: int
    p_calendar: float
    p_cycle: float
    tables: Floats = field(repr=False)
    resistance_power: float = 0.0
    heat_power: int = 1
    never_better: frozenset[str] = frozenset()

    @property
    def has_resistance(self) -> bool:
        """Whether the source gives a law of resistance."""
        return self.resistance_power > 0.0

    def coefficients(self, *, energy_conserved: bool) -> Floats:
        """What the kernel needs beside the tables."""
        keep = 1.0 if energy_conserved else 0.0
        return np.array([self.kind, self.heat_power, self.p_calendar, self.p_cycle, self.resistance_power, keep])


def _tables(**rows: Floats | float) -> Floats:
    tables = np.zeros((TABLES, GRID + 1))
    for name, values in rows.items():
        tables[getattr(laws, name.upper())] = values
    tables.setflags(write=False)
    return tables


def _sanyo() -> AgeingModel:
    volts = np.interp(_SOC, np.linspace(0.0, 1.0, len(SANYO_OCV_V)), SANYO_OCV_V)
    v2 = volts**2
    p = 0.75
    return AgeingModel(
        key="nmc111-sanyo",
        title="NMC111 Sanyo UR18650E 2 Ah",
        chemistry="NMC111 / graphite",
        source="Schmalstieg et al. 2014, 10.1016/j.jpowsour.2014.02.012",
        validity="cycling at 35 °C and 1C only, so pessimistic for vehicles at home; no knee",
        kind=laws.SANYO,
        p_calendar=p,
        p_cycle=0.5,
        resistance_power=p,
        tables=_tables(
            cap_a=(np.log(7.543 * volts - 23.75) + math.log(1e6)) / p,
            cap_b=-6976.0 / p,
            res_a=(np.log(5.270 * volts - 16.32) + math.log(1e5)) / p,
            res_b=-5986.0 / p,
            voltage2=np.concatenate([[0.0], np.cumsum(0.5 * (v2[1:] + v2[:-1])) / GRID]),
        ),
        never_better=frozenset({"hotter", "fuller", "deeper"}),
    )


def _sony() -> AgeingModel:
    """Calendar resistance: the paper's (and its group's) term is squared; BLAST-Lite 1.1.1 cubes it. Squared here."""
    centred = _SOC - 0.5
    k = 1.2571e-5 * (2.8575 * centred**3 + 0.60225) * math.sqrt(86_400.0)
    k_r = 3.4194e-10 * (-3.3903 * centred**2 + 1.5604) * 86_400.0
    heat, heat_r = 17_126.0 / GAS, 71_827.0 / GAS
    return AgeingModel(
        key="lfp-sony",
        title="LFP Sony US26650FTC1 3 Ah",
        chemistry="LFP / graphite",
        source="Naumann et al. 2018, 10.1016/j.est.2018.01.019 (time); 2020, 10.1016/j.jpowsour.2019.227666 (use)",
        validity="storage 0…60 °C, cycling 25 and 40 °C; a high-power cell of exceptional cycle life",
        kind=laws.SONY,
        p_calendar=0.5,
        p_cycle=0.5,
        resistance_power=1.0,
        tables=_tables(
            cap_a=2.0 * (np.log(k) + heat / ROOM_K),
            cap_b=-2.0 * heat,
            res_a=np.log(k_r) + heat_r / ROOM_K,
            res_b=-heat_r,
        ),
        never_better=frozenset({"hotter", "fuller", "deeper", "faster"}),
    )


def _lfp250() -> AgeingModel:
    p = 0.526
    return AgeingModel(
        key="lfp-250ah",
        title="LFP 250 Ah prismatic",
        chemistry="LFP / graphite",
        source="Smith et al. 2023, 10.1016/j.est.2023.109042; constants of BLAST-Lite 1.1.1",
        validity="10…45 °C, at most 0.65C charge and 1C discharge; cycling is worse in the cold under this law",
        kind=laws.LFP250,
        p_calendar=p,
        p_cycle=0.828,
        tables=_tables(cap_a=math.log(8.37e4) / p, cap_b=(-5210.0 - 3560.0 * anode_potential_v(_SOC)) / p),
        never_better=frozenset({"fuller", "deeper", "faster"}),
    )


def _nca() -> AgeingModel:
    p = 0.512
    return AgeingModel(
        key="nca-panasonic",
        title="NCA Panasonic NCR18650B 3.2 Ah",
        chemistry="NCA / graphite",
        source="BLAST-Lite 1.1.1; data of Keil et al. 2016, 10.1149/2.0411609jes, and Preger et al. 2020, "
        "10.1149/1945-7111/abae37",
        validity="storage 25…50 °C for 300 days, cycling 15…35 °C; no knee",
        kind=laws.NCA,
        p_calendar=p,
        p_cycle=0.699,
        tables=_tables(cap_a=math.log(75.4) / p, cap_b=(-3340.0 + 353.0 * _SOC) / p),
        never_better=frozenset({"hotter", "fuller", "deeper", "faster"}),
    )


def _nmc50() -> AgeingModel:
    p = 0.584
    anode = np.cbrt(anode_potential_v(_SOC) / 0.123)
    return AgeingModel(
        key="nmc-50ah",
        title='NMC 50 Ah pouch ("B2")',
        chemistry="NMC / graphite",
        source="Smith et al. 2023, 10.1016/j.est.2023.109042; constants of BLAST-Lite 1.1.1",
        validity="10…45 °C at 80…100 % depth; above 0.3C in the cold it is not tested; cycling is worse in the cold",
        kind=laws.NMC50,
        p_calendar=p,
        p_cycle=0.907,
        heat_power=3,
        tables=_tables(cap_a=math.log(12.0) / p - math.log(1e4), cap_b=-3.91 * 308.15**3 * anode / p),
        never_better=frozenset({"fuller"}),
    )


def _nrel() -> AgeingModel:
    """The Tafel factor takes the dwell at every state of charge, where SSC takes the middle of the day's cycles.

    The reversible loss of capacity in the cold (d₀(T), c₀(T) of SSC) is left out: capacity is told at 25 °C.
    """
    anode = np.interp(_SOC, np.linspace(0.0, 1.0, 11), NREL_ANODE_V)
    volts = np.interp(_SOC, np.linspace(0.0, 1.0, 11), NREL_OCV_V)
    tafel, relax = FARADAY / GAS, 0.0066 * FARADAY / GAS
    return AgeingModel(
        key="nmc-nrel",
        title="NMC 75 Ah of NREL (Kokam)",
        chemistry="NMC / graphite",
        source="Smith et al. 2017, 10.23919/ACC.2017.7963578; constants of SSC lib_battery_lifetime_nmc",
        validity="0…55 °C at 80…100 % depth; every cycle counts alike, too harsh on many shallow ones; cold is worse",
        kind=laws.NREL,
        p_calendar=0.5,
        p_cycle=1.0,
        tables=_tables(
            cap_a=2.0 * (math.log(3.5e-3) + 35_392.0 / GAS / ROOM_K + tafel * 0.08 / ROOM_K),
            cap_b=2.0 * (-35_392.0 / GAS - tafel * anode),
            relax_a=math.log(0.02805) + 42_800.0 / GAS / ROOM_K - relax * 3.7 / ROOM_K,
            relax_b=-42_800.0 / GAS + relax * volts,
        ),
        never_better=frozenset({"fuller", "deeper"}),
    )


def _generic() -> AgeingModel:
    return AgeingModel(
        key="generic",
        title="generic lithium-ion cell",
        chemistry="LMO / graphite data",
        source="Xu et al. 2016, 10.1109/TSG.2016.2578950",
        validity="parameters of an LMO cell; no effect of rate; calendar and cycle damage share one law",
        kind=laws.GENERIC,
        p_calendar=1.0,
        p_cycle=1.0,
        tables=_tables(
            cap_a=math.log(4.14e-10 * 86_400.0) + 1.04 * (_SOC - 0.5) + 0.0693 * ROOM_K,
            cap_b=-0.0693 * ROOM_K**2,
        ),
        never_better=frozenset({"hotter", "fuller", "deeper"}),
    )


MODELS: Mapping[str, AgeingModel] = MappingProxyType(
    {model.key: model for model in (_lfp250(), _sony(), _nca(), _sanyo(), _nrel(), _nmc50(), _generic())}
)
"""The cells by key, in the order in which they are shown."""
