"""After ``prepare`` no plan waits for a compiler: what it compiled is all that plans of every size and form call.

In a process of its own, because kernels that other tests called would count.
"""

import subprocess
import sys

import pytest

CODE = """
import importlib, pkgutil, sys
from dataclasses import replace
import numpy as np
import bothways.planning.engine as engine
sys.path.insert(0, sys.argv[1])
from plan_cases import case, news
from bothways.planning.limits import EnergyReserve, GroupLimit
from bothways.planning.engine.onoff.solve import prepare_on_off, solve_on_off
from bothways.planning.engine.solve import prepare, solve_engine
from bothways.planning.problem import PlanOptions

def signatures():
    found = {}
    for info in pkgutil.walk_packages(engine.__path__, engine.__name__ + "."):
        for name, kernel in vars(importlib.import_module(info.name)).items():
            if hasattr(kernel, "nopython_signatures"):
                found[f"{kernel.py_func.__module__}.{name}"] = set(map(str, kernel.signatures))
    return found

def told(what, before, after):
    new = {name: sorted(after[name] - before[name]) for name in after if after[name] - before[name]}
    if new:
        sys.exit(f"{what}: compiled only now: {new}")

def limited(problem):
    size, periods = problem.fleet.size, problem.periods
    member = np.arange(size) % 2
    own = [GroupLimit.of(f"feeder {k}", member == k, periods, upper_kw=1.5 * size, penalty_per_kwh=2.0) for k in (0, 1)]
    return replace(problem, group_limits=tuple(own))

def kept(problem):
    size = problem.fleet.size
    return replace(problem, energy_reserve=EnergyReserve.of(8.0 * size, size, problem.periods))

def brief(problem):
    charges = tuple(replace(one, steps=np.arange(problem.periods) == 40) for one in problem.demand_charges)
    return replace(problem, demand_charges=charges)

def least(problem):
    fleet = problem.fleet
    return replace(problem, fleet=replace(fleet, min_charge_kw=np.minimum(4.1, fleet.charge_kw)))

prepare()
known = signatures()
loose, asked = PlanOptions(gap=0.5), PlanOptions(gap=1e-4)
small = ("base", 6), ("no demand charge", 6), ("base", 60), ("three charges", 50), ("identical", 60)
many = *small, ("limit 1.6", 200), ("base", 1500)
for name, size in many:
    problem = case(name, size, 1)
    for form in (problem, brief(problem), limited(problem), kept(problem)):
        for dense in (True, False):
            for options in (loose, asked):
                _, state = solve_engine(form, options, dense=dense)
                told(f"{name}, {size}, tables {dense}, gap {options.gap}", known, signatures())
        solve_engine(news(form, 2), asked, warm=state.shifted(1, form.periods))
        told(f"{name}, {size}, again", known, signatures())
prepare_on_off()
known = signatures()
for size in (6, 60):
    solve_on_off(least(case("base", size, 1)), PlanOptions(gap=1e-3))
    told(f"on or off, {size}", known, signatures())
print("prepared")
"""


@pytest.mark.slow
def test_no_plan_waits_for_a_compiler(pytestconfig):
    benchmarks = pytestconfig.rootpath / "benchmarks"
    done = subprocess.run([sys.executable, "-c", CODE, benchmarks], capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("prepared"), done.stderr[-3000:]
