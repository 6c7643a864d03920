"""What the documentation says about sessions is what the code does."""

import re
from pathlib import Path

import numpy as np
import pytest

from bothways.mobility.reading import CANONICAL, PRESETS, REQUIRED
from bothways.mobility.sessions import session_table
from bothways.mobility.treating import Draft, treat

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = (ROOT / "docs" / "reference" / "sessions.md").read_text(encoding="utf-8")
HOW_TO = (ROOT / "docs" / "how-to" / "import-sessions.md").read_text(encoding="utf-8")


def test_the_python_of_the_how_to_runs_as_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```python\n(.*?)^```", HOW_TO, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    shown = capsys.readouterr().out
    assert "1216  requested less energy than was delivered" in shown
    assert "use the preset 'acn'" in shown
    assert "11830 sessions at 52 EVSEs" in shown


def test_the_reference_lists_every_column_and_preset() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (yes|) ?\|$", REFERENCE, re.MULTILINE))
    assert set(rows) == set(CANONICAL)
    assert {name for name, needed in rows.items() if needed} == set(REQUIRED)
    assert all(f"`{name}`" in REFERENCE for name in PRESETS)


def test_the_reference_lists_every_trap() -> None:
    table = session_table(["a"], ["E"], [0], [3600], [1.0])
    no, text = np.zeros(1, dtype=bool), np.array(["a"], dtype=object)
    draft = Draft(text, text, np.array([None], dtype=object), table.arrival_s, table.departure_s, no, no,
                  table.delivered_kwh, table.declared_departure_s, no, no, {})  # fmt: skip
    keys = {item.key for item in treat(draft, "s", None).quality.counts}
    listed = REFERENCE.split("## What is treated")[1].split("## What is refused")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", listed, re.MULTILINE)) == keys
