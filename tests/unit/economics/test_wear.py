import pytest

from bothways.domain.errors import DomainError
from bothways.economics import wear


def test_price_times_lifetime_throughput_is_the_value_at_stake():
    throughput = wear.lifetime_throughput_kwh(60.0, 1500.0)
    assert throughput == pytest.approx(81_000.0)
    assert wear.wear_price_per_kwh(9000.0, 3000.0, throughput) * throughput == pytest.approx(6000.0)


def test_a_whole_first_life_costs_the_whole_value():
    assert wear.value_lost(9000.0, 3000.0, 0.2) == pytest.approx(6000.0)
    assert wear.value_lost(9000.0, 3000.0, -0.01, end_of_life_loss=0.3) == pytest.approx(-200.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: wear.wear_price_per_kwh(1000.0, 2000.0, 1.0),
        lambda: wear.wear_price_per_kwh(1000.0, 0.0, 0.0),
        lambda: wear.wear_price_per_kwh(-1.0, 0.0, 1.0),
        lambda: wear.value_lost(1000.0, 0.0, 1.5),
        lambda: wear.value_lost(1000.0, 0.0, 0.1, end_of_life_loss=0.0),
        lambda: wear.lifetime_throughput_kwh(60.0, 0.0),
        lambda: wear.lifetime_throughput_kwh(60.0, 1.0, mean_capacity=1.1),
    ],
)
def test_refuses(make):
    with pytest.raises(DomainError):
        make()
