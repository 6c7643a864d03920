"""Units, signs, instants and seals of measured values."""

from datetime import UTC, datetime
from typing import Any

import pytest
from ocpp_doubles import NOW

from bothways.adapters.ocpp.metering import samples
from bothways.adapters.ocpp.reading import Heard, converged, number, whole


def heard() -> Heard:
    return Heard("CP1", NOW, b"raw")


def group(*values: dict[str, Any], at: str = "2026-03-01T11:00:00Z") -> list[dict[str, Any]]:
    return [{"timestamp": at, "sampledValue": list(values)}]


@pytest.mark.parametrize(
    ("measurand", "value", "unit", "multiplier", "expected"),
    [
        ("Energy.Active.Import.Register", 1500.0, "", 0, (1.5, "kWh")),
        ("Energy.Active.Import.Register", 1.5, "Wh", 3, (1.5, "kWh")),
        ("Energy.Active.Import.Register", 1.5, "kWh", 0, (1.5, "kWh")),
        ("Power.Active.Import", 7400.0, "", 0, (7.4, "kW")),
        ("Power.Active.Setpoint", -3000.0, "W", 0, (-3.0, "kW")),
        ("Power.Reactive.Import", 500.0, "", 0, (0.5, "kvar")),
        ("Power.Factor", 0.98, "", 0, (0.98, "")),
        ("Current.Import", 16.0, "", 0, (16.0, "A")),
        ("Voltage", 231.0, "", 0, (231.0, "V")),
        ("Frequency", 49.98, "Hertz", 0, (49.98, "Hz")),
        ("SoC", 55.0, "Percent", 0, (0.55, "fraction")),
        ("SoC", 55.0, "", 0, (0.55, "fraction")),
        ("Temperature", 300.0, "K", 0, (26.85, "degC")),
        ("Temperature", 212.0, "Fahrenheit", 0, (100.0, "degC")),
        ("Temperature", 20.0, "Celcius", 0, (20.0, "degC")),
        ("Display.RemainingTimeToTargetSOC", 60.0, "s", 0, (60.0, "s")),
    ],
)
def test_values_come_in_the_projects_units(
    measurand: str, value: float, unit: str, multiplier: int, expected: tuple[float, str]
) -> None:
    amount, name = converged(measurand, value, unit, multiplier)
    assert (pytest.approx(expected[0]), expected[1]) == (amount, name)


def test_values_of_16_and_2x_are_read_alike() -> None:
    message = heard()
    old = samples(group({"value": "7400", "measurand": "Power.Active.Import", "unit": "W", "phase": "L1"}), message)
    new = samples(
        group({"value": 7.4, "measurand": "Power.Active.Import", "phase": "L1",
               "unitOfMeasure": {"unit": "W", "multiplier": 3}}),
        message,
    )  # fmt: skip
    assert old == new
    assert old[0].at == datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert message.flags == []


@pytest.mark.parametrize(
    ("values", "expected", "flagged"),
    [
        ([("Power.Active.Import", -3000)], [("Power.Active.Import", 0.0), ("Power.Active.Export", 3.0)], False),
        ([("Power.Active.Export", 3000)], [("Power.Active.Export", 3.0)], False),
        (
            [("Power.Active.Import", -3000), ("Power.Active.Export", 3000)],
            [("Power.Active.Import", 0.0), ("Power.Active.Export", 3.0)],
            False,
        ),
        (
            [("Power.Active.Export", 3000), ("Power.Active.Import", -1000)],
            [("Power.Active.Export", 3.0), ("Power.Active.Import", 0.0)],
            True,
        ),
        ([("Energy.Active.Import.Interval", -500)], [("Energy.Active.Import.Interval", 0.0),
                                                    ("Energy.Active.Export.Interval", 0.5)], False),
        ([("Power.Active.Export", -3000)], [("Power.Active.Export", -3.0)], True),
    ],
)  # fmt: skip
def test_discharging_is_an_export_and_never_counted_twice(
    values: list[tuple[str, float]], expected: list[tuple[str, float]], flagged: bool
) -> None:
    message = heard()
    read = samples(group(*({"value": value, "measurand": name} for name, value in values)), message)
    assert [(item.measurand, item.value) for item in read] == expected
    assert bool(message.flags) == flagged


def test_a_phases_import_does_not_hide_behind_anothers_export() -> None:
    read = samples(
        group(
            {"value": -1000, "measurand": "Power.Active.Import", "phase": "L1"},
            {"value": 2000, "measurand": "Power.Active.Export", "phase": "L2"},
        ),
        heard(),
    )
    assert [(item.measurand, item.phase, item.value) for item in read] == [
        ("Power.Active.Import", "L1", 0.0),
        ("Power.Active.Export", "L1", 1.0),
        ("Power.Active.Export", "L2", 2.0),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"value": "12,5"},
        {"value": "NaN"},
        {"value": None},
        {},
        {"value": 1, "unitOfMeasure": {"multiplier": 400}},
        {"value": 1, "unitOfMeasure": {"multiplier": 1.5}},
        "nonsense",
    ],
)
def test_one_unreadable_value_does_not_cost_its_neighbours(broken: Any) -> None:
    message = heard()
    read = samples(group(broken, {"value": 1000}), message)
    assert [item.value for item in read] == [1.0]
    assert message.flags
    assert message.base()["raw"] == b"raw"


@pytest.mark.parametrize("found", ["x", [7], [{"timestamp": "2026-03-01T11:00:00Z"}]])
def test_meter_values_that_are_none_are_flagged(found: Any) -> None:
    message = heard()
    assert samples(found, message) == ()
    assert message.flags


def test_signed_data_belongs_to_the_plain_reading() -> None:
    message = heard()
    plain = {"value": "1000", "measurand": "Energy.Active.Import.Register"}
    read = samples(group(plain, {"value": "OCMF|{}|{}", "format": "SignedData"}), message)
    assert [(item.value, item.signed) for item in read] == [(1.0, "OCMF|{}|{}")]
    assert message.flags == []
    assert samples(group({"value": "OCMF|{}|{}", "format": "SignedData"}), message) == ()
    assert message.flags
    new = samples(
        group({"value": 1000, "signedMeterValue": {"signedMeterData": "c2VhbA==", "encodingMethod": "OCMF"}}), message
    )
    assert new[0].signed == "c2VhbA=="


@pytest.mark.parametrize(
    ("text", "at", "flagged"),
    [
        ("2026-03-01T13:00:00+01:00", NOW, False),
        ("2026-03-01T12:00:00.123Z", NOW.replace(microsecond=123_000), False),
        ("2026-03-01T12:00:00", NOW, True),
        ("yesterday", NOW, True),
        ("0001-01-01T00:00:00+14:00", NOW, True),
        (None, NOW, True),
    ],
)
def test_instants(text: Any, at: datetime, flagged: bool) -> None:
    message = heard()
    assert message.instant(text) == at
    assert bool(message.flags) == flagged


def test_numbers() -> None:
    assert [number(item) for item in (1, "2.5", True, None, "x", float("inf"), 10**400)] == [1, 2.5, *[None] * 5]
    assert [whole(item) for item in (1, "2", 2.0, 2.5, 2**70, True)] == [1, 2, 2, None, None, None]
    assert whole(2**53 + 1) == 2**53 + 1
