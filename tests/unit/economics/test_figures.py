import math
from decimal import Decimal

import pytest

from bothways.domain.errors import DomainError
from bothways.economics.figures import Figure, decimal, finite, series, whole


def test_a_missing_figure_needs_a_reason():
    with pytest.raises(DomainError, match="reason"):
        Figure(None)
    assert Figure(0.0).known


def test_a_float_is_read_as_it_prints():
    assert decimal("x", 0.1) == Decimal("0.1")
    assert decimal("x", Decimal("1.10")).as_tuple().exponent == -2


@pytest.mark.parametrize("value", ["", "1,5", "nan", math.inf])
def test_no_other_text_is_money(value):
    with pytest.raises(DomainError, match="x"):
        decimal("x", value)


def test_range_is_named():
    with pytest.raises(DomainError, match=r"x must be a finite number in 0 … 1, not 1.5"):
        finite("x", 1.5, low=0.0, high=1.0)


def test_series_names_the_place():
    with pytest.raises(DomainError, match=r"x\[1\] is nan"):
        series("x", [0.0, math.nan], 2)


@pytest.mark.parametrize("value", [1.5, math.nan, math.inf, -1])
def test_whole_refuses(value):
    with pytest.raises(DomainError):
        whole("x", value)
