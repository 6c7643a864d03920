"""The figures and the code of the documentation pages are true."""

import json
import re
from pathlib import Path

import pytest

from bothways.app.cli.bill import bill as bill_command

ROOT = Path(__file__).parents[3]


def test_code_of_the_reference_runs():
    page = (ROOT / "docs" / "reference" / "tariffs.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "tariffs.md", "exec"), names)
    assert names["bill"].total == pytest.approx(720 * 10 * 0.2 + 90)
    (example,) = re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert json.loads(example)["total"] == 153.8


def test_table_of_the_how_to_is_what_the_command_prints(capsys, monkeypatch):
    page = (ROOT / "docs" / "how-to" / "bill-a-load.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.setenv("COLUMNS", "200")
    folder = ROOT / "docs" / "how-to" / "bill-a-load"
    options = {"tariff": folder / "tariff.json", "load": folder / "load.csv", "tz": "America/Los_Angeles"}
    bill_command(**options)
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert printed == shown.splitlines()
    bill_command(**options, prior_peaks="2018-08=1200,2019-05=410")
    assert "5,550.00" in capsys.readouterr().out
