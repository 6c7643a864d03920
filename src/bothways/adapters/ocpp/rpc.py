"""OCPP-J's remote procedure calls on raw arrays: what is a message, and which error code says what in which version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from bothways.adapters.ocpp.schemas import Version, Violation

CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = 2, 3, 4, 5, 6
UNREADABLE_ID = "-1"
LONGEST_ID = 255  # the standard says 36; a longer one is echoed rather than refused

Code = Literal[
    "NotImplemented",
    "NotSupported",
    "InternalError",
    "ProtocolError",
    "SecurityError",
    "FormatViolation",
    "PropertyConstraintViolation",
    "OccurrenceConstraintViolation",
    "TypeConstraintViolation",
    "GenericError",
    "RpcFrameworkError",
    "MessageTypeNotSupported",
]

# 1.6-J (section 4.2.3) spells two codes differently and lacks two; its table of codes is closed.
_CODES_16: dict[str, str] = {
    "FormatViolation": "FormationViolation",
    "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
    "RpcFrameworkError": "FormationViolation",
    "MessageTypeNotSupported": "ProtocolError",
}

_BY_KIND: dict[str, Code] = {
    "Required": "OccurrenceConstraintViolation",
    "MinItems": "OccurrenceConstraintViolation",
    "MaxItems": "OccurrenceConstraintViolation",
    "Type": "TypeConstraintViolation",
    "AdditionalProperties": "FormatViolation",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as read from the wire.

    Attributes:
        kind: 2 CALL, 3 CALLRESULT, 4 CALLERROR, 5 CALLRESULTERROR, 6 SEND.
        id: the message's id.
        action: name of the request, for kinds 2 and 6.
        payload: the object; for kinds 4 and 5 the error's details.
        code: error code, for kinds 4 and 5.
        text: error description, for kinds 4 and 5.
    """

    kind: int
    id: str
    action: str = ""
    payload: Any = None
    code: str = ""
    text: str = ""


class CallError(Exception):
    """A call that is answered, or was answered, by an error."""

    def __init__(self, code: str, text: str = "", details: Any = None) -> None:
        self.code = code
        self.text = text
        self.details = details
        super().__init__(f"{code}: {text}" if text else code)


class Malformed(Exception):  # noqa: N818 - an adjective reads better where it is caught
    """What arrived is no message. ``id`` names whom to answer, ``""`` where nobody can be answered."""

    def __init__(self, code: Code, text: str, message_id: str = "") -> None:
        self.code = code
        self.text = text
        self.id = message_id
        super().__init__(text)


def parse(raw: bytes | str) -> Frame:
    """Reads one message.

    Args:
        raw: text of the WebSocket message.

    Returns:
        The message; payloads are not validated yet.

    Raises:
        Malformed: where it is no OCPP-J message.
    """
    try:
        parts = orjson.loads(raw)
    except ValueError as error:
        raise Malformed("RpcFrameworkError", "the message is not JSON") from error
    if not isinstance(parts, list) or len(parts) < 3:
        raise Malformed("RpcFrameworkError", "the message is not an array of at least 3 elements")
    kind, message_id = parts[0], parts[1]
    if not isinstance(message_id, str) or not message_id or len(message_id) > LONGEST_ID:
        raise Malformed("RpcFrameworkError", f"the message id is not a text of 1 to {LONGEST_ID} characters")
    if type(kind) is not int:
        raise Malformed("RpcFrameworkError", "the message type is not an integer", message_id)
    if kind in (CALL, SEND):
        if len(parts) != 4 or not isinstance(parts[2], str):
            raise Malformed("RpcFrameworkError", "a call is [type, id, action, payload]", message_id)
        return Frame(kind, message_id, action=parts[2], payload=parts[3])
    if kind == CALLRESULT:
        return Frame(kind, message_id, payload=parts[2])
    if kind in (CALLERROR, CALLRESULTERROR):
        text = parts[3] if len(parts) > 3 else ""
        details = parts[4] if len(parts) > 4 else {}
        return Frame(kind, message_id, code=str(parts[2]), text=str(text), payload=details)
    raise Malformed("MessageTypeNotSupported", f"message type {kind} does not exist", message_id)


def call(message_id: str, action: str, payload: object) -> bytes:
    """A request."""
    return orjson.dumps([CALL, message_id, action, payload])


def send(message_id: str, action: str, payload: object) -> bytes:
    """A message that is not answered (2.1)."""
    return orjson.dumps([SEND, message_id, action, payload])


def result(message_id: str, payload: object) -> bytes:
    """The answer to a request."""
    return orjson.dumps([CALLRESULT, message_id, payload])


def error(version: Version, message_id: str, code: str, text: str = "", *, of_result: bool = False) -> bytes:
    """An error in answer to a request, or in 2.1 to an answer (``of_result``), in the version's own spelling."""
    kind = CALLRESULTERROR if of_result else CALLERROR
    return orjson.dumps([kind, message_id, spelled(version, code), text[:255], {}])


def spelled(version: Version, code: str) -> str:
    """The error code as the version spells it.

    >>> spelled("1.6", "FormatViolation"), spelled("2.1", "FormatViolation")
    ('FormationViolation', 'FormatViolation')
    """
    return _CODES_16.get(code, code) if version == "1.6" else code


def code_of(found: Sequence[Violation]) -> Code:
    """The error code for a payload that breaks its schema: the first violation that is more than form decides."""
    worst = next((item for item in found if not item.form), found[0])
    return _BY_KIND.get(worst.kind, "PropertyConstraintViolation")
