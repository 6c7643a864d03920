"""Commands of people in every version: sound by the version's own schemas, and nothing invented where it has none."""

import itertools
from datetime import UTC, datetime

import pytest

from bothways.adapters.ocpp.administration import outgoing
from bothways.adapters.ocpp.commands import answered, requested
from bothways.adapters.ocpp.schemas import violations
from bothways.domain.errors import GatewayError
from bothways.operations.orders import TRIGGERS, StationCommand

NOW = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
COMMANDS = [
    *(StationCommand("reset", at_once=now) for now in (True, False)),
    StationCommand("unlock", 2, 1),
    *(StationCommand("availability", evse, operative=on) for evse in (0, 2) for on in (True, False)),
    *(StationCommand("trigger", evse, message=word) for word in TRIGGERS for evse in (0, 1)),
    StationCommand("diagnostics", location="https://logs.example/upload"),
]


@pytest.mark.parametrize(("version", "command"), list(itertools.product(["1.6", "2.0.1", "2.1"], COMMANDS)))
def test_every_command_is_a_sound_request_of_its_version(version, command):
    action, payload = requested(version, command, NOW)
    assert action in outgoing(version)
    assert not violations(version, action, payload)


def test_what_a_version_lacks_is_refused():
    with pytest.raises(GatewayError, match="whole station"):
        requested("1.6", StationCommand("reset", 1), NOW)
    assert requested("2.1", StationCommand("reset", 1, at_once=True), NOW) == (
        "Reset", {"type": "Immediate", "evseId": 1},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("action", "answer", "good"),
    [
        ("UnlockConnector", {"status": "UnlockFailed"}, False), ("UnlockConnector", {"status": "Unlocked"}, True),
        ("ChangeAvailability", {"status": "Scheduled"}, True), ("TriggerMessage", {"status": "NotImplemented"}, False),
        ("GetDiagnostics", {}, False), ("GetLog", {"status": "Accepted"}, True),
    ],
)  # fmt: skip
def test_a_station_says_yes_in_many_words(action, answer, good):
    assert answered(action, answer)[1] == good
