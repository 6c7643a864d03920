"""What is written to the log: what happened and to whom, and never a secret."""

import io
import json
import logging

import pytest
import structlog

from bothways.app.live.logs import configure


@pytest.fixture
def lines(monkeypatch):
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    configure("json", "info")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_denied_connection_is_told_with_its_path_and_reason(lines):
    logging.getLogger("bothways.ocpp").warning("connection denied", extra={"path": "/ocpp/CP-1", "why": "unknown"})
    (line,) = lines()
    assert (line["event"], line["path"], line["why"]) == ("connection denied", "/ocpp/CP-1", "unknown")


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach postgresql://bothways:s3cret-pass@db.example/x",
        "mqtt://user:s3cret-pass@broker",
        "GET /invitation/s3cret-pass-abcdefghijklmnop",
        "Authorization: Bearer s3cret-pass-abcdef",
        "the key " + "AB" * 20 + " was sent",
    ],
)  # fmt: skip
def test_secrets_in_texts_are_hidden(lines, text):
    structlog.get_logger("x").warning(text, detail=text, nested={"password": "s3cret-pass"})
    logging.getLogger("y").warning("%s", text)
    told = json.dumps(lines())
    assert "s3cret-pass" not in told
    assert "ABABAB" not in told
    assert told.count("[hidden]") >= 3
