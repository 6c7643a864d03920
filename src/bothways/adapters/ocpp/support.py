"""Which messages the gateway handles, in a table from which the reference page is written.

Each row names the test that sends or receives its message, so that the page says nothing that is not tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from bothways.adapters.ocpp.administration import outgoing
from bothways.adapters.ocpp.schemas import Version
from bothways.adapters.ocpp.session import HANDLERS

VERSIONS: tuple[Version, ...] = ("1.6", "2.0.1", "2.1")

RECEIVED = "tests/e2e/test_ocpp_messages.py::test_every_message_of_a_station_is_answered"
SENT = "tests/e2e/test_ocpp_messages.py::test_every_request_of_the_server_reaches_the_station"
SESSION_16 = "tests/e2e/test_ocpp_server.py::test_a_session_in_16"
SESSION_2X = "tests/e2e/test_ocpp_server.py::test_a_session_in_2x"
TWO_WAY = "tests/e2e/test_ocpp_independent_client.py::test_a_two_way_session_in_21"
CERTIFICATES = "tests/e2e/test_ocpp_security.py::test_a_certificate_is_issued_on_request"
SAFE = "tests/e2e/test_ocpp_server.py::test_the_safe_profile_is_left_for_every_transaction_and_the_station"
FIRST_BOOT = "tests/e2e/test_ocpp_server.py::test_only_a_station_that_was_never_accepted_is_asked_to_boot_first"
PULL = "tests/e2e/test_ocpp_messages.py::test_a_dynamic_schedule_is_pulled_and_taken_back_when_its_order_ends"
CONSENT = "tests/e2e/test_ocpp_messages.py::test_the_drivers_consent_decides_on_energy_transfer"
COMPOSITE = "tests/e2e/test_ocpp_messages.py::test_the_composite_schedule_is_read_in_kilowatts"
ABILITIES = (
    "tests/e2e/test_ocpp_messages.py::"
    "test_a_station_is_asked_for_its_abilities_and_for_a_report_where_it_cannot_take_the_question"
)
STREAM = "tests/e2e/test_ocpp_messages.py::test_a_stream_is_taken_without_answer_and_as_a_call"

KEPT = "stored as it is and confirmed"

Direction = Literal["from the station", "to the station"]

_MEANINGS: dict[str, str] = {
    "Authorize": "answered by the platform",
    "BootNotification": "stored, registration recorded, then accepted",
    "DataTransfer": "stored, answered by the vendor's handler, else UnknownVendorId",
    "Get15118EVCertificate": "stored, answered Failed: contract certificates are not issued here; refused without TLS",
    "GetCertificateChainStatus": "stored, answered Failed for each certificate; refused without TLS",
    "GetCertificateStatus": "stored, answered Failed; refused without TLS",
    "Heartbeat": "answered with the time",
    "MeterValues": "samples in kW and kWh",
    "NotifyEVChargingNeeds": "the vehicle's needs; answered Processing, the profile follows",
    "NotifyReport": "stored; smart-charging abilities are read from it",
    "PullDynamicScheduleUpdate": "answered with the setpoint in force",
    "SignCertificate": "stored; the issuer's certificate follows as CertificateSigned; refused without TLS",
    "StartTransaction": "transaction; its id comes from the store",
    "StatusNotification": "state of a connector",
    "StopTransaction": "transaction",
    "TransactionEvent": "transaction with its samples",
    "VatNumberValidation": "stored, answered Rejected: no register is asked",
    "SetChargingProfile": "setpoints and safe profiles; by hand only what the rules of operation modes allow",
    "UpdateDynamicSchedule": "setpoints of a dynamic profile",
    "GetCompositeSchedule": "compared with what was ordered",
    "RequestStartTransaction": "start on request",
    "RemoteStartTransaction": "start on request",
    "RequestStopTransaction": "stop on request",
    "RemoteStopTransaction": "stop on request",
    "ExtendedTriggerMessage": "rotation of certificates; by hand",
    "GetBaseReport": "where a station cannot take the question about its abilities; by hand",
    "TriggerMessage": "asks a station that was never accepted to boot; rotation of certificates",
    "GetConfiguration": "asks for smart-charging abilities",
    "GetVariables": "asks for smart-charging abilities",
    "CertificateSigned": "hands out what the issuer signed; refused without TLS",
    "InstallCertificate": "by hand; refused without TLS",
    "DeleteCertificate": "by hand; refused without TLS",
    "SetNetworkProfile": "by hand; never to a lower security profile",
    "ChangeConfiguration": "by hand; never to a lower security profile",
    "AFRRSignal": "signal for stations in CentralFrequency",
}

_OF_ONE: dict[tuple[Version, Direction, str], str] = {
    ("1.6", "to the station", "TriggerMessage"): "asks a station that was never accepted to boot",
    (
        "2.1",
        "from the station",
        "Authorize",
    ): "answered by the platform, with the energy transfer that the driver allows",
    ("2.1", "to the station", "ClearChargingProfile"): "takes a dynamic profile back when its order ended",
    ("2.1", "to the station", "NotifyAllowedEnergyTransfer"): "when a driver's consent changes during a transaction",
}

_TESTS: dict[tuple[Version, Direction, str], str] = {
    ("2.1", "from the station", "Authorize"): CONSENT,
    ("2.1", "from the station", "NotifyPeriodicEventStream"): STREAM,
    ("2.1", "from the station", "PullDynamicScheduleUpdate"): PULL,
    ("2.1", "to the station", "ClearChargingProfile"): PULL,
    ("2.1", "from the station", "NotifyEVChargingNeeds"): TWO_WAY,
    ("2.1", "to the station", "UpdateDynamicSchedule"): TWO_WAY,
    ("2.1", "to the station", "GetVariables"): TWO_WAY,
    ("2.1", "to the station", "GetBaseReport"): ABILITIES,
}
for _version in VERSIONS:
    _session = SESSION_16 if _version == "1.6" else SESSION_2X
    for _action in ("BootNotification", "StatusNotification", "TransactionEvent", "StartTransaction", "StopTransaction",
                    "MeterValues", "Authorize", "NotifyEVChargingNeeds"):  # fmt: skip
        if _action in HANDLERS[_version]:
            _TESTS.setdefault((_version, "from the station", _action), _session)
    _OF_ONE[_version, "to the station", "DataTransfer"] = "by discharge adapters, and by hand"
    _TESTS[_version, "from the station", "SignCertificate"] = CERTIFICATES
    _TESTS[_version, "to the station", "CertificateSigned"] = CERTIFICATES
    _TESTS[_version, "to the station", "SetChargingProfile"] = SAFE
    _TESTS[_version, "to the station", "GetCompositeSchedule"] = COMPOSITE
_TESTS["2.1", "to the station", "TriggerMessage"] = FIRST_BOOT


class Row(NamedTuple):
    """One message of one version.

    Attributes:
        version: protocol version.
        action: name of the message.
        direction: who sends the request.
        meaning: what the gateway makes of it.
        test: path and name of the test that tries it.
    """

    version: Version
    action: str
    direction: Direction
    meaning: str
    test: str


def rows() -> Iterator[Row]:
    """Every message that the gateway handles, one row per version and direction."""
    for version in VERSIONS:
        for action in sorted(HANDLERS[version]):
            test = _TESTS.get((version, "from the station", action), RECEIVED)
            meaning = _OF_ONE.get((version, "from the station", action)) or _MEANINGS.get(action, KEPT)
            yield Row(version, action, "from the station", meaning, test)
        for action in sorted(outgoing(version)):
            test = _TESTS.get((version, "to the station", action), SENT)
            meaning = _OF_ONE.get((version, "to the station", action)) or _MEANINGS.get(action, "by hand")
            yield Row(version, action, "to the station", meaning, test)


def page() -> str:
    """The reference page, in Markdown."""
    lines = [
        "# OCPP messages",
        "",
        "Written by `bothways.adapters.ocpp.support`; a test compares this page with the code. *By hand* means that",
        "the platform sends the message only when a person or a program asks for it (`ChargerGateway.call`), checked",
        "against the schema and, for 2.1, the rules of operation modes. How the gateway works:",
        "[the OCPP gateway](../explanation/ocpp-gateway.md).",
    ]
    for version in VERSIONS:
        mine = [row for row in rows() if row.version == version]
        for direction in ("from the station", "to the station"):
            some = [row for row in mine if row.direction == direction]
            lines += ["", f"## OCPP {version}, {direction} ({len(some)})", "", "| message | handling | test |"]
            lines += ["|---|---|---|"]
            lines += [f"| {row.action} | {row.meaning} | `{row.test.removeprefix('tests/')}` |" for row in some]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - python -m bothways.adapters.ocpp.support > docs/reference/ocpp-support.md
