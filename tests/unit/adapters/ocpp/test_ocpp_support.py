"""The reference page says what the code does, and every test that it names exists."""

import re
from pathlib import Path

from bothways.adapters.ocpp.schemas import actions
from bothways.adapters.ocpp.support import VERSIONS, page, rows

ROOT = Path(__file__).resolve().parents[4]
CLIENT = ROOT / "tests" / "e2e" / "ocpp_client" / "station.cjs"


def test_the_page_is_the_one_that_the_code_writes() -> None:
    written = (ROOT / "docs" / "reference" / "ocpp-support.md").read_text(encoding="utf-8")
    assert written == page(), "renew it: python -m bothways.adapters.ocpp.support > docs/reference/ocpp-support.md"


def test_every_message_of_every_version_has_a_row() -> None:
    for version in VERSIONS:
        assert {row.action for row in rows() if row.version == version} == actions(version)


def test_every_named_test_exists() -> None:
    for name in {row.test for row in rows()}:
        path, _, function = name.partition("::")
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {function}\(", source, re.MULTILINE), name


def test_every_named_test_is_about_its_message() -> None:
    """Either it goes through the table of all messages of a direction, or it speaks of this one."""
    for row in rows():
        path, _, function = row.test.partition("::")
        source = (ROOT / path).read_text(encoding="utf-8")
        body = re.search(rf"^(?:async )?def {function}\(.*?(?=^(?:async )?def |^class |^@|\Z)", source, re.M | re.S)
        assert body is not None
        table = "HANDLERS" if row.direction == "from the station" else "outgoing("
        told = body[0] + (CLIENT.read_text(encoding="utf-8") if "independent_client" in path else "")
        assert table in told or row.action in told, row
