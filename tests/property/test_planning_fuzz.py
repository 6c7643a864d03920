"""Whatever is in a problem file, only InputError comes out of reading it."""

import io
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bothways.app.cli.plan import arrays_as_mapping
from bothways.domain.errors import InputError
from bothways.planning.parsing import COLUMNS, KEYS, problem_from_mapping, problem_to_mapping

MANY = settings(max_examples=150)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**30), st.floats(), st.text(max_size=5),
    st.sampled_from([0, 1, 4, 0.5, math.inf, -1.0, 10**400]),
)  # fmt: skip
arrays = st.sampled_from(
    [np.ones(4), np.ones((2, 2)), np.array(3), np.array("x"), np.array([True, False]), np.zeros(0), np.array([1j]),
     np.array(["a"]), np.array([np.datetime64("2024-01-01")]), np.array([{}], dtype=object)]
)  # fmt: skip
values = st.recursive(
    st.one_of(scalars, arrays),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


def valid():
    columns = {
        "arrival": [0, 1], "departure": [4, 4], "energy_at_arrival_kwh": 10, "energy_required_kwh": 20,
        "energy_min_kwh": 2, "energy_max_kwh": 40, "charge_kw": 11, "discharge_kw": 11, "charge_efficiency": 0.9,
        "discharge_efficiency": 0.9, "wear_per_kwh": 0.05,
    }  # fmt: skip
    return {
        "step_h": 0.25, "periods": 4, "import_price": [0.1] * 4, "export_price": 0.05, "base_load_kw": 10,
        "vehicles": columns,
    }  # fmt: skip


def read(mapping):
    try:
        problem = problem_from_mapping(mapping, at="file")
    except InputError:
        return
    # What was accepted can be written and read again.
    problem_from_mapping(problem_to_mapping(problem))


@MANY
@given(values)
def test_anything(value):
    read(value)


@MANY
@given(st.dictionaries(st.sampled_from([*KEYS, "other"]), values, min_size=1, max_size=4))
def test_site_values(changes):
    read(valid() | changes)


@MANY
@given(st.dictionaries(st.sampled_from([*COLUMNS, "other"]), values, min_size=1, max_size=4))
def test_vehicle_values(changes):
    mapping = valid()
    mapping["vehicles"] |= changes
    read(mapping)


@MANY
@given(st.lists(st.dictionaries(st.sampled_from(["price_per_kw", "steps", "peak_so_far_kw", "x"]), values), max_size=3))
def test_demand_charges(charges):
    read(valid() | {"demand_charges": charges})


def archive(**arrays_by_name):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays_by_name)
    return buffer.getvalue()


WHOLE = archive(step_h=np.array(0.25), **{"vehicles.arrival": np.arange(3), "demand_charges.steps": np.ones((2, 4))})


@MANY
@given(st.one_of(st.binary(max_size=200), st.integers(0, len(WHOLE)).map(lambda size: WHOLE[:size])))
def test_archives_of_any_bytes(content):
    check_archive(content)


@MANY
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=6))
def test_archives_with_bytes_overwritten(at, patch):
    check_archive(WHOLE[:at] + patch + WHOLE[at + len(patch) :])


def check_archive(content):
    try:
        mapping = arrays_as_mapping(content, "file")
    except InputError:
        return
    read(mapping)
