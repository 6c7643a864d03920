"""Small reserve problems that the tests vary."""

import numpy as np
import pytest

from bothways.planning.reserve.products import ReservePlanProblem, ReserveProduct


def product_of(direction="up", price=0.1, blocks=4, **rest):
    """A product with blocks of one step and a sustain duration of one hour by default."""
    prices = np.full(blocks, price) if np.isscalar(price) else np.array(price, dtype=float)
    return ReserveProduct(
        **({"name": direction, "direction": direction, "capacity_price": prices, "sustain_h": 1.0} | rest)
    )


@pytest.fixture(scope="session")
def product():
    return product_of


@pytest.fixture(scope="session")
def reserve():
    return ReservePlanProblem
