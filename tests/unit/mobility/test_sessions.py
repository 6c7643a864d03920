"""Sessions as columns keep their promises."""

from datetime import UTC, datetime

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.mobility.sessions import DataQuality, QualityCount, SessionTable, session_table


def three() -> SessionTable:
    return session_table(
        ["c", "a", "b"],
        ["E2", "E1", "E1"],
        [7200, 0, 3600],
        [9000, 3600, 5400],
        [3.0, 1.0, 2.0],
        vehicle_id=["v", None, "v"],
        requested_kwh=[5.0, 0.0, 6.0],
        has_request=[True, False, True],
        declared_departure_s=[8000, 3000, 0],
        has_declared_departure=[True, True, False],
        soc_at_arrival=[0.1, 0.2, 0.3],
    )


def test_rows_are_sorted_together() -> None:
    table = three()
    assert table.session_id == ("a", "b", "c")
    assert table.evse_id == ("E1", "E1", "E2")
    assert table.vehicle_id == (None, "v", "v")
    assert table.delivered_kwh.tolist() == [1.0, 2.0, 3.0]
    assert table.requested_kwh.tolist() == [0.0, 6.0, 5.0]
    assert table.has_request.tolist() == [False, True, True]
    assert table.soc_at_arrival.tolist() == [0.2, 0.3, 0.1]
    assert table.has_soc_at_arrival.all()
    assert not table.has_charge_kw.any()
    assert table.stay_h.tolist() == [1.0, 0.5, 0.5]


def test_select_and_between() -> None:
    table = three()
    assert table.select(np.array([True, False, True])).session_id == ("a", "c")
    assert table.select(np.array([2])).delivered_kwh.tolist() == [3.0]
    some = table.between(datetime(1970, 1, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, 2, tzinfo=UTC))
    assert some.session_id == ("b",)
    with pytest.raises(DomainError, match="aware"):
        table.between(datetime(1970, 1, 1), datetime(1970, 1, 2, tzinfo=UTC))
    assert table.select(np.zeros(3, dtype=np.bool_)).size == 0


def test_a_session_as_an_object() -> None:
    session = three().session(1)
    assert session.arrival == datetime(1970, 1, 1, 1, tzinfo=UTC)
    assert session.declared_departure is None
    assert (session.requested_kwh, session.delivered_kwh, session.vehicle_id) == (6.0, 2.0, "v")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"departure_s": [1, 0]}, "departure must lie after"),
        ({"session_id": ["a", "a"]}, "repeat"),
        ({"delivered_kwh": [1.0, np.nan]}, "delivered_kwh"),
        ({"delivered_kwh": [1.0, -1.0]}, "delivered_kwh"),
        ({"delivered_kwh": [1.0]}, "shape"),
        ({"requested_kwh": [1.0, np.inf]}, "requested_kwh"),
        ({"soc_at_arrival": [0.5, 55.0]}, "soc_at_arrival"),
        ({"usable_capacity_kwh": [0.0, 5.0]}, "usable_capacity_kwh"),
        ({"declared_departure_s": [3600, 0]}, "declared departure"),
        ({"has_request": [True]}, "shape"),
        ({"capacity": [1.0, 1.0]}, "unknown column"),
        ({"vehicle_id": ["v"]}, "length"),
    ],
)
def test_what_breaks_a_rule_is_refused(changed: dict, words: str) -> None:
    columns = {"session_id": ["a", "b"], "evse_id": ["1", "1"], "arrival_s": [0, 100], "departure_s": [50, 200],
               "delivered_kwh": [1.0, 2.0]}  # fmt: skip
    assert session_table(**columns).size == 2
    with pytest.raises(DomainError, match=words):
        session_table(**{**columns, **changed})


def test_quality_counts_add_up() -> None:
    quality = DataQuality("f", 10, 9, (QualityCount("a", "an a", 3, "kept"),))
    more = quality.adding(QualityCount("b", "a b", 2, "dropped"))
    assert (more.count("a"), more.count("b"), more.count("c")) == (3, 2, 0)
    assert quality.count("b") == 0
