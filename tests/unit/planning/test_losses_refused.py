"""Losses at part load where they cannot be planned: refused in words that the file's author knows, with a remedy."""

import pytest

from bothways.domain.errors import InputError
from bothways.planning.journeys.parsing import journeys_from_mapping
from bothways.planning.reserve.parsing import reserve_from_mapping

VEHICLES = {
    "arrival": [0], "departure": [4], "energy_at_arrival_kwh": [10.0], "energy_required_kwh": [11.0],
    "energy_min_kwh": [5.0], "energy_max_kwh": [40.0], "charge_kw": [11.0], "discharge_kw": [10.0],
    "charge_efficiency": [0.9], "discharge_efficiency": [0.9], "wear_per_kwh": [0.0], "loss_curve": [0],
}  # fmt: skip
SITE = {
    "step_h": 0.25, "periods": 4, "import_price": 0.2, "export_price": 0.1, "base_load_kw": 0.0, "vehicles": VEHICLES,
    "loss_curves": [{"rated_kw": 11.0}],
}  # fmt: skip
PRODUCT = {"name": "up", "direction": "up", "capacity_price": [0.01] * 4}
TRIPS = {"from_site": ["a"], "from_vehicle": [0], "to_site": ["b"], "to_vehicle": [0], "energy_kwh": [1.0]}


@pytest.mark.parametrize(
    ("read", "asked", "places"),
    [
        (reserve_from_mapping, {**SITE, "products": [PRODUCT]}, {"loss_curves"}),
        (
            journeys_from_mapping,
            {"sites": {"a": SITE, "b": SITE}, "trips": TRIPS},
            {"sites.a.loss_curves", "sites.b.loss_curves"},
        ),
    ],
)
def test_bids_and_trips_say_that_losses_have_to_be_left_out(read, asked, places):
    with pytest.raises(InputError) as refused:
        read(asked)
    told = {problem.where: problem for problem in refused.value.problems if problem.found == "losses at part load"}
    assert set(told) == places
    assert all("Leave out loss_curves and vehicles.loss_curve" in problem.remedy for problem in told.values())
