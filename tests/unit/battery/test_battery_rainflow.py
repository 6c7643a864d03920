"""The rainflow count against the standard's example, and its bounded memory."""

import numpy as np
import pytest

from bothways.battery.rainflow import STACK_DEPTH, count_cycles


def test_example_of_the_standard() -> None:
    """ASTM E1049-85, figure 6: half cycles 3, 4, 6, 8, 8, 9 and one full cycle 4."""
    cycles = count_cycles(np.array([-2.0, 1.0, -3.0, 5.0, -1.0, 3.0, -4.0, 4.0, -2.0]))
    full = sorted(cycles[cycles[:, 2] == 1.0, 0].tolist())
    half = sorted(cycles[cycles[:, 2] == 0.5, 0].tolist())
    assert full == [4.0]
    assert half == [3.0, 4.0, 6.0, 8.0, 8.0, 9.0]


def test_rests_and_points_on_the_way_do_not_count() -> None:
    plain = count_cycles(np.array([0.5, 0.9, 0.3, 0.5]))
    slow = count_cycles(np.array([0.5, 0.5, 0.7, 0.9, 0.9, 0.9, 0.6, 0.3, 0.3, 0.4, 0.5]))
    np.testing.assert_allclose(slow, plain)


@pytest.mark.parametrize("values", [[], [0.4], [0.4, 0.4, 0.4]])
def test_no_movement_is_no_cycle(values: list[float]) -> None:
    assert count_cycles(np.array(values)).shape == (0, 3)


@pytest.mark.parametrize("growing", [True, False])
def test_a_residue_longer_than_the_memory_loses_no_path(growing: bool) -> None:
    ranks = np.arange(1, 4 * STACK_DEPTH)
    swing = np.where(ranks % 2 == 0, 1.0, -1.0) * (ranks if growing else ranks[::-1]) / ranks[-1] / 2.0
    soc = 0.5 + swing
    cycles = count_cycles(soc)
    path = float(np.abs(np.diff(soc)).sum())
    assert 2.0 * float((cycles[:, 0] * cycles[:, 2]).sum()) == pytest.approx(path, rel=1e-12)
