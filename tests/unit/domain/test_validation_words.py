"""What validation says: all faults together, in the project's words."""

import math

import pytest
from pydantic import BaseModel, ConfigDict, Field

from bothways.domain.errors import InputError, Problem
from bothways.domain.validation import validated


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    share: float = Field(ge=0.0, le=1.0)
    charge_kw: float = Field(gt=0.0, le=1000.0)
    count: int = 1
    outage: str = "x"


class File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    part: list[Part]


def problems(**keys):
    with pytest.raises(InputError) as caught:
        validated(File, {"part": [{"share": 0.5, "charge_kw": 7.0} | keys]}, at="a.toml", page="docs/page.md")
    return caught.value.problems


def test_nan_is_told_with_all_other_faults():
    told = {problem.where: problem for problem in problems(share=math.nan, charge_kw=-1.0, count=1.5)}
    assert set(told) == {f"a.toml: part[0].{key}" for key in ("share", "charge_kw", "count")}
    assert told["a.toml: part[0].share"].found == "nan"
    assert told["a.toml: part[0].charge_kw"].allowed == "a number above 0"
    assert told["a.toml: part[0].count"].allowed == "a whole number"


@pytest.mark.parametrize(("value", "asked"), [(25, True), (100.0, True), (101, False)])
def test_percent_is_recognised(value, asked):
    (problem,) = problems(share=value)
    assert problem.allowed == "a number of at most 1"
    assert ("percent" in problem.remedy) is asked


def test_a_key_is_never_taken_for_itself():
    with pytest.raises(InputError) as caught:
        validated(File, {"part": [], "outage": 1}, at="a.toml", page="docs/page.md")
    (problem,) = caught.value.problems
    assert problem.remedy == "Remove it, or see docs/page.md."


def test_the_same_fault_twice_is_told_once():
    fault = Problem("prices.csv line 3", "'x'", "a number", "Correct the cell.")
    assert InputError([fault, fault]).problems == (fault,)
