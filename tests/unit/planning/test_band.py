"""Band matrices by vectors against dense linear algebra."""

import numpy as np
import pytest

from bothways.planning.engine.interior.band import (
    AHEAD,
    band_times,
    empty_band,
    room_for,
    solve_triangles,
    stride_of,
    triangle,
)

SHAPES = [(1, 1), (5, 3), (17, 17), (33, 1), (40, 40), (96, 50), (130, 16), (131, 15)]


def random_band(size: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A positive definite matrix so wide, dense and as a band."""
    rng = np.random.default_rng(size * 1000 + width)
    lower = np.triu(np.tril(rng.normal(size=(size, size))), 1 - width) + width * np.eye(size)
    dense, band = lower @ lower.T, empty_band(size, width)
    for t in range(size):
        for j in range(min(width, size - t)):
            band[AHEAD + t * stride_of(width) + j] = dense[t, t + j]
    return dense, band


@pytest.mark.parametrize(("size", "width"), SHAPES)
def test_products_and_solutions_are_those_of_the_dense_matrix(size: int, width: int) -> None:
    dense, band = random_band(size, width)
    x, out = np.zeros(room_for(size)), np.empty(room_for(size))
    x[:size] = np.random.default_rng(1).normal(size=size)
    band_times(band, size, stride_of(width), x, out)
    np.testing.assert_allclose(out[:size], dense @ x[:size], rtol=1e-12, atol=1e-9)
    inverse = np.empty(size)
    triangle(band, size, stride_of(width), inverse)
    solve_triangles(band, size, stride_of(width), inverse, out)
    np.testing.assert_allclose(out[:size], x[:size], rtol=1e-9, atol=1e-9)


def test_a_row_that_says_nothing_new_keeps_its_price() -> None:
    band = empty_band(3, 2)
    stride = stride_of(2)
    band[[AHEAD, AHEAD + 1, AHEAD + stride]] = 1.0  # rows 0 and 1 say the same
    band[AHEAD + 2 * stride] = 4.0
    inverse, side = np.empty(3), np.zeros(room_for(3))
    side[:3] = 2.0, 2.0, 8.0
    triangle(band, 3, stride, inverse)
    solve_triangles(band, 3, stride, inverse, side)
    np.testing.assert_allclose(side[:3], [2.0, 0.0, 2.0])
