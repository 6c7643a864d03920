"""What chargers lose at part load and what the cold takes of their power: from the scenario's tables onto the stays."""

from __future__ import annotations

import numpy as np

from bothways.domain.timegrid import TimeGrid
from bothways.planning.part_load import PartLoad
from bothways.simulation.stays import Stays
from bothways.studies.inputs import Assumption
from bothways.studies.scenario import Scenario


def with_losses(stays: Stays, scenario: Scenario, grid: TimeGrid) -> Stays:
    """The stays with losses at part load and derating, as far as the scenario asks for them.

    A stay has the temperature of the month in which it begins; the losses are those of the charger's rating.
    """
    derating, losses = scenario.vehicles.derating, scenario.chargers.losses
    if derating is not None and stays.size:
        celsius = np.array(scenario.ageing.by_month_c)[grid.local.month[stays.arrival] - 1]
        stays = stays.at_share_of_power(derating.law.charge_share(celsius), derating.law.discharge_share(celsius))
    if losses is not None:
        curve = losses.curve(_rated_kw(scenario))
        stays = stays.with_losses(PartLoad((curve,), np.zeros(stays.size, dtype=np.int64)))
    return stays


def _rated_kw(scenario: Scenario) -> float:
    return max(scenario.chargers.charge_kw, scenario.chargers.discharge_kw)


def losses_said(scenario: Scenario) -> list[Assumption]:
    """What the report says of them."""
    found = []
    losses, derating = scenario.chargers.losses, scenario.vehicles.derating
    if losses is not None:
        curve = losses.curve(_rated_kw(scenario))
        rated = curve.charge.rated_kw
        back = curve.round_trip(np.array([rated, 0.5 * rated, 0.25 * rated, 0.1 * rated]))
        text = (
            f"counted in plans, simulation and bills: grid to grid {back[0]:.0%} at {rated:g} kW, {back[1]:.0%} at "
            f"half, {back[2]:.0%} at a quarter and {back[3]:.0%} at a tenth of it; {1000.0 * curve.standby_kw:g} W "
            "while ready to feed back and idle"
        )
        found.append(Assumption("losses at part load", text, losses.source))
    if derating is not None:
        coldest, hottest = min(scenario.ageing.by_month_c), max(scenario.ageing.by_month_c)
        shares = derating.law.charge_share([coldest, hottest])
        text = (
            f"by the cells' temperature in the month of plug-in: {shares[0]:.0%} of charging power at {coldest:g} °C, "
            f"{shares[1]:.0%} at {hottest:g} °C"
        )
        found.append(Assumption("derating of power", text, derating.source))
    return found
