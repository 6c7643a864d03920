"""Problems are collected, shown whole, and never lost."""

import pytest

from bothways.domain.errors import BothwaysError, InputError, Problem, Problems


def test_all_problems_reach_the_user():
    problems = Problems(at="a.json")
    problems.add("x", -1, "at least 0", "Give x.")
    problems.add("", "junk", "a table", "Give a table.")
    with pytest.raises(InputError) as caught:
        problems.raise_if_any()
    assert [p.where for p in caught.value.problems] == ["a.json: x", "a.json"]
    assert "at least 0" in str(caught.value)
    assert "Give a table." in str(caught.value)
    assert isinstance(caught.value, BothwaysError)


def test_long_values_are_shortened_and_an_empty_error_is_a_defect():
    problems = Problems()
    problems.add("x", "y" * 1000, "less", "Shorten.")
    assert len(problems.items[0].found) == 120
    Problems().raise_if_any()
    with pytest.raises(ValueError, match="at least one"):
        InputError([])
    both = Problems(items=[])
    both.extend([Problem("a", "b", "c", "d")])
    assert len(list(both)) == 1
