"""Vehicles between sites: small cases worked out by hand, and what is read and refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bothways.app.cli.plan import plan
from bothways.domain.errors import DomainError, InputError
from bothways.planning.evaluation import evaluate
from bothways.planning.highs.runner import Runner
from bothways.planning.journeys.parsing import journeys_from_mapping, journeys_to_mapping
from bothways.planning.journeys.problem import JourneyProblem, Trips
from bothways.planning.journeys.solve import solve_journeys
from bothways.planning.limits import EnergyReserve
from bothways.planning.problem import PlanOptions


def trips_of(*rows):
    """Trips from (from site, row, to site, row, kWh)."""
    columns = list(zip(*rows, strict=True))
    return Trips(*(np.array(column, dtype=np.int64) for column in columns[:4]), np.array(columns[4], dtype=float))


@pytest.fixture
def commute(plan_problem, plan_fleet):
    """One lossless battery of 40 kWh, 10 kW: two hours at work at 0.10, then two at home at 0.40; 5 kWh between."""
    common = {"energy_required_kwh": 0.0}
    work = plan_fleet(arrival=0, departure=2, energy_at_arrival_kwh=10.0, **common)
    home = plan_fleet(arrival=3, departure=5, energy_at_arrival_kwh=0.0, **common)
    prices = {"export": [0.1] * 5}
    return JourneyProblem(
        ("work", "home"),
        (
            plan_problem([0.1] * 5, fleet=work, **prices),
            plan_problem([0.4] * 5, base=8.0, fleet=home, export=[0.0] * 5),
        ),
        trips_of((0, 0, 1, 0, 5.0)),
    )


def test_energy_bought_where_it_is_cheap_is_used_where_it_is_dear(commute):
    answer = solve_journeys(commute)
    assert answer.status == "optimal"
    # Home needs 2 × 8 kWh while the vehicle is there: 16 + 5 − 10 = 11 kWh at 0.10; the other 3 h cost 24 × 0.40.
    assert answer.objective == pytest.approx(11 * 0.1 + 24 * 0.4)
    assert answer.lower_bound == pytest.approx(answer.objective)
    assert answer.leaves_kwh == pytest.approx([21.0])
    assert answer.arrives_kwh == pytest.approx([16.0])
    assert answer.sites[1].power_kw[0] == pytest.approx([0, 0, 0, -8, -8])


def test_what_is_left_is_valued_once(commute):
    valued = tuple(replace(site, terminal_value_per_kwh=0.15) for site in commute.sites)
    answer = solve_journeys(replace(commute, sites=valued))
    # A kWh bought at work for 0.10 is worth 0.15 in the end: 20 kWh are bought, 25 arrive, 16 of them are used at home.
    assert answer.arrives_kwh == pytest.approx([25.0])
    assert answer.objective == pytest.approx(20 * 0.1 + 24 * 0.4 - 9 * 0.15)


def test_a_trip_out_of_reach_is_said(commute):
    answer = solve_journeys(replace(commute, trips=trips_of((0, 0, 1, 0, 35.0))))
    assert answer.status == "infeasible"
    assert "uses 35.0 kWh, 5.0 kWh more than the battery can hold when it leaves" in answer.infeasible_because[0]
    assert answer.sites == ()


def test_a_later_need_is_charged_for_before_the_trip(commute, plan_fleet, plan_problem):
    needs = plan_fleet(arrival=3, departure=5, energy_at_arrival_kwh=0.0, energy_required_kwh=25.0, charge_kw=2.0)
    home = plan_problem([0.4] * 5, fleet=needs, export=[0.0] * 5)
    answer = solve_journeys(replace(commute, sites=(commute.sites[0], home)))
    assert answer.arrives_kwh == pytest.approx([25.0])
    assert answer.objective == pytest.approx(20 * 0.1)
    beyond = replace(home, fleet=replace(needs, energy_required_kwh=np.array([31.0])))
    answer = solve_journeys(replace(commute, sites=(commute.sites[0], beyond)))
    assert answer.sites[1].shortfall_kwh == pytest.approx([2.0])
    assert "2.0 kWh short" in answer.sites[1].reasons[0]
    assert answer.objective == pytest.approx(20 * 0.1 + 4 * 0.4)


def test_a_hard_limit_ranks_above_the_need_after_the_trip(commute, plan_fleet, plan_problem):
    needs = plan_fleet(arrival=3, departure=5, energy_at_arrival_kwh=0.0, energy_required_kwh=25.0, charge_kw=0.0)
    home = plan_problem([0.4] * 5, fleet=needs, export=[0.0] * 5)
    tight = replace(commute.sites[0], import_hard_limit_kw=6.0)
    answer = solve_journeys(replace(commute, sites=(tight, home)))
    assert answer.status == "optimal"
    assert answer.sites[1].shortfall_kwh == pytest.approx([25.0 - (10.0 + 12.0 - 5.0)], abs=1e-5)
    assert any("hard limits bind" in note for note in answer.notes)
    impossible = replace(home, base_load_kw=np.full(5, 9.0), import_hard_limit_kw=5.0)
    answer = solve_journeys(replace(commute, sites=(tight, impossible)))
    assert answer.status == "infeasible"
    assert answer.infeasible_because[0].startswith("home: step 0: the base load of 9.0 kW is above")


def test_minimum_power_and_pauses_hold_at_every_site(commute):
    fleet = replace(commute.sites[0].fleet, min_charge_kw=np.array([8.0]), wear_per_kwh=np.array([0.01]))
    need = replace(commute.sites[1].fleet, energy_required_kwh=np.array([8.0]))
    sites = replace(commute.sites[0], fleet=fleet), replace(commute.sites[1], fleet=need, base_load_kw=np.zeros(5))
    answer = solve_journeys(replace(commute, sites=sites))
    assert answer.status == "optimal"  # 3 kWh are missing, but the least that can be charged in a step are 8
    assert sorted(answer.sites[0].power_kw[0, :2]) == pytest.approx([-5.0, 8.0], abs=1e-6)
    assert answer.objective == pytest.approx(0.3 + 0.05)


def test_burning_between_sites_is_held_to_one_direction(commute):
    prices = np.array([-1.0, -1.0, 0.1, 0.1, 0.1])
    wasteful = replace(commute.sites[0].fleet, charge_efficiency=np.array([0.8]), discharge_efficiency=np.array([0.8]))
    work = replace(commute.sites[0], fleet=wasteful, import_price=prices, export_price=prices)
    answer = solve_journeys(replace(commute, sites=(work, commute.sites[1])))
    assert answer.status == "optimal"
    seen = evaluate(answer.sites[0].problem, answer.sites[0].power_kw)
    assert seen.violations.none
    assert seen.objective == pytest.approx(-20.0)  # 2 h at 10 kW in; what is burnt by doing both at once is not there


def test_out_of_time_the_answer_is_full_power_with_its_gap(commute, monkeypatch):
    finished = Runner.run

    def stopped(runner):
        return replace(finished(runner), status="stopped", x=None)

    monkeypatch.setattr(Runner, "run", stopped)
    answer = solve_journeys(commute)
    assert answer.status == "feasible"
    assert answer.sites[0].power_kw[0] == pytest.approx([10, 10, 0, 0, 0])
    assert answer.sites[1].power_kw[0] == pytest.approx([0, 0, 0, 10, 5])
    assert answer.lower_bound == pytest.approx(11 * 0.1 + 24 * 0.4)
    assert "full power" in answer.notes[0]
    tight = replace(commute.sites[0], import_hard_limit_kw=6.0)
    assert solve_journeys(replace(commute, sites=(tight, commute.sites[1]))).status == "infeasible"


def test_the_interior_point_method_gives_the_same_plan(commute, monkeypatch):
    monkeypatch.setattr("bothways.planning.journeys.solve.INTERIOR_FROM", 0)
    answer = solve_journeys(commute)
    assert answer.status == "optimal"
    assert answer.objective == pytest.approx(10.7, abs=1e-5)
    assert all(evaluate(site.problem, site.power_kw).violations.none for site in answer.sites)


def test_reserve_and_faulty_trips_are_refused(commute):
    kept = replace(commute.sites[0], energy_reserve=EnergyReserve.of(1.0, 1, 5))
    with pytest.raises(DomainError, match="reserve"):
        solve_journeys(replace(commute, sites=(kept, commute.sites[1])))
    for row, word in (
        ((0, 1, 1, 0, 1.0), "no vehicle 1"),
        ((2, 0, 1, 0, 1.0), "no site 2"),
        ((1, 0, 0, 0, 1.0), "begins before"),
    ):
        with pytest.raises(DomainError, match=word):
            replace(commute, trips=trips_of(row))
    with pytest.raises(DomainError, match="already begins"):
        replace(commute, trips=trips_of((0, 0, 1, 0, 1.0), (0, 0, 1, 0, 1.0)))


def test_mapping_round_trip_and_null_arrivals(commute):
    mapping = json.loads(json.dumps(journeys_to_mapping(commute)))
    mapping["sites"]["home"]["vehicles"]["energy_at_arrival_kwh"] = [None]
    again = journeys_from_mapping(mapping)
    assert again.names == commute.names
    assert solve_journeys(again).objective == pytest.approx(solve_journeys(commute).objective)


def test_all_faults_of_a_file_come_at_once(commute):
    mapping = json.loads(json.dumps(journeys_to_mapping(commute)))
    mapping["trips"] |= {"from_site": ["office"], "energy_kwh": [-1.0]}
    mapping["sites"]["home"]["step_h"] = -1
    mapping["sites"]["work"]["vehicles"]["energy_at_arrival_kwh"] = [None]
    with pytest.raises(InputError) as caught:
        journeys_from_mapping(mapping, at="trips.json")
    text = str(caught.value)
    for part in ("trips.from_site[0]", "trips.energy_kwh[0]", "sites.home: step_h", "sites.work: vehicles.energy_at"):
        assert part in text, (part, text)
    with pytest.raises(InputError, match="begins before"):
        journeys_from_mapping(
            journeys_to_mapping(commute) | {"trips": {
                "from_site": ["home"], "from_vehicle": [0], "to_site": ["work"], "to_vehicle": [0], "energy_kwh": [1.0],
            }}
        )  # fmt: skip
    with pytest.raises(InputError, match="sites"):
        journeys_from_mapping({"sites": [], "trips": {}})


def test_command_line(commute, tmp_path):
    app = typer.Typer()
    app.command()(plan)
    path, out = tmp_path / "trips.json", tmp_path / "out.npz"
    path.write_text(json.dumps(journeys_to_mapping(commute)), encoding="utf-8")
    result = CliRunner().invoke(app, [str(path), "--json", "--schedule", str(out)])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["objective"] == pytest.approx(10.7)
    assert told["trips"]["arrives_kwh"] == pytest.approx([16.0])
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["home.power_kw"].shape == (1, 5)
    shown = CliRunner().invoke(app, [str(path)])
    assert "optimal within 0.0001" in shown.stdout
    refused = CliRunner().invoke(app, [str(path), "--solver", "engine"])
    assert isinstance(refused.exception, InputError)


def test_npz_is_the_same_problem(commute, tmp_path):
    flat = {}
    for name, site in zip(commute.names, commute.sites, strict=True):
        for key in ("step_h", "periods", "import_price", "export_price", "base_load_kw"):
            flat[f"sites.{name}.{key}"] = np.asarray(getattr(site, key))
        for key in site.fleet.__dataclass_fields__:
            flat[f"sites.{name}.vehicles.{key}"] = getattr(site.fleet, key)
    names = np.array(commute.names)
    for key in ("from_vehicle", "to_vehicle", "energy_kwh"):
        flat[f"trips.{key}"] = getattr(commute.trips, key)
    flat |= {f"trips.{key}": names[getattr(commute.trips, key)] for key in ("from_site", "to_site")}
    path = tmp_path / "trips.npz"
    np.savez(path, **flat)
    app = typer.Typer()
    app.command()(plan)
    result = CliRunner().invoke(app, [str(path), "--json"])
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout)["objective"] == pytest.approx(solve_journeys(commute, PlanOptions()).objective)
