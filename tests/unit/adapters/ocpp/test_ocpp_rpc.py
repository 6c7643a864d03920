"""Messages, error codes by version, and the schema files."""

import subprocess
import sys
from typing import Any

import orjson
import pytest

from bothways.adapters.ocpp import rpc
from bothways.adapters.ocpp.rpc import Malformed
from bothways.adapters.ocpp.schemas import Version, actions, schema, validator, violations


@pytest.mark.parametrize(
    ("raw", "code", "answered"),
    [
        (b"not json", "RpcFrameworkError", ""),
        (b"{}", "RpcFrameworkError", ""),
        (b"[2]", "RpcFrameworkError", ""),
        (b'[2,5,"Heartbeat",{}]', "RpcFrameworkError", ""),
        (b'[2,"","Heartbeat",{}]', "RpcFrameworkError", ""),
        (b'[2,"' + b"x" * 256 + b'","Heartbeat",{}]', "RpcFrameworkError", ""),
        (b'["2","m","Heartbeat",{}]', "RpcFrameworkError", "m"),
        (b'[true,"m","Heartbeat",{}]', "RpcFrameworkError", "m"),
        (b'[2,"m","Heartbeat"]', "RpcFrameworkError", "m"),
        (b'[2,"m",7,{}]', "RpcFrameworkError", "m"),
        (b'[9,"m",{}]', "MessageTypeNotSupported", "m"),
        (b"[" * 5000, "RpcFrameworkError", ""),
    ],
)
def test_what_is_no_message(raw: bytes, code: str, answered: str) -> None:
    with pytest.raises(Malformed) as error:
        rpc.parse(raw)
    assert (error.value.code, error.value.id) == (code, answered)


def test_every_kind_of_message_is_read() -> None:
    assert rpc.parse(rpc.call("a", "Reset", {"type": "Soft"})).action == "Reset"
    assert rpc.parse(rpc.send("a", "NotifyPeriodicEventStream", {})).kind == rpc.SEND
    assert rpc.parse(rpc.result("a", {"x": 1})).payload == {"x": 1}
    error = rpc.parse(rpc.error("2.1", "a", "FormatViolation", "why", of_result=True))
    assert (error.kind, error.code, error.text) == (rpc.CALLRESULTERROR, "FormatViolation", "why")
    assert rpc.parse(b'[4,"a","GenericError"]').text == ""


@pytest.mark.parametrize(
    ("code", "in_16"),
    [
        ("FormatViolation", "FormationViolation"),
        ("OccurrenceConstraintViolation", "OccurenceConstraintViolation"),
        ("RpcFrameworkError", "FormationViolation"),
        ("TypeConstraintViolation", "TypeConstraintViolation"),
    ],
)
def test_error_codes_are_spelled_as_in_the_version(code: str, in_16: str) -> None:
    assert orjson.loads(rpc.error("1.6", "m", code))[2] == in_16
    assert orjson.loads(rpc.error("2.0.1", "m", code))[2] == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"connectorId": "one"}, "TypeConstraintViolation"),
        ({"connectorId": None}, "TypeConstraintViolation"),
        ({"surprise": 1}, "FormatViolation"),
        ({"status": "Perhaps"}, "PropertyConstraintViolation"),
    ],
)
def test_the_code_says_what_is_wrong(change: dict[str, Any], code: str) -> None:
    payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available"} | change
    assert rpc.code_of(violations("1.6", "StatusNotification", payload)) == code


def test_a_missing_field_is_an_occurrence_violation_even_beside_a_flaw_of_form() -> None:
    found = violations("1.6", "StatusNotification", {"connectorId": 1, "status": "Available", "timestamp": "noon"})
    assert {item.kind for item in found} == {"Required", "Format"}
    assert rpc.code_of(found) == "OccurrenceConstraintViolation"


@pytest.mark.parametrize(("version", "files"), [("1.6", 78), ("2.0.1", 128), ("2.1", 181)])
def test_every_schema_file_is_used(version: Version, files: int) -> None:
    compiled = [
        validator(version, action, response=response) for action in actions(version) for response in (False, True)
    ]
    assert sum(item is not None for item in compiled) == files


def test_a_stream_has_no_answer() -> None:
    assert schema("2.1", "NotifyPeriodicEventStream") is not None
    assert schema("2.1", "NotifyPeriodicEventStream", response=True) is None
    assert violations("2.1", "NotifyPeriodicEventStream", {}, response=True) == ()
    assert violations("2.1", "NotifyPeriodicEventStream", [], response=True) != ()
    assert schema("1.6", "TransactionEvent") is None


def test_the_ocpp_package_is_never_imported() -> None:
    code = "import sys; import bothways.adapters.ocpp.server; sys.exit('ocpp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
