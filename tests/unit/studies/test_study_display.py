"""What the terminal says after a study."""

from types import SimpleNamespace

from bothways.app.study.display import unproven


def result(*records):
    outcomes = tuple(
        SimpleNamespace(run=SimpleNamespace(planning=SimpleNamespace(plans=plans, not_optimal=ended, worst_gap=gap)))
        for plans, ended, gap in records
    )
    return SimpleNamespace(cases=(SimpleNamespace(outcomes=outcomes),))


def test_plans_that_ended_early_are_said():
    told = unproven(result((1000, 2, 0.0004), (500, 5, 0.021), (0, 0, 0.0)))
    assert "7 of 1,500 plans" in told
    assert "2.1%" in told
    assert "time_limit_s" in told


def test_nothing_is_said_where_all_are_proven():
    assert unproven(result((1000, 0, 0.0001))) == ""
